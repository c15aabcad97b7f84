"""Clips that are tried again: what is decoded, what comes out, and what is refused without it."""

import json
import os
import shutil

import pytest
from data_samples import write_metadata
from prepare_samples import InThisProcess, files_of, prepare, read_lines

from transformers_ggm.cli import main
from transformers_ggm.data import load_prepared
from transformers_ggm.data.corpus import CorpusOptions
from transformers_ggm.data.prepare import ClipOptions, WorkOptions, prepare_shorts, workers
from transformers_ggm.errors import DatasetError

CORPUS = CorpusOptions(min_hashtag_count=3, num_unseen_hashtags=1, seed=4)


def retry(source, output_dir, clips_per_shard=2, **arguments):
    """Prepares as [`prepare`] does, trying again what was rejected."""
    return prepare_shorts(
        source,
        output_dir,
        clip=ClipOptions(frames_per_second=1.0, sampling_rate=8000),
        work=WorkOptions(num_workers=1, clips_per_shard=clips_per_shard, retry_rejected=True),
        **arguments,
    )


@pytest.fixture
def clips(shorts_dir, tmp_path):
    """A folder with copies of good clips, of which two are broken; and the good ones by name."""
    rows = [row for row in read_lines(shorts_dir / "train" / "metadata.jsonl") if row["file_name"]][:6]
    good = {f"{number}.mp4": (shorts_dir / "train" / row["file_name"]).read_bytes() for number, row in enumerate(rows)}
    rows = [
        {
            "file_name": f"{number}.mp4",
            "description": f"clip {number}",
            "hashtags": ["every", f"only{number}", f"some{number % 2}"],
        }
        for number in range(6)
    ]
    rows.insert(3, {"description": "words alone", "hashtags": ["every"]})
    for split in ("train", "test"):
        write_metadata(tmp_path / "raw" / split, rows)
        for name, content in good.items():
            (tmp_path / "raw" / split / name).write_bytes(b"broken" if name in ("1.mp4", "4.mp4") else content)
    return tmp_path / "raw", good


def mend(folder, good):
    for split in ("train", "test"):
        for name in ("1.mp4", "4.mp4"):
            (folder / split / name).write_bytes(good[name])


@pytest.fixture
def decoded(monkeypatch):
    """The names of clips that are decoded, in order."""
    monkeypatch.setattr(workers, "DecodingWorkers", InThisProcess)
    names = []
    prepare_rows = workers.ClipWorkers.prepare

    def noted(self, rows):
        def noting():
            for row in rows:
                if workers.DECODED not in row and row["video"] is not None:
                    names.append(row["file_name"])
                yield row

        return prepare_rows(self, noting())

    monkeypatch.setattr(workers.ClipWorkers, "prepare", noted)
    return names


def rows_of(folder):
    """All rows of all splits, files of frames and sounds byte by byte."""
    return {name: split.with_format("arrow")[:].to_pylist() for name, split in load_prepared(folder).items()}


@pytest.mark.parametrize("corpus", [None, CORPUS], ids=["own splits", "corpus"])
def test_finished_set(clips, tmp_path, decoded, corpus):
    """
    Would fail if a mended clip stayed out, good ones were decoded again, or the set were another than a fresh one.
    """
    folder, good = clips
    options = {"build_corpus": corpus is not None, "corpus": corpus}
    first = prepare(folder, tmp_path / "out", **options)
    assert first["rejected"] == 4
    assert prepare(folder, tmp_path / "out", **options) == first and len(decoded) == 12
    mend(folder, good)
    del decoded[:]
    record = retry(folder, tmp_path / "out", **options)
    assert decoded == ["1.mp4", "4.mp4"] * 2
    assert record["rejected"] == 0 and (tmp_path / "out" / "rejects.jsonl").read_text() == ""
    fresh = prepare(folder, tmp_path / "fresh", **options)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "fresh")
    assert {name: record[name] for name in record} == fresh
    own = {name for name in files_of(tmp_path / "out") if not name.startswith("README")}
    assert own == {name for name in files_of(tmp_path / "fresh") if not name.startswith("README")}
    del decoded[:]
    assert retry(folder, tmp_path / "out", **options) == record and not decoded


def test_rows_that_a_corpus_had_dropped(clips, tmp_path, decoded):
    """Would fail if a row that rare hashtags had cost its place were lost when mended clips make them frequent."""
    folder, good = clips
    corpus = CorpusOptions(min_hashtag_count=6, num_unseen_hashtags=0, seed=4)
    metadata = folder / "train" / "metadata.jsonl"
    rows = [{**row, "hashtags": row["hashtags"][2:] or ["some1"]} for row in read_lines(metadata)]
    for split in ("train", "test"):
        write_metadata(folder / split, rows)
    first = prepare(folder, tmp_path / "out", build_corpus=True, corpus=corpus)
    mend(folder, good)
    record = retry(folder, tmp_path / "out", build_corpus=True, corpus=corpus)
    assert (first["dropped"], record["dropped"]) == (4, 0)
    prepare(folder, tmp_path / "fresh", build_corpus=True, corpus=corpus)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "fresh")


def test_still_rejected(clips, tmp_path, decoded):
    """Would fail if trying in vain cost the set that is there, or good clips."""
    folder, _ = clips
    prepare(folder, tmp_path / "out")
    before = rows_of(tmp_path / "out")
    shards = {file.name for file in (tmp_path / "out" / "data").iterdir()}
    del decoded[:]
    assert retry(folder, tmp_path / "out")["rejected"] == 4
    assert decoded == ["1.mp4", "4.mp4"] * 2
    assert rows_of(tmp_path / "out") == before
    assert {file.name for file in (tmp_path / "out" / "data").iterdir()} == shards


def test_killed_while_trying(clips, tmp_path, decoded, monkeypatch):
    """Would fail if a kill while clips are tried again cost the finished set, or what was decoded until then."""
    from transformers_ggm.data.prepare import preparation as module

    folder, good = clips
    prepare(folder, tmp_path / "out", clips_per_shard=3)
    before = rows_of(tmp_path / "out")
    mend(folder, good)
    write = module.write_parts

    def fail_at_second(source, parts, *arguments):
        if parts.folder.name == "parts-1":
            raise OSError("killed")
        write(source, parts, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_parts", fail_at_second)
        with pytest.raises(OSError, match="killed"):
            retry(folder, tmp_path / "out", 3)
    assert rows_of(tmp_path / "out") == before
    del decoded[:]
    assert retry(folder, tmp_path / "out", 3)["rejected"] == 0
    assert decoded == ["1.mp4", "4.mp4"]
    prepare(folder, tmp_path / "fresh", clips_per_shard=3)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "fresh")


def test_killed_work_with_rejected_clips(clips, tmp_path, decoded, monkeypatch):
    """Would fail if the parts of killed work could not be tried again, or were decoded as a whole."""
    from transformers_ggm.data.prepare import preparation as module

    folder, good = clips
    with monkeypatch.context() as patched:
        patched.setattr(module, "plan_splits", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            prepare(folder, tmp_path / "out")
    mend(folder, good)
    del decoded[:]
    assert retry(folder, tmp_path / "out")["rejected"] == 0
    assert decoded == ["1.mp4", "4.mp4"] * 2
    prepare(folder, tmp_path / "fresh")
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "fresh")


@pytest.mark.parametrize("finished", [True, False])
def test_clips_that_have_changed(clips, tmp_path, decoded, monkeypatch, finished):
    """Would fail if a set passed for one of clips that have been replaced, since the table that names them stays."""
    from transformers_ggm.data.prepare import preparation as module

    folder, good = clips
    if finished:
        prepare(folder, tmp_path / "out")
    else:
        with monkeypatch.context() as patched:
            patched.setattr(module, "plan_splits", lambda *_: (_ for _ in ()).throw(OSError("killed")))
            with pytest.raises(OSError, match="killed"):
                prepare(folder, tmp_path / "out")
    (folder / "train" / "5.mp4").unlink()  # gone is not changed
    if finished:
        prepare(folder, tmp_path / "out")
    (folder / "train" / "5.mp4").write_bytes(good["5.mp4"])
    (folder / "test" / "2.mp4").write_bytes(good["0.mp4"])
    with pytest.raises(DatasetError, match=r"train.5\.mp4 and 1 more changed .*retry_rejected"):
        prepare(folder, tmp_path / "out")
    del decoded[:]
    retry(folder, tmp_path / "out")
    assert decoded == ["1.mp4", "4.mp4", "5.mp4", "1.mp4", "2.mp4", "4.mp4"]
    prepare(folder, tmp_path / "fresh")
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "fresh")


def test_sets_of_earlier_versions(clips, tmp_path):
    """
    Would fail if a set without the list of its rows could not be left as it is, or were taken for one that has it.
    """
    folder, _ = clips
    record = prepare(folder, tmp_path / "out")
    (tmp_path / "out" / "rows.parquet").unlink()
    assert prepare(folder, tmp_path / "out") == record
    with pytest.raises(DatasetError, match=r"has no rows\.parquet.*another `output_dir`"):
        retry(folder, tmp_path / "out")


def test_unfinished_work_of_earlier_versions(clips, tmp_path):
    """Would fail if parts with other columns were gone on with."""
    folder, _ = clips
    (tmp_path / "out" / ".work").mkdir(parents=True)
    (tmp_path / "out" / ".work" / "settings.json").write_text("{}")
    with pytest.raises(DatasetError, match="unfinished work of another version: delete it"):
        prepare(folder, tmp_path / "out")


def test_command_line(clips, tmp_path, capsys):
    """Would fail if the option were missing from the command, or nobody were told of it."""
    folder, good = clips
    arguments = ["prepare", "--data_dir", str(folder), "--output_dir", str(tmp_path / "out"), "--num_workers", "1"]
    assert main(arguments) == 1
    assert "--retry_rejected true" in capsys.readouterr().out
    mend(folder, good)
    assert main([*arguments, "--retry_rejected", "true"]) == 0
    assert "14 rows read, 0 rejected" in capsys.readouterr().out
    assert main(arguments) == 0
    shutil.rmtree(folder / "train")
    assert os.listdir(tmp_path / "out" / "data")
    assert json.loads((tmp_path / "out" / "prepared.json").read_text())["rejected"] == 0
