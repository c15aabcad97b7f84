"""Speech and screens read while clips are prepared, with readers that write down what they were given."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from data_samples import write_shorts
from prepare_samples import RULE, InThisProcess, files_of, prepare, read_lines

from transformers_ggm.data import load_prepared
from transformers_ggm.data.prepare import (
    ClipOptions,
    ReadingOptions,
    WorkOptions,
    prepare_shorts,
    text_reading,
    workers,
)
from transformers_ggm.errors import CheckpointError, DatasetError
from transformers_ggm.processing.reading import ScreenReader, Transcript

EVERYTHING = ReadingOptions(read_speech="speech-model", read_screen=True)


@pytest.fixture
def readers(monkeypatch):
    """Stand-ins: `heard` has the (seconds, language) and `seen` the sizes of what they were given."""
    known = SimpleNamespace(heard=[], seen=[], batches=[])

    class Speech:
        def read(self, sounds, languages):
            known.batches.append(len(sounds))
            known.heard += [
                (None if sound is None else round(len(sound) / 16_000, 2), language)
                for sound, language in zip(sounds, languages)
            ]
            return [
                Transcript(doubt="no sound")
                if sound is None
                else Transcript(f"{len(sound) / 16_000:.1f} s", "en", -0.1)
                for sound in sounds
            ]

    class Screen(ScreenReader):
        def __init__(self, options):
            self.options = options

        def read(self, frames):
            assert frames.dtype == torch.uint8
            known.seen.append(tuple(frames.shape))
            return f"{len(frames)} frames"

    monkeypatch.setattr(workers, "DecodingWorkers", InThisProcess)
    monkeypatch.setattr(text_reading, "load_speech_reader", lambda name, **_: Speech())
    monkeypatch.setattr(text_reading, "ScreenReader", Screen)
    return known


@pytest.fixture
def shorts(tmp_path):
    return write_shorts(tmp_path / "raw", num_clips=3)


def rewrite(folder, change):
    """Changes the rows of a folder's split `train`."""
    metadata = folder / "train" / "metadata.jsonl"
    rows = read_lines(metadata)
    for number, row in enumerate(rows):
        change(number, row)
    metadata.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_columns_are_added(shorts, tmp_path, readers):
    """Would fail if clips were not read, words alone were, or the frames and sound that are stored were others."""
    record = prepare(shorts, tmp_path / "read", reading=EVERYTHING)
    prepare(shorts, tmp_path / "plain")
    read, plain = (load_prepared(tmp_path / name)["train"].with_format("arrow")[:] for name in ("read", "plain"))
    has_clip = [duration is not None for duration in plain["duration"].to_pylist()]
    has_sound = [audio is not None for audio in plain["audio"].to_pylist()]
    assert has_clip.count(False) == 1 and has_sound.count(False) == 2
    transcripts, screens = read["transcript"].to_pylist(), read["screen_text"].to_pylist()
    assert [text is not None for text in transcripts] == [text is not None for text in screens] == has_clip
    assert [bool(text) for text in transcripts] == has_sound
    assert set(read.column_names) - set(plain.column_names) == {"transcript", "screen_text"}
    for name in plain.column_names:
        assert read[name].to_pylist() == plain[name].to_pylist(), name
    assert record["further_columns"][-2:] == ["transcript", "screen_text"]
    assert record["statistics"]["train"]["share_with_transcript"] == pytest.approx(2 / 3)
    assert record["statistics"]["train"]["share_with_screen_text"] == 1.0
    assert "| Videos with speech |" in (tmp_path / "read" / "statistics.md").read_text()


def test_what_is_given_is_kept(shorts, tmp_path, readers):
    """Would fail if a transcript of the source were read anew, or the languages of the source not told."""

    def change(number, row):
        row |= {"transcript": "given" if number == 0 else None, "language": "de"}

    rewrite(shorts, change)
    prepare(shorts, tmp_path / "out", reading=EVERYTHING)
    rows = load_prepared(tmp_path / "out")["train"]
    assert rows["transcript"][0] == "given" and rows["screen_text"][0]
    assert len(readers.heard) == 2 and {language for _, language in readers.heard} == {"de"}


def test_a_column_of_numbers_is_refused(shorts, tmp_path, readers):
    """Would fail if text were written into a column of something else."""
    rewrite(shorts, lambda number, row: row.update(screen_text=number))
    with pytest.raises(DatasetError, match="'screen_text' of the source has the type int64"):
        prepare(shorts, tmp_path / "out", reading=EVERYTHING)


def test_how_much_is_heard(shorts, tmp_path, readers):
    """Would fail if speech were cut where stored sound is, or stored sound grew with speech."""
    options = ReadingOptions(read_speech="speech-model", speech_seconds=0.5)
    prepare(shorts, tmp_path / "out", reading=options, clip={"max_audio_seconds": 0.25})
    rows = load_prepared(tmp_path / "out")["train"].with_format("arrow")[:]
    assert {seconds for seconds, _ in readers.heard} == {0.5, None} and not readers.seen
    assert "screen_text" not in rows.column_names
    lengths = [soundfile.info(io.BytesIO(a["bytes"])).duration for a in rows["audio"].to_pylist() if a is not None]
    assert lengths and all(length == pytest.approx(0.25) for length in lengths)


def test_resuming_reads_nothing_twice(shorts, tmp_path, readers, monkeypatch):
    """Would fail if what was read were lost with a failure, or another model's words were mixed in."""
    from transformers_ggm.data.prepare import preparation as module

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_report", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            prepare(shorts, tmp_path / "out", reading=EVERYTHING)
    count = len(readers.seen)
    with pytest.raises(DatasetError, match="another reading"):
        prepare(shorts, tmp_path / "out", reading=ReadingOptions(read_speech="other", read_screen=True))
    prepare(shorts, tmp_path / "out", reading=EVERYTHING)
    assert len(readers.seen) == count == 3
    before = files_of(tmp_path / "out")
    prepare(shorts, tmp_path / "out", reading=EVERYTHING)
    assert files_of(tmp_path / "out") == before
    with pytest.raises(DatasetError, match="another reading"):
        prepare(shorts, tmp_path / "out")


def test_retrying_keeps_what_was_read(shorts, tmp_path, readers):
    """Would fail if trying rejected clips again lost the words of the others, or read these again."""
    bad = next((shorts / "train").glob("*.mp4"))
    good = bad.read_bytes()
    bad.write_bytes(b"no clip")
    assert prepare(shorts, tmp_path / "out", reading=EVERYTHING)["rejected"] == 1
    bad.write_bytes(good)
    readers.seen.clear()
    work = WorkOptions(num_workers=1, clips_per_shard=2, retry_rejected=True)
    record = prepare_shorts(shorts, tmp_path / "out", clip=ClipOptions(**RULE), work=work, reading=EVERYTHING)
    assert record["rejected"] == 0 and len(readers.seen) == 1
    prepare(shorts, tmp_path / "fresh", reading=EVERYTHING)
    again, fresh = (load_prepared(tmp_path / name)["train"] for name in ("out", "fresh"))
    for column in ("transcript", "screen_text"):
        assert again[column][:] == fresh[column][:]


def test_speech_is_read_in_batches():
    """Would fail if a model that takes batches were given clips one by one, or rows lost their order."""
    sizes = []

    class Speech:
        def read(self, sounds, languages):
            sizes.append(len(sounds))
            return [Transcript(str(int(sound[0])), "en", -0.1) for sound in sounds]

    reader = text_reading.ClipReader.__new__(text_reading.ClipReader)
    reader.columns, reader.speech, reader.screen = ["transcript"], Speech(), None
    rows = [
        {"file_name": str(number), **({"to_read": {"transcript": np.full(4, number)}} if number % 3 else {})}
        for number in range(40)
    ]
    read = list(reader.read(iter(rows)))
    assert [row["transcript"] for row in read] == [str(number) if number % 3 else None for number in range(40)]
    assert len(sizes) == 3 and sum(sizes) == 26


def test_missing_models_are_told_before_work(shorts, tmp_path):
    """Would fail if a wrong name cost the time of decoding clips first."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="empty"):
        prepare(shorts, tmp_path / "out", reading=ReadingOptions(read_speech=str(tmp_path / "empty")))


@pytest.mark.parametrize("wrong", [{"speech_seconds": 0}, {"screen_frames": 0}, {"min_log_probability": 1.0}])
def test_options_out_of_range(wrong):
    """Would fail if a value that reads nothing were found out clip by clip."""
    with pytest.raises(ValueError):
        ReadingOptions(**wrong)
