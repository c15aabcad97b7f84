"""The command `ggm`: its help, its exit statuses, and that its commands do what they say."""

import json
import os
import shutil
import sys
from datetime import datetime, timezone

import pytest

from transformers_ggm import HashtagPool
from transformers_ggm.cli import main
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.pipelines import DEMO_CHECKPOINT

COMMANDS = [
    "tag", "prepare", "train", "compose", "serve", "render-shorts", "experiments", "demo", "pool show", "pool build",
    "pool add", "pool remove", "pool search", "pool observe", "pool block", "pool unblock", "pool export",
    "pool import", "pool upgrade", "pool forget-user", "pool prune", "pool feedback", "rate sheet", "rate metrics",
]  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path):
    return shutil.copytree(DEMO_CHECKPOINT, tmp_path / "checkpoint")


@pytest.fixture
def clip(tmp_path):
    recipe = sample_recipes("test", 1)[0]
    render_clip(recipe, str(tmp_path / "clip.mp4"), size=32)
    return tmp_path / "clip.mp4"


def printed(capsys) -> list[dict]:
    """The lines on stdout, each an object."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_command_is_listed(capsys):
    """Would fail if a command were missing from the help, or this list from the tests below."""
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    for group in ("pool", "rate"):
        assert main([group, "--help"]) == 0
        told += capsys.readouterr().out
    listed = [line.split()[0] for line in told.splitlines() if line.startswith("  ") and line[2:3].isalpha()]
    assert set(listed) >= {command.split()[-1] for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command, capsys):
    """Would fail if somebody who asks how a command is used were not shown, or told of no argument."""
    assert main([*command.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert "Example:" in told and f"ggm {command} " in told
    assert f"sage: ggm {command}" in told and "help" in told


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "Usage"),
        (["tga"], "tga"),
        (["tag"], "Missing argument"),
        (["tag", "clips", "--output", "tags.jsonl", "--wrong"], "--wrong"),
        (["tag", "clips", "--output", "tags.jsonl", "--batch_size", "many"], "--batch_size"),
        (["tag", "clips", "--output", "tags.jsonl", "--on_error", "ignore"], "ignore"),
        (["prepare", "--output_dir", "prepared"], "--data_dir"),
        (["prepare", "--data_dir", "shorts", "--output_dir", "prepared", "--wrong", "1"], "--wrong"),
        (["train", "--output_dir", "outputs"], "--data_dir"),
        (["render-shorts", "--output_dir", "shorts", "--size", "large"], "--size"),
        (["experiments", "nowhere.yaml", "--output_dir", "outputs"], "nowhere.yaml"),
        (["pool"], "Usage"),
        (["pool", "add", "checkpoint"], "HASHTAG"),
        (["pool", "build", "nowhere.txt", "--retriever", "x", "--output_dir", "y"], "nowhere.txt"),
        (["rate", "metrics", "--key", "key.json", "--output_dir", "rating"], "SHEET"),
        (["serve", "--port", "0"], "--port"),
        (["serve", "--api_key", "secret"], "--api_key"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(arguments, message, capsys, tmp_path, monkeypatch):
    """Would fail if a script could not tell a mistyped command from one that failed, or nobody said what is wrong."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert message in told.out + told.err and "Traceback" not in told.err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["tag", "nowhere", "--output", "tags.jsonl"], "nowhere is not a folder"),
        (["prepare", "--data_dir", "nowhere", "--output_dir", "prepared"], "nowhere does not exist"),
        (["train", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["render-shorts", "--output_dir", "shorts", "--num_workers", "0"], "`num_workers` is 0"),
        (["serve", "--max_requests", "0"], "max_requests=0"),
        (["serve", "--root", "nowhere"], "root='nowhere' is no folder"),
        (["serve", "--api_key_file", "nowhere.txt"], "nowhere.txt"),
        (["pool", "show", "nowhere"], "nowhere"),
        (["pool", "add", "nowhere", "snow"], "nowhere is not a folder"),
        (["pool", "search", "nowhere", "clip.mp4"], "nowhere cannot be loaded as a retriever"),
        (["rate", "sheet", "predictions.jsonl", "--pool", "pool.txt", "--output_dir", "rating"], "give NAME=FILE"),
        (["rate", "metrics", "a.csv", "--key", "nowhere.json", "--output_dir", "rating"], "nowhere.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_fails(arguments, message, capsys, tmp_path, monkeypatch):
    """Would fail if an error ended in a traceback, in silence, on stdout, or with the exit status of success."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert message in told.err and "Traceback" not in told.err and not told.out


def test_pool_round_trip(checkpoint, tmp_path, capsys):
    """Would fail if what one command prints or writes were not what the next one reads."""
    assert main(["pool", "show", str(checkpoint)]) == 0
    shown = printed(capsys)
    before = HashtagPool.from_pretrained(checkpoint, subfolder="hashtag_pool")
    assert shown == [{"hashtag": f"#{tag}", "count": count} for tag, count in zip(before.hashtags, before.counts)]
    assert main(["pool", "add", str(checkpoint), "#NewTrend", before.hashtags[0]]) == 0
    folder = str(checkpoint / "hashtag_pool")
    assert printed(capsys) == [{"pool": folder, "added": 1, "size": len(before) + 1}]
    assert main(["pool", "remove", str(checkpoint), before.hashtags[1]]) == 0
    assert printed(capsys) == [{"pool": folder, "removed": 1, "size": len(before)}]
    after = HashtagPool.from_pretrained(folder)
    assert after.hashtags == [before.hashtags[0], *before.hashtags[2:], "newtrend"]
    assert after.counts[0] == before.counts[0] + 1 and not (checkpoint / "hashtag_pool" / "README.md").exists()
    assert main(["pool", "show", folder]) == 0
    (tmp_path / "shown.jsonl").write_text(capsys.readouterr().out, encoding="utf-8")
    again = ["pool", "build", str(tmp_path / "shown.jsonl"), "--retriever", str(checkpoint), "--output_dir"]
    assert main([*again, str(tmp_path / "pool")]) == 0
    assert printed(capsys)[-1] == {"pool": str(tmp_path / "pool"), "size": len(after)}
    built = HashtagPool.from_pretrained(tmp_path / "pool")
    assert (built.hashtags, built.counts) == (after.hashtags, after.counts)
    assert built.retriever_fingerprint == after.retriever_fingerprint
    assert main(["pool", "add", str(tmp_path / "pool"), "snow"]) == 1
    assert "--retriever" in capsys.readouterr().err


def test_old_uses_are_pruned_in_a_folder(checkpoint, tmp_path, capsys):
    """Would fail if uses of long ago stayed, new ones went, or nobody was asked which pool is meant."""
    posts = tmp_path / "posts.jsonl"
    now = datetime.now(timezone.utc).isoformat()
    lines = [{"hashtags": ["old"], "time": "2020-01-01T00:00:00Z"}, {"hashtags": ["new"], "time": now}]
    posts.write_text("\n".join(map(json.dumps, lines)))
    assert main(["pool", "observe", str(posts), "--pool", str(checkpoint)]) == 0
    assert main(["pool", "prune", str(checkpoint)]) == 0 and printed(capsys)[-1]["pruned"] == 1
    uses = HashtagPool.from_pretrained(checkpoint, subfolder="hashtag_pool").uses
    assert "new" in uses and "old" not in uses
    assert main(["pool", "prune"]) == 2 and "POOL or a --store" in capsys.readouterr().err


def test_store_round_trip(checkpoint, tmp_path, capsys):
    """Would fail if a pool could not be put into a store, changed there, and taken out of it, from a shell."""
    pytest.importorskip("sqlalchemy")
    store = ["--store", f"sqlite:///{tmp_path}/pool.db"]
    posts = tmp_path / "posts.jsonl"
    posts.write_text('{"hashtags": ["#NewTrend", "#NewTrend"], "time": "2026-01-01T00:00:00Z"}\n\n')
    before = HashtagPool.from_pretrained(checkpoint, subfolder="hashtag_pool")
    gone = before.hashtags[1]
    for command in (
        ["import", str(checkpoint)],
        ["add", "#NewTrend", "--retriever", str(checkpoint)],
        ["remove", gone],
        ["observe", str(posts), "--batch", "1"],
        ["observe", str(posts), "--batch", "1"],
        ["block", "spam*", "worse"],
        ["block", "*", "--everything"],
        ["unblock", "worse", "*"],
        ["forget-user", "u1"],
        ["prune", "--below", "0.000001"],
        ["feedback"],
        ["upgrade"],
        ["export", "--output_dir", str(tmp_path / "pool")],
        ["show"],
    ):
        assert main(["pool", *command, *store]) == 0
    lines = printed(capsys)
    assert lines[8]["forgotten"] is False and lines[9]["pruned"] == 0
    assert lines[1]["added"] == 1 and [line["uses"] for line in lines[3:5]] == [1, 0]
    assert lines[7]["blocked"] == ["spam*"] and lines[-1] == {"blocked": "spam*"}
    after = HashtagPool.from_pretrained(tmp_path / "pool")
    assert set(after.hashtags) == {*before.hashtags, "newtrend"} - {gone}
    assert dict(zip(after.hashtags, after.counts))["newtrend"] == 2 and after.uses.spellings("newtrend")
    assert main(["pool", "observe", str(posts), "--pool", str(tmp_path / "pool")]) == 0
    assert printed(capsys) == [{"pool": str(tmp_path / "pool"), "hashtags": 1, "uses": 1}]
    assert main(["pool", "import", str(checkpoint), *store]) == 1
    assert "has hashtags already" in capsys.readouterr().err


def test_pool_of_plain_lines(checkpoint, tmp_path, capsys):
    """Would fail if a list of hashtags had to be JSON, or a line that is neither were taken for a hashtag."""
    lines = tmp_path / "hashtags.txt"
    build = ["pool", "build", str(lines), "--retriever", str(checkpoint / "retriever"), "--output_dir"]
    lines.write_text("#Snow\n\n  toronto  \nsnow\n", encoding="utf-8")
    assert main([*build, str(tmp_path / "pool")]) == 0
    pool = HashtagPool.from_pretrained(tmp_path / "pool")
    assert dict(zip(pool.hashtags, pool.counts)) == {"snow": 2, "toronto": 1}
    for wrong, message in (('{"hashtag": "snow"}', "line 2"), ("two words", "two words")):
        lines.write_text(f"toronto\n{wrong}\n")
        assert main([*build, str(tmp_path / "wrong")]) == 1
        assert message in capsys.readouterr().err and not (tmp_path / "wrong").exists()


def test_pool_search(checkpoint, clip, tmp_path, capsys):
    """Would fail if a clip were answered with others' hashtags, or one that cannot be read ended all in success."""
    (tmp_path / "broken.mp4").write_text("no clip")
    assert main(["pool", "search", str(checkpoint), str(tmp_path / "broken.mp4"), str(clip), "--k", "4"]) == 1
    broken, found = printed(capsys)
    assert broken["video"].endswith("broken.mp4") and "broken.mp4" in broken["error"] and "hashtags" not in broken
    from transformers import pipeline

    suggest = pipeline("hashtag-generation", model=str(checkpoint), num_guidance=4, device="cpu")
    guidance = suggest(str(clip), return_guidance=True)["guidance"]
    assert [row["hashtag"] for row in found["hashtags"]] == [row["hashtag"] for row in guidance]
    assert [row["score"] for row in found["hashtags"]] == pytest.approx([row["score"] for row in guidance], abs=1e-3)
    assert main(["pool", "search", str(checkpoint), str(clip), "--k", "0"]) == 1


def test_prepared_shorts_are_rendered_and_prepared(tmp_path, capsys):
    """Would fail if the commands of the first lines of the documentation did not go together."""
    counts = ["--num_train", "2", "--num_validation", "1", "--num_test", "1", "--size", "32", "--num_workers", "1"]
    assert main(["render-shorts", "--output_dir", str(tmp_path / "shorts"), *counts]) == 0
    line = ["prepare", "--data_dir", str(tmp_path / "shorts"), "--output_dir", str(tmp_path / "prepared")]
    assert main([*line, "--num_workers", "1"]) == 0
    assert f"Next: ggm train --data_dir {tmp_path / 'prepared'}" in capsys.readouterr().out


def test_training_gets_its_arguments(monkeypatch):
    """Would fail if an argument of the training were lost on its way, or taken for one of the command's own."""
    import transformers_ggm.training

    got = []
    monkeypatch.setattr(sys, "argv", ["pytest"])
    monkeypatch.setattr(transformers_ggm.training, "main", got.append)
    arguments = ["config.yaml", "--data_dir", "shorts", "--inputs", "text", "video", "--fp16", "true", "-x"]
    assert main(["train", *arguments]) == 0
    assert got == [arguments] and sys.argv[0] == "ggm train"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are others there")
def test_a_reader_that_has_enough(monkeypatch, capsys):
    """Would fail if `ggm pool show ... | head -1` showed a traceback, or Python's own complaint at its end."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["pool", "show", str(DEMO_CHECKPOINT)]) == 1
        print("once more, as Python flushes at its end", flush=True)
    assert capsys.readouterr().err == ""


def interrupt(*args, **kwargs):
    """What Ctrl-C does within a command."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("command, goes_on", [("prepare", True), ("demo", False)])
def test_ctrl_c(command, goes_on, monkeypatch, capsys):
    """Would fail if Ctrl-C were answered by a traceback or another status than shells expect, or promised too much."""
    monkeypatch.setattr("transformers_ggm.cli.ggm_prepare.prepare_shorts", interrupt)
    monkeypatch.setattr("transformers_ggm.pipelines.demo.demonstrate", interrupt)
    arguments = {"prepare": ["--data_dir", "shorts", "--output_dir", "prepared"], "demo": []}[command]
    assert main([command, *arguments]) == 130
    told = capsys.readouterr().err
    assert "Interrupted." in told and ("goes on where this one was" in told) == goes_on and "Traceback" not in told
