"""Preparing whole sources: what comes out, what a kill costs, what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from data_samples import write_metadata, write_shorts
from datasets import Dataset, DatasetDict, load_dataset
from held_work import wait_until
from huggingface_hub import DatasetCard
from odd_server import OddServer, content
from prepare_samples import files_of, prepare, read_lines

from transformers_ggm import load_shorts
from transformers_ggm.cli import main
from transformers_ggm.data import load_prepared
from transformers_ggm.data.corpus import SPLIT_NAMES, CorpusOptions, build_corpus
from transformers_ggm.data.prepare import workers
from transformers_ggm.errors import DatasetError

CLIP_COLUMNS = ("frames", "timestamps", "duration", "audio")


def words_alone(count):
    """Rows whose hashtags occur often, seldom and once."""
    return [
        {
            "description": f"number {number}",
            "hashtags": [f"every{number % 7}", f"some{number % 40}", f"only{number}"],
        }
        for number in range(count)
    ]


@pytest.fixture
def words_dir(tmp_path):
    write_metadata(tmp_path / "words", words_alone(200))
    return tmp_path / "words"


def test_rows_are_those_of_the_source(prepared_dir, shorts_dir):
    """Would fail if a row, its order, its words or a further column were lost on the way."""
    prepared, raw = load_prepared(prepared_dir)["train"], load_shorts(shorts_dir)["train"]
    for name in set(raw.column_names) - {"video"}:
        assert prepared[name][:] == raw[name][:], name
    names = [None if video is None else os.path.basename(video) for video in raw["video"]]
    assert [None if name is None else os.path.basename(name) for name in prepared["file_name"]] == names
    assert [duration is None for duration in prepared["duration"]] == [name is None for name in names]


def test_datasets_reads_the_folder_by_itself(prepared_dir):
    """Would fail if a set could not be read, or looked at on the Hub, without this package."""
    row = load_dataset(str(prepared_dir))["train"][0]
    assert row["frames"][0].size == (32, 32)
    assert row["audio"] is None or row["audio"]["bytes"][:4] == b"fLaC"
    shards = sorted(file.name for file in (prepared_dir / "data").iterdir())
    stamp = json.loads((prepared_dir / "prepared.json").read_text())["splits"]["train"]["stamp"]
    assert shards == [f"train-0000{number}-of-00003-{stamp}.parquet" for number in range(3)]


def test_nothing_unfinished_stays(prepared_dir):
    """Would fail if the first pass' files, which are as large as the set, were left behind."""
    names = {name.split("/")[0] for name in files_of(prepared_dir)}
    assert names == {
        ".lock", "README.md", "data", "hashtag_frequency.png", "near_duplicates.jsonl", "prepared.json",
        "rejects.jsonl", "rows.parquet", "statistics.md", "words_per_hashtag.png",
    }  # fmt: skip
    assert (prepared_dir / "rejects.jsonl").read_text() == ""


def test_running_twice_changes_nothing(prepared_dir, shorts_dir):
    """Would fail if a finished set were decoded or written again."""
    before = files_of(prepared_dir)
    record = prepare(shorts_dir, prepared_dir, clips_per_shard=3)
    before.pop(".lock"), (after := files_of(prepared_dir)).pop(".lock")
    assert after == before
    assert record == json.loads((prepared_dir / "prepared.json").read_text())


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"clip": {"jpeg_quality": 50}}, "clip"),
        ({"clips_per_shard": 4}, "clips_per_shard"),
        ({"build_corpus": True, "corpus": CorpusOptions(min_hashtag_count=1)}, "corpus"),
    ],
)
def test_other_settings_are_refused(prepared_dir, shorts_dir, changed, named):
    """Would fail if a finished set passed for one that was made with other settings."""
    with pytest.raises(DatasetError, match=f"another {named}"):
        prepare(shorts_dir, prepared_dir, **{"clips_per_shard": 3, **changed})


def test_another_source_is_refused(prepared_dir, tmp_path):
    """Would fail if a finished set passed for one of other clips."""
    other = write_shorts(tmp_path / "other", num_clips=2)
    with pytest.raises(DatasetError, match="another source"):
        prepare(other, prepared_dir, clips_per_shard=3)


def test_folders_of_other_things_are_refused(shorts_dir, tmp_path):
    """Would fail if a set were mixed into a folder of the user's own files."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DatasetError, match="not empty"):
        prepare(shorts_dir, tmp_path)


def test_two_at_once(shorts_dir, tmp_path, monkeypatch):
    """Would fail if two processes wrote the same parts at the same time."""
    read = workers.ClipWorkers.prepare

    def prepare_again(self, rows):
        with pytest.raises(DatasetError, match=f"is being written by process {os.getpid()} on"):
            prepare(shorts_dir, tmp_path / "out")
        return read(self, rows)

    monkeypatch.setattr(workers.ClipWorkers, "prepare", prepare_again)
    prepare(shorts_dir, tmp_path / "out")


def test_finished_parts_are_not_decoded_again(shorts_dir, prepared_dir, tmp_path, monkeypatch):
    """Would fail if what was done before a failure were done again, or lost."""
    decoded = []
    read = workers.ClipWorkers.prepare

    def counted(self, rows, fail_after):
        for row in read(self, rows):
            if len(decoded) == fail_after:
                raise OSError("No space left on device")
            decoded.append(row["file_name"])
            yield row

    monkeypatch.setattr(workers.ClipWorkers, "prepare", lambda self, rows: counted(self, rows, fail_after=5))
    with pytest.raises(OSError, match="No space left"):
        prepare(shorts_dir, tmp_path / "out", clips_per_shard=3)
    assert not (tmp_path / "out" / "prepared.json").exists()
    del decoded[3:]  # the second part was not finished
    monkeypatch.setattr(workers.ClipWorkers, "prepare", lambda self, rows: counted(self, rows, fail_after=None))
    prepare(shorts_dir, tmp_path / "out", clips_per_shard=3)
    expected = load_prepared(prepared_dir)["train"]
    assert decoded == expected["file_name"][:]
    assert_same_rows(load_prepared(tmp_path / "out")["train"], expected)


def assert_same_rows(first, second):
    """Compares two prepared splits, files of frames and sounds byte by byte."""
    first, second = first.with_format("arrow")[:], second.with_format("arrow")[:]
    assert first.column_names == second.column_names
    for name in first.column_names:
        assert first[name].to_pylist() == second[name].to_pylist(), name


@pytest.mark.parametrize("step", ["write_shards", "write_report", "write_json"])
def test_failure_after_decoding(shorts_dir, prepared_dir, tmp_path, monkeypatch, step):
    """Would fail if a failure in a later step left a set that passes for finished, or cost the decoded clips."""
    from transformers_ggm.data.prepare import preparation as module

    original = getattr(module, step)

    def fail(*arguments, **keywords):
        if step != "write_json" or str(arguments[0]).endswith("prepared.json"):
            raise OSError("No space left on device")
        return original(*arguments, **keywords)

    with monkeypatch.context() as patched:
        patched.setattr(module, step, fail)
        with pytest.raises(OSError, match="No space left"):
            prepare(shorts_dir, tmp_path / "out", clips_per_shard=3)
    assert not (tmp_path / "out" / "prepared.json").exists()
    monkeypatch.setattr(module, "ClipWorkers", lambda *_: pytest.fail("decoded again"))
    prepare(shorts_dir, tmp_path / "out", clips_per_shard=3)
    assert_same_rows(load_prepared(tmp_path / "out")["train"], load_prepared(prepared_dir)["train"])


@pytest.mark.parametrize("steps", range(4))
def test_failure_between_the_last_steps(shorts_dir, prepared_dir, tmp_path, monkeypatch, steps):
    """Would fail if a kill after the shards were published, and before the record was, lost the set."""
    from transformers_ggm.data.prepare import preparation as module

    replace, left = os.replace, [steps]

    def fail_later(source, target):
        if ".work" in str(source):
            if not left[0]:
                raise OSError("killed")
            left[0] -= 1
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(module, "os", type("os", (), {**vars(os), "replace": staticmethod(fail_later)}))
        with pytest.raises(OSError, match="killed"):
            prepare(shorts_dir, tmp_path / "out", clips_per_shard=3)
    assert not (tmp_path / "out" / "prepared.json").exists()
    monkeypatch.setattr(module, "ClipWorkers", lambda *_: pytest.fail("decoded again"))
    prepare(shorts_dir, tmp_path / "out", clips_per_shard=3)
    assert not (tmp_path / "out" / ".work").exists()
    assert_same_rows(load_prepared(tmp_path / "out")["train"], load_prepared(prepared_dir)["train"])


@pytest.mark.slow
def test_killed_process_goes_on(shorts_dir, prepared_dir, tmp_path):
    """Would fail if kill -9 damaged a shard, left a lock behind, or made the next run begin anew."""
    rows = [{**row, "file_name": str(shorts_dir / "train" / row["file_name"])} for row in clips_of(shorts_dir) * 10]
    server, let_go = OddServer(), threading.Event()
    clip = content(Path(rows[21]["file_name"]).read_bytes())
    server.answers["/held.mp4"] = lambda handler, times: let_go.wait() and clip(handler, times)
    with server.running():
        rows[21]["file_name"] = f"{server.url}/held.mp4"
        write_metadata(tmp_path / "many", rows)
        command = [sys.executable, "-m", "transformers_ggm", "prepare", "--data_dir", str(tmp_path / "many"),
                   "--output_dir", str(tmp_path / "out"), "--clips_per_shard", "4", "--num_workers", "1",
                   "--build_corpus", "false", "--max_wall_seconds", "100000"]  # fmt: skip
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        parts = tmp_path / "out" / ".work" / "parts-0"
        try:
            wait_until(lambda: server.asked["/held.mp4"], process)
            wait_until(lambda: len(list(parts.glob("part-*.parquet"))) == 5, process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            let_go.set()
        _finish_killed(command, tmp_path / "out", parts)
    split = load_prepared(tmp_path / "out")["train"]
    assert split["description"][:] == [row["description"] for row in rows]
    assert all(duration is not None for duration in split["duration"])


def _finish_killed(command, output_dir, parts):
    """Runs a command that was killed again, and watches that no part it had finished is written anew."""
    finished = {name: when for name, when in files_of(parts).items() if name.endswith(".parquet")}
    assert len(finished) == 5
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not (output_dir / "prepared.json").exists() and process.poll() is None:
        if parts.is_dir():
            now = files_of(parts)
            assert all(now.get(name, when) == when for name, when in finished.items())
        time.sleep(0.05)
    assert process.wait() == 0


def clips_of(shorts_dir):
    return [row for row in read_lines(shorts_dir / "train" / "metadata.jsonl") if row["file_name"]]


def test_bad_clips_are_listed_and_cost_nothing_else(shorts_dir, tmp_path, capsys):
    """Would fail if a bad clip ended the work, went unnoticed, or took a good one with it."""
    rows = clips_of(shorts_dir)[:3]
    for row in rows:
        row["file_name"] = str(shorts_dir / "train" / row["file_name"])
    (tmp_path / "page.mp4").write_text("<!doctype html><html>Log in to see this video</html>")
    (tmp_path / "empty.mp4").touch()
    bad = [{**rows[0], "file_name": str(tmp_path / name)} for name in ("page.mp4", "empty.mp4", "missing.mp4")]
    write_metadata(tmp_path / "mixed" / "train", [rows[0], bad[0], rows[1], bad[1], bad[2], rows[2]])
    arguments = [
        "prepare",
        "--data_dir",
        str(tmp_path / "mixed"),
        "--output_dir",
        str(tmp_path / "out"),
        "--num_workers",
        "1",
    ]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert "50.0% of the rows were rejected" in captured.err and "6 rows read, 3 rejected" in captured.out
    rejects = read_lines(tmp_path / "out" / "rejects.jsonl")
    assert [os.path.basename(row["file_name"]) for row in rejects] == ["page.mp4", "empty.mp4", "missing.mp4"]
    for row, reason in zip(rejects, ["cannot be read as a video", "is empty", "does not exist"]):
        assert reason in row["error"]
    split = load_prepared(tmp_path / "out")["train"]
    assert split["description"][:] == [row["description"] for row in rows]
    assert main([*arguments, "--max_rejected_share", "0.5"]) == 0


def test_no_usable_row(shorts_dir, tmp_path):
    """Would fail if a source of which nothing can be read gave an empty set."""
    (tmp_path / "bad.mp4").write_bytes(b"no video at all")
    write_metadata(tmp_path / "bad" / "train", [{"file_name": str(tmp_path / "bad.mp4"), "hashtags": ["rain"]}])
    with pytest.raises(DatasetError, match=r"None of the 1 rows.*rejects\.jsonl"):
        prepare(tmp_path / "bad", tmp_path / "out")
    write_metadata(tmp_path / "untagged" / "train", [{"description": "words", "hashtags": []}])
    with pytest.raises(DatasetError, match="hashtag"):
        prepare(tmp_path / "untagged", tmp_path / "out2")


def test_corpus_of_a_source_without_splits(words_dir, tmp_path):
    """Would fail if the published corpus rules were not applied to what is written."""
    options = CorpusOptions(num_unseen_hashtags=2, seed=3)
    record = prepare(words_dir, tmp_path / "out", clips_per_shard=32, corpus=options)
    rows = words_alone(200)
    corpus = build_corpus([row["hashtags"] for row in rows], options)
    prepared = load_prepared(tmp_path / "out")
    assert set(prepared) == set(SPLIT_NAMES)
    for number, name in enumerate(SPLIT_NAMES):
        expected = [row for row, split in zip(rows, corpus.splits) if split == number]
        assert prepared[name]["description"][:] == [row["description"] for row in expected]
        kept = [[tag for tag in row["hashtags"] if tag in corpus.kept_hashtags] for row in expected]
        assert prepared[name]["hashtags"][:] == kept
        assert record["splits"][name]["rows"] == len(expected)
    assert (tmp_path / "out" / "unseen_hashtags.txt").read_text().split() == corpus.unseen_hashtags
    assert record["unseen_hashtags"] == corpus.unseen_hashtags
    trained = {tag for tags in prepared["train"]["hashtags"] for tag in tags}
    assert not trained & set(corpus.unseen_hashtags) and not any(tag.startswith("only") for tag in trained)


def test_splits_of_the_source_are_kept(words_dir, tmp_path):
    """Would fail if rare hashtags were dropped, or rows moved, where people have made their splits themselves."""
    rows = words_alone(20)
    source = DatasetDict({"train": Dataset.from_list(rows[:15]), "validation": Dataset.from_list(rows[15:])})
    prepare(source, tmp_path / "out")
    prepared = load_prepared(tmp_path / "out")
    assert {name: split["hashtags"][:] for name, split in prepared.items()} == {
        "train": [row["hashtags"] for row in rows[:15]],
        "validation": [row["hashtags"] for row in rows[15:]],
    }


def test_prepared_anew_at_the_same_place(shorts_dir, tmp_path):
    """Would fail if `datasets` gave the rows of a set that lay there before, which it keeps by the names of files."""
    found = []
    for number in range(3):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        rows = [{"description": f"version {min(number, 1)}", "hashtags": ["snow"]}] * 3
        write_metadata(tmp_path / "words", rows)
        prepare(tmp_path / "words", tmp_path / "out", build_corpus=False)
        names = sorted(file.name for file in (tmp_path / "out" / "data").iterdir())
        found.append((names, load_dataset(str(tmp_path / "out"))["train"]["description"][0]))
        assert load_dataset(str(tmp_path / "out" / "data"))["train"]["description"][0] == found[-1][1]
        assert load_prepared(tmp_path / "out")["train"]["description"][0] == found[-1][1]
    assert [text for _, text in found] == ["version 0", "version 1", "version 1"]
    assert found[0][0] != found[1][0] == found[2][0]


def test_what_is_no_hashtag_is_reported(tmp_path, capsys):
    """Would fail if labels were lost on the way into a set without a word, or counted anew by a run that goes on."""
    rows = [{"description": f"{number}", "hashtags": ["snow", f"{number} words", "2024"]} for number in range(5)]
    write_metadata(tmp_path / "words" / "train", rows)
    arguments = [
        "prepare",
        "--data_dir",
        str(tmp_path / "words"),
        "--output_dir",
        str(tmp_path / "out"),
        "--num_workers",
        "1",
    ]
    for _ in range(2):
        assert main(arguments) == 0
        assert "10 entries in their hashtags are no hashtags" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "prepared.json").read_text())
    assert record["dropped_hashtags"]["count"] == 10 and record["dropped_hashtags"]["rows"] == 5
    assert record["dropped_hashtags"]["examples"]["2024"] == 5
    told = "10 entries in the hashtags of 5 rows are no hashtags and were left out: '2024' (5 times), '0 words'"
    assert told in (tmp_path / "out" / "statistics.md").read_text()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "What was no hashtag in the hashtags of 5 rows was left out: 10 entries." in card
    assert load_prepared(tmp_path / "out")["train"].column_names[:3] == ["file_name", "description", "hashtags"]
    assert "dropped_hashtags" not in load_prepared(tmp_path / "out")["train"].column_names


def test_counts_are_of_rows_written(words_dir, tmp_path, monkeypatch):
    """Would fail if the record told what was planned, and not what lies in the shards."""
    record = prepare(words_dir, tmp_path / "out", clips_per_shard=32)
    prepared = load_prepared(tmp_path / "out")
    assert {name: split["rows"] for name, split in record["splits"].items()} == {
        name: len(rows) for name, rows in prepared.items()
    }
    shards = [file.name for file in (tmp_path / "out" / "data").iterdir()]
    for name, split in record["splits"].items():
        assert split["shards"] == sum(shard.startswith(f"{name}-") for shard in shards)
    assert record["read"] == record["rejected"] + record["dropped"] + sum(map(len, prepared.values()))


def test_split_names(tmp_path):
    """Would fail if a set were prepared for hours that datasets then does not load."""
    rows = Dataset.from_list(words_alone(4))
    with pytest.raises(DatasetError, match="'my-split' cannot be the name of a split"):
        prepare(DatasetDict({"my-split": rows}), tmp_path / "out")
    prepare(DatasetDict({"fold_0": rows, "1": rows}), tmp_path / "out")
    assert set(load_prepared(tmp_path / "out")) == {"fold_0", "1"}


def test_every_shape_gives_the_same_set(shorts_dir, prepared_dir, tmp_path):
    """Would fail if clips given as bytes or as a stream were prepared in another way than files."""
    raw = load_shorts(shorts_dir)["train"]
    rows = [{**row, "video": row["video"] and Path(row["video"]).read_bytes()} for row in raw]
    dataset = Dataset.from_list(rows)
    expected = load_prepared(prepared_dir)["train"].remove_columns("file_name")
    for name, source in {"bytes": dataset, "stream": dataset.to_iterable_dataset()}.items():
        prepare(DatasetDict(train=source) if name == "bytes" else source, tmp_path / name, build_corpus=False)
        assert_same_rows(load_prepared(tmp_path / name)["train"].remove_columns("file_name"), expected)


def test_report(prepared_dir, words_dir, tmp_path):
    """Would fail if the card or the statistics told other metrics than those of the rows."""
    card = DatasetCard.load(prepared_dir / "README.md")
    record = json.loads((prepared_dir / "prepared.json").read_text())
    (config,) = card.data.to_dict()["configs"]
    assert config["data_files"] == [
        {"split": "train", "path": f"data/train-*-{record['splits']['train']['stamp']}.parquet"}
    ]
    split = load_prepared(prepared_dir)["train"]
    metrics = record["statistics"]["train"]
    assert metrics["videos"] == 7 and metrics["rows_without_video"] == 1
    assert metrics["hashtag_uses"] == sum(len(tags) for tags in split["hashtags"])
    durations = [seconds for seconds in split["duration"] if seconds is not None]
    assert metrics["seconds_per_video"] == pytest.approx(sum(durations) / 7)
    assert metrics["share_without_sound"] == pytest.approx(1 / 7)
    statistics = (prepared_dir / "statistics.md").read_text()
    assert "| Videos | 7 |" in statistics and "| Videos | 7 |" in card.text
    for name in ("hashtag_frequency.png", "words_per_hashtag.png"):
        assert (prepared_dir / name).read_bytes()[:4] == b"\x89PNG" and name in card.text


def test_card_takes_over_what_the_source_says(shorts_dir, tmp_path):
    """Would fail if licence, title or the mark of synthetic data got lost, or were made up."""
    source = write_shorts(tmp_path / "source", num_clips=2)
    card = (
        "---\nlicense: cc-by-4.0\npretty_name: Lake shorts\ntags: [synthetic]\n---\n\n# Any\n\nFilmed at the lake.\n"
    )
    (source / "README.md").write_text(card)
    prepare(source, tmp_path / "out")
    taken = DatasetCard.load(tmp_path / "out" / "README.md")
    assert taken.data.license == "cc-by-4.0" and "synthetic" in taken.data.tags
    assert "# Lake shorts" in taken.text and "Filmed at the lake." in taken.text
    plain = prepare(shorts_dir, tmp_path / "plain")
    assert plain["rejected"] == 0
    assert "license" not in DatasetCard.load(tmp_path / "plain" / "README.md").data.to_dict()


def test_near_duplicates_are_reported_and_kept_together(shorts_dir, tmp_path):
    """Would fail if a clip that was posted twice lay on both sides of a split unnoticed."""
    clips = clips_of(shorts_dir)
    for row in clips:
        row["file_name"] = str(shorts_dir / "train" / row["file_name"])
        row["hashtags"] = ["same"]
    rows = clips * 5
    write_metadata(tmp_path / "twice", rows)
    options = {"num_unseen_hashtags": 0, "train_share": 0.5}
    prepare(tmp_path / "twice", tmp_path / "apart", 16, corpus=CorpusOptions(**options))
    across = read_lines(tmp_path / "apart" / "near_duplicates.jsonl")
    assert across and all(len(group["rows"]) > 1 for group in across)
    together = CorpusOptions(**options, keep_near_duplicates_together=True)
    prepare(tmp_path / "twice", tmp_path / "together", 16, corpus=together)
    assert read_lines(tmp_path / "together" / "near_duplicates.jsonl") == []
    assert "lie in several splits" in (tmp_path / "apart" / "statistics.md").read_text()


def test_command_line_errors(tmp_path, capsys):
    """Would fail if a user's mistake ended in a traceback, or with exit status 0."""
    assert main(["prepare", "--data_dir", str(tmp_path / "nowhere"), "--output_dir", str(tmp_path / "out")]) == 1
    assert "nowhere does not exist" in capsys.readouterr().err
    assert main(["prepare", "--data_dir", "x", "--output_dir", "y", "--columns", "tags"]) == 1
    assert "ours=theirs" in capsys.readouterr().err
    assert main(["prepare", "--data_dir", "x", "--output_dir", "y", "--jpeg_quality", "0"]) == 1
    assert "jpeg_quality" in capsys.readouterr().err


def test_missing_packages(shorts_dir, tmp_path, monkeypatch):
    """Would fail if a missing package were noticed after hours of decoding."""
    from transformers_ggm.data.prepare import preparation as module

    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "matplotlib" else name)
    with pytest.raises(ImportError, match=r"matplotlib.*pip install"):
        prepare(shorts_dir, tmp_path / "out")
    assert not (tmp_path / "out").exists()
