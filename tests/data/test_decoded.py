import json
import multiprocessing
import os
import shutil
import time
from dataclasses import replace

import pytest
import torch
from data_samples import make_processors, video_processor, write_metadata, write_shorts, write_sound
from datasets import Dataset
from datasets.arrow_writer import ArrowWriter

from transformers_ggm import (
    DataCollatorForHashtagGeneration,
    GGMProcessor,
    GGMVideoProcessor,
    HashtagRetrieverProcessor,
    load_shorts,
)
from transformers_ggm.data import DataCollatorForHashtagRetrieval, DecodedShorts, decode_split
from transformers_ggm.data import decoded as module
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.errors import DatasetError, MediaError
from transformers_ggm.processing.media import decoding_workers

GUIDANCE = [["rain"], [], ["bluesquare", "rain"], ["lakelife"]]


@pytest.fixture
def with_bad_clip(shorts, tmp_path):
    """`shorts`, with a file in third place that is no video."""
    (tmp_path / "bad.mp4").write_bytes(b"no video at all")
    rows = shorts.to_list()
    rows[2] = {**rows[2], "file_name": str(tmp_path / "bad.mp4")}
    lines = [{name: value for name, value in row.items() if name != "video"} for row in rows]
    for line, row in zip(lines, rows):
        line.setdefault("file_name", row["video"])
    write_metadata(tmp_path / "data" / "train", lines)
    return load_shorts(tmp_path / "data")["train"]


def decodings(monkeypatch):
    """Counts how often a clip is decoded from now on."""
    paths = []
    decode = GGMProcessor.decode_media
    monkeypatch.setattr(
        GGMProcessor,
        "decode_media",
        lambda self, source, **kwargs: paths.append(source) or decode(self, source, **kwargs),
    )
    return paths


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].dtype == second[name].dtype, name
        assert torch.equal(first[name], second[name]), name


@pytest.mark.contract
@pytest.mark.parametrize("rows", [[0], [2], [3], [0, 2, 3], [3, 1, 0], [0, 1]])
def test_decoded_rows_give_the_batch_of_raw_files(shorts, processors, decoded, rows):
    """Would fail if training read other frames, sound or text than the processor makes of the raw clips."""
    processor = processors[0]
    shorts_with_guidance = DecodedShorts(decoded.dataset, GUIDANCE)
    batch = DataCollatorForHashtagGeneration(processor, training=False)([shorts_with_guidance[i] for i in rows])
    raw = shorts.select(rows)
    expected = processor(
        videos=list(raw["video"]),
        text=list(raw["description"]),
        guidance=[GUIDANCE[i] for i in rows],
        hashtags=list(raw["hashtags"]),
    )
    if not expected["audio_mask"].any():  # a batch without any sound leaves it out, which is the same to the model
        del expected["audio_mask"], expected["input_features"]
    assert_same(dict(batch), dict(expected))


@pytest.mark.parametrize("retriever_size", [None, 20, 24])
def test_frames_are_resized_once(tmp_path, retriever_size):
    """Would fail if frames that are cropped were made larger and cropped again before they are stored."""
    recipe = sample_recipes("test", 1)[0]
    render_clip(recipe, str(tmp_path / "a.mp4"), size=96)
    dataset = Dataset.from_list([{"video": str(tmp_path / "a.mp4"), "description": "", "hashtags": ["snow"]}])
    processor, retriever_processor = make_processors()[0], None
    processor.video_processor = GGMVideoProcessor(size={"shortest_edge": 24}, crop_size=16)
    if retriever_size is not None:
        video_processor = GGMVideoProcessor(size={"shortest_edge": retriever_size}, crop_size=16)
        retriever_processor = HashtagRetrieverProcessor(video_processor, processor.tokenizer)
    row = module.ClipDecoder(dataset, processor, retriever_processor)[0]
    frames = processor.decode_media(tmp_path / "a.mp4").frames
    assert row["frames"] == processor.video_processor.resize_frames(frames).numpy().tobytes()
    if retriever_size == 20:
        assert row["retriever_frames"] == video_processor.resize_frames(frames).numpy().tobytes()
    else:
        assert row["retriever_frames"] is None


def test_retriever_frames_are_those_of_its_processor(shorts, decoded, processors, tmp_path):
    """Would fail if a retriever of another frame size were trained on the generator's frames."""
    processor, other = make_processors(retriever_size=16)[0], make_processors(retriever_size=16)[1]
    split = DecodedShorts(decode_split(shorts, tmp_path / "train.arrow", processor, other))
    batch = DataCollatorForHashtagRetrieval(other)([split[0], split[2]])
    expected = other(videos=[shorts[0]["video"], shorts[2]["video"]])
    assert batch["pixel_values_videos"].shape[-2:] == (16, 16)
    assert_same({name: batch[name] for name in expected}, dict(expected))
    assert split[0]["frames"].shape[-2:] == (32, 32)
    assert torch.equal(decoded[0]["retriever_frames"], decoded[0]["frames"])


def test_rows_without_video_or_sound(decoded, shorts):
    """Would fail if a row without a clip got frames, or a silent clip got sound."""
    assert shorts[1]["video"] is None
    assert decoded[1]["frames"] is None and decoded[1]["retriever_frames"] is None
    assert [row["input_features"] is not None for row in (decoded[i] for i in range(4))] == [False, False, True, True]
    assert decoded[1]["description"] == "words alone"


def test_split_without_any_video(processors, tmp_path):
    """Would fail if data of words alone could not be decoded."""
    write_metadata(tmp_path / "data" / "train", [{"description": "words", "hashtags": ["rain"]}] * 3)
    shorts = load_shorts(tmp_path / "data")["train"]
    split = DecodedShorts(decode_split(shorts, tmp_path / "train.arrow", *processors))
    batch = DataCollatorForHashtagGeneration(processors[0])([split[i] for i in range(3)])
    assert set(batch) == {"input_ids", "attention_mask", "labels"}


def test_processor_without_sound(shorts, processors, tmp_path):
    """Would fail if sound were stored for a model that does not hear."""
    deaf = GGMProcessor(video_processor(32), processors[0].tokenizer)
    split = DecodedShorts(decode_split(shorts, tmp_path / "train.arrow", deaf, processors[1]))
    assert all(split[i]["input_features"] is None for i in range(4))


def test_further_columns_are_kept(shorts, decoded):
    """Would fail if the causes of hashtags were not there any more when metrics are computed."""
    assert decoded.dataset["causes"][:] == shorts["causes"][:]
    assert decoded.dataset["hashtags"][:] == shorts["hashtags"][:]


def test_existing_file_is_used(shorts, processors, tmp_path, monkeypatch):
    """Would fail if a finished split were decoded again."""
    decoded = decodings(monkeypatch)
    path = tmp_path / "train.arrow"
    first = decode_split(shorts, path, *processors)
    assert len(decoded) == 3
    modified = path.stat().st_mtime_ns
    second = decode_split(shorts, path, *processors)
    assert len(decoded) == 3 and path.stat().st_mtime_ns == modified
    assert first.to_list() == second.to_list()


def test_files_of_other_clips_are_written_anew(processors, tmp_path, monkeypatch, caplog):
    """Would fail if clips or words that have changed, or other processors, got what was decoded before them."""
    folder = write_shorts(tmp_path / "shorts")
    path = tmp_path / "train.arrow"
    clips = sorted((folder / "train").rglob("*.mp4"))
    decoded = decodings(monkeypatch)

    def decode(*used):
        del decoded[:]
        split = decode_split(load_shorts(folder)["train"], path, *used)
        return len(decoded), split

    number, first = decode(*processors)
    assert number == len(clips) and decode(*processors)[0] == 0
    # What is asked for beside it, or in place of a part that is not asked for, is there.
    deaf = GGMProcessor(processors[0].video_processor, processors[0].tokenizer)
    assert decode(deaf)[0] == 0 and not caplog.text
    shutil.copyfile(clips[0], clips[1])
    number, second = decode(*processors)
    assert number == len(clips) and "has other rows or clips" in caplog.text
    assert second["frames"][:] != first["frames"][:] and second["hashtags"][:] == first["hashtags"][:]
    rows = [{**row, "description": "other words"} for row in read_metadata(folder / "train")]
    write_metadata(folder / "train", rows)
    number, third = decode(*processors)
    assert number == len(clips) and set(third["description"]) == {"other words"}
    assert decode(processors[0], make_processors(retriever_size=16)[1])[0] == len(clips)
    assert decode(*processors)[0] == len(clips)
    (tmp_path / "train.stamp.json").unlink()  # as earlier versions left it
    assert decode(*processors)[0] == 0


def read_metadata(folder):
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def test_workers_change_nothing(decoded, shorts, processors, tmp_path):
    """Would fail if worker processes changed the rows or their order."""
    split = decode_split(shorts, tmp_path / "train.arrow", *processors, num_workers=2)
    assert split.to_list() == decoded.dataset.to_list()


def test_bad_clip_raises(with_bad_clip, processors, tmp_path):
    """Would fail if a clip that cannot be read went unnoticed, or half a file stayed behind."""
    with pytest.raises(MediaError, match=r"bad\.mp4.*on_error='skip'"):
        decode_split(with_bad_clip, tmp_path / "out" / "train.arrow", *processors)
    assert not (tmp_path / "out" / "train.arrow").exists()


def test_bad_clip_is_skipped_and_listed(with_bad_clip, processors, decoded, tmp_path):
    """Would fail if one bad clip stopped the preparation, was not listed, or took a good row with it."""
    path = tmp_path / "out" / "train.arrow"
    split = decode_split(with_bad_clip, path, *processors, on_error="skip")
    assert split["frames"][:] == [decoded.dataset["frames"][i] for i in (0, 1, 3)]
    rejected = [json.loads(line) for line in (path.parent / "train.rejected.jsonl").read_text().splitlines()]
    assert [row["video"] for row in rejected] == [with_bad_clip[2]["video"]]
    assert "bad.mp4" in rejected[0]["error"]


def test_bad_clip_in_a_worker(with_bad_clip, processors, tmp_path):
    """Would fail if a bad clip ended the worker process that reads it."""
    split = decode_split(with_bad_clip, tmp_path / "train.arrow", *processors, num_workers=2, on_error="skip")
    assert len(split) == 3


def test_all_clips_bad(with_bad_clip, processors, tmp_path):
    """Would fail if a folder of which nothing can be read gave an empty split."""
    with pytest.raises(MediaError, match="None of the 1 clips can be read"):
        decode_split(with_bad_clip.select([2]), tmp_path / "train.arrow", *processors, on_error="skip")
    assert not (tmp_path / "train.arrow").exists()


@pytest.mark.parametrize("step", ["write", "finalize"])
def test_interrupted_write(shorts, processors, decoded, tmp_path, monkeypatch, step):
    """Would fail if a full disk or a kill left something under the final name, or in the way of the next attempt."""

    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    path = tmp_path / "train.arrow"
    with monkeypatch.context() as patched:
        patched.setattr(ArrowWriter, step, fail)
        with pytest.raises(OSError, match="No space left"):
            decode_split(shorts, path, *processors)
    assert not path.exists()
    assert decode_split(shorts, path, *processors).to_list() == decoded.dataset.to_list()


def test_unusable_arguments(shorts, processors, tmp_path):
    """Would fail if a misspelt `on_error` meant 'skip', or a split without rows ended in an IndexError."""
    with pytest.raises(ValueError, match="on_error"):
        decode_split(shorts, tmp_path / "train.arrow", *processors, on_error="ignore")
    with pytest.raises(DatasetError, match="no row"):
        decode_split(shorts.select([]), tmp_path / "train.arrow", *processors)


@pytest.fixture
def sounds(tmp_path):
    """Two files of sound, a damaged one, and words alone."""
    train = tmp_path / "sounds" / "train"
    write_sound(train / "a.ogg", 440)
    write_sound(train / "b.wav", 880)
    (train / "c.ogg").write_bytes((train / "a.ogg").read_bytes()[:3000])
    rows = [{"file_name": name, "hashtags": ["rain"]} for name in ("a.ogg", "b.wav", "c.ogg")]
    write_metadata(train, [*rows, {"description": "words", "hashtags": ["snow"]}])
    return load_shorts(tmp_path / "sounds")["train"]


def test_files_of_sound(sounds, processors, tmp_path):
    """
    Would fail if files of sound lost their sound, got frames, or took the retriever along; or damage were silence.
    """
    path = tmp_path / "train.arrow"
    split = DecodedShorts(decode_split(sounds, path, *processors, on_error="skip", blank_video=True))
    assert [row["frames"] is None and row["retriever_frames"] is None for row in split] == [True] * 3
    for row, sound in zip(split, sounds.select([0, 1, 3])["video"]):
        expected = processors[0](audio=[sound], blank_video=True)["input_features"][0] if sound else None
        assert row["input_features"] is expected is None or torch.equal(row["input_features"], expected)
    (line,) = (tmp_path / "train.rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["video"].endswith("c.ogg")
    assert split.frame_counts() == [0, 0, 0]


def test_files_of_sound_are_refused_unasked(sounds, processors, tmp_path):
    """Would fail if a set of sounds were trained on as rows without anything."""
    with pytest.raises(MediaError, match=r"a\.ogg' has no video stream.*--blank_video"):
        decode_split(sounds, tmp_path / "train.arrow", *processors)


def test_real_sounds(processors, shared_data, tmp_path):
    """Would fail if sounds as they are published could not be read."""
    sounds = load_shorts(shared_data / "sounds")["test"]
    split = decode_split(sounds, tmp_path / "test.arrow", *processors, blank_video=True)
    assert len(split) == len(sounds) and all(split["input_features_shape"][:]) and not any(split["frames_shape"][:])


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="processes know what is replaced if forked")
def test_a_decoder_that_hangs_or_crashes_costs_its_clip(shorts, processors, tmp_path, monkeypatch):
    """Would fail if one clip could end the preparation of a split, or hold it up for ever."""
    stuck, crashing = shorts[0]["video"], shorts[3]["video"]
    decode = GGMProcessor.decode_media

    def decode_badly(self, source, **kwargs):
        if source == stuck:
            time.sleep(600)
        if source == crashing:
            os._exit(9)
        return decode(self, source, **kwargs)

    monkeypatch.setattr(GGMProcessor, "decode_media", decode_badly)
    monkeypatch.setattr(module, "DEFAULT_LIMITS", replace(module.DEFAULT_LIMITS, max_wall_seconds=3.0))
    monkeypatch.setattr(decoding_workers, "_GRACE_SECONDS", 0.0)
    split = decode_split(shorts, tmp_path / "train.arrow", *processors, num_workers=2, on_error="skip")
    assert split["video"][:] == [shorts[1]["video"], shorts[2]["video"]]
    rejected = [json.loads(line) for line in (tmp_path / "train.rejected.jsonl").read_text().splitlines()]
    assert [row["video"] for row in rejected] == [stuck, crashing]
    assert "within 3 s" in rejected[0]["error"] and "exit code 9" in rejected[1]["error"]
    assert all(row["video"] in row["error"] for row in rejected)
    with pytest.raises(MediaError, match=r"exit code 9.*on_error='skip'"):
        decode_split(shorts.select([3]), tmp_path / "test.arrow", *processors, num_workers=1)
