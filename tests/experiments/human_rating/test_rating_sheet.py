import csv
import json
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.cli import main
from transformers_ggm.errors import CheckpointError, DatasetError
from transformers_ggm.experiments.human_rating import (
    choose_items,
    novel_hashtags,
    read_pool_hashtags,
    read_predictions,
    write_rating_sheet,
)
from transformers_ggm.retrieval import HashtagPool

POOL = ["rain", "snow"]
TAGS = st.lists(st.sampled_from(["rain", "snow", "fog", "Mist", "#hail", "été"]), max_size=5)
SPLITS = st.lists(st.tuples(TAGS, TAGS, TAGS), min_size=1, max_size=12)


def row(number, hashtags, predicted, description=""):
    return {"video": f"{number}.mp4", "description": description, "hashtags": hashtags, "predicted": predicted}


def systems(split):
    """Two systems' rows of the same videos."""
    ours = [row(number, true, one) for number, (true, one, _) in enumerate(split)]
    theirs = [row(number, true, other) for number, (true, _, other) in enumerate(split)]
    return {"ours": ours, "theirs": theirs}


ROWS = [
    row(0, ["rain", "cold"], ["snowday", "rain"], 'a "quoted", day; with #rain'),
    row(1, ["mist"], ["mist", "snowday"], "=1+1 première\nneige 雪"),
    row(2, ["snow"], ["snow"], "nothing new"),
    row(3, ["Fog", "rain"], ["#Rainfall"], ""),
]


def read_csv(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def plain(tags):
    return {tag.lower().removeprefix("#") for tag in tags}


@given(SPLITS, st.integers(1, 3), st.one_of(st.none(), st.integers(1, 3)), st.integers(0, 99))
@settings(deadline=None)
def test_what_is_asked(split, examples, max_hashtags, seed):
    """
    Would fail if a hashtag were judged that is not novel, on a video without it, too often, twice, or not at all.
    """
    predictions = systems(split)
    novel = {name: Counter() for name in predictions}
    for name, rows in predictions.items():
        for each in rows:
            novel[name].update(plain(each["predicted"]) - set(POOL))
    available = {(number, tag) for number, (true, _, _) in enumerate(split) for tag in plain(true)}
    try:
        items = choose_items(predictions, POOL, examples=examples, max_hashtags=max_hashtags, seed=seed)
    except DatasetError:
        asked = {(n, t) for rows in predictions.values() for n, r in enumerate(rows) for t in plain(r["predicted"])}
        assert not any(novel.values()) or available <= asked
        return
    assert len({(item.row, item.hashtag) for item in items}) == len({item.item for item in items}) == len(items)
    for name, rows in predictions.items():
        asked = Counter(item.hashtag for item in items if name in item.systems)
        assert len(asked) == min(len(novel[name]), max_hashtags or 99)
        assert asked == {tag: min(examples, novel[name][tag]) for tag in asked}
        assert all(item.hashtag in plain(rows[item.row]["predicted"]) for item in items if name in item.systems)
    assert all(item.is_true == ((item.row, item.hashtag) in available) for item in items)
    own = [item for item in items if item.kind == "true"]
    left = available - {(item.row, item.hashtag) for item in items if item.kind == "novel"}
    assert all(item.is_true for item in own) and len(own) == min(len(items) - len(own), len(left))


def test_true_ones_come_from_the_same_videos():
    """Would fail if the kinds were judged on different clips although the authors wrote enough on the same."""
    rows = [row(number, ["rain", "snow", "sun"], [f"new{number}"] if number % 2 else []) for number in range(40)]
    items = choose_items({"ggm": rows}, ["rain"], seed=3)
    shown = {kind: sorted(item.row for item in items if item.kind == kind) for kind in ("novel", "true")}
    assert shown["novel"] == shown["true"] == list(range(1, 40, 2))
    assert {item.hashtag for item in items if item.kind == "true"} == {"rain", "snow", "sun"}


def test_systems_share_items():
    """Would fail if two systems with the same novel hashtags had them judged on different videos, hence twice."""
    rows = [row(number, ["rain"], [f"new{number % 5}"]) for number in range(30)]
    items = choose_items({"one": rows, "other": rows}, ["rain"], max_hashtags=3, seed=5)
    novel = [item for item in items if item.kind == "novel"]
    assert len(novel) == 3 and all(item.systems == ("one", "other") for item in novel)


def test_the_order_tells_nothing():
    """Would fail if novel hashtags stood in certain places, ids showed an order, or the seed decided nothing."""
    rows = [row(number, ["rain"], [f"new{number}"]) for number in range(50)]
    drawn = [choose_items({"ggm": rows}, ["rain"], seed=seed) for seed in range(20)]
    firsts = [sum(item.kind == "novel" for item in items[:50]) for items in drawn]
    assert 20 < sum(firsts) / 20 < 30 and len(set(firsts)) > 3
    assert drawn[0] == choose_items({"ggm": rows}, ["rain"], seed=0) != drawn[1]
    by_id = sorted(drawn[0], key=lambda item: item.item)
    assert 15 < sum(item.kind == "novel" for item in by_id[:50]) < 35
    assert not {item.item for item in drawn[0]} & {item.item for item in drawn[1]}


def test_files(tmp_path):
    """Would fail if raters could see which hashtags are novel, or the key or the list said otherwise than the rows."""
    items = write_rating_sheet(tmp_path / "rating", {"ggm": ROWS}, POOL, examples=2)
    sheet, key = (
        read_csv(tmp_path / "rating" / "ratings.csv"),
        json.loads((tmp_path / "rating" / "key.json").read_text()),
    )
    assert list(sheet[0]) == ["item", "video", "description", "hashtag", "relevance"]
    assert [line["item"] for line in sheet] == list(key["items"]) == [item.item for item in items]
    assert not any(line["relevance"] for line in sheet)
    found = {(entry["id"], entry["hashtag"]): entry for entry in key["items"].values()}
    novel = {pair: entry["also_true"] for pair, entry in found.items() if entry["kind"] == "novel"}
    assert novel == {
        ("0.mp4", "snowday"): False, ("1.mp4", "snowday"): False, ("1.mp4", "mist"): True,
        ("3.mp4", "rainfall"): False,
    }  # fmt: skip
    assert {entry["kind"] for pair, entry in found.items() if pair not in novel} == {"true"}
    for line in sheet:
        entry = key["items"][line["item"]]
        assert (line["video"], line["hashtag"]) == (entry["id"], "#" + entry["hashtag"])
        assert "ggm" not in "".join(line.values()) and "#rain" not in line["description"]
    # What spreadsheets would run is marked as text; everything else is as it was, line breaks apart.
    descriptions = {line["video"]: line["description"] for line in sheet}
    assert descriptions["1.mp4"] == "'=1+1 première neige 雪" and descriptions["0.mp4"] == 'a "quoted", day; with'
    assert read_csv(tmp_path / "rating" / "novel_hashtags.csv") == [
        {"system": "ggm", "hashtag": "snowday", "count": "2", "videos": "0.mp4 | 1.mp4"},
        {"system": "ggm", "hashtag": "mist", "count": "1", "videos": "1.mp4"},
        {"system": "ggm", "hashtag": "rainfall", "count": "1", "videos": "3.mp4"},
    ]
    assert list(novel_hashtags({"ggm": ROWS}, POOL)["ggm"]) == ["snowday", "mist", "rainfall"]


def fill_in(path, column, text):
    lines = read_csv(path)
    lines[0][column] = text
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*lines[0]], delimiter=";")
        writer.writeheader()
        writer.writerows(lines)


@pytest.mark.parametrize(
    "column, name", [("relevance", "ratings.csv"), ("note", "ratings.csv"), ("relevance", "ben.csv")]
)
def test_a_begun_sheet_is_kept(tmp_path, column, name):
    """Would fail if writing again cost a rater's answers, or the key without which they are worthless."""
    write_rating_sheet(tmp_path, {"ggm": ROWS}, POOL)
    (tmp_path / "ratings.csv").rename(tmp_path / name)
    fill_in(tmp_path / name, column, "4")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(DatasetError, match=name):
        write_rating_sheet(tmp_path, {"ggm": ROWS}, POOL, seed=1)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    if name == "ratings.csv":  # of the same items nothing has to be written, so a rerun goes on
        write_rating_sheet(tmp_path, {"ggm": ROWS}, POOL)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_an_untouched_sheet_is_replaced(tmp_path):
    """Would fail if another seed needed another folder though nobody has begun."""
    write_rating_sheet(tmp_path, {"ggm": ROWS}, POOL)
    items = write_rating_sheet(tmp_path, {"ggm": ROWS}, POOL, seed=1)
    assert [line["item"] for line in read_csv(tmp_path / "ratings.csv")] == [item.item for item in items]
    assert list(json.loads((tmp_path / "key.json").read_text())["items"]) == [item.item for item in items]


def test_foreign_files_are_kept(tmp_path):
    """Would fail if a table of somebody's that has the sheet's name were overwritten."""
    (tmp_path / "ratings.csv").write_bytes("Größe\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="another folder"):
        write_rating_sheet(tmp_path, {"ggm": ROWS}, POOL)


@pytest.mark.parametrize(
    "predictions, arguments, message",
    [
        ({"ggm": [ROWS[2]]}, {}, "no novel hashtags"),
        ({"ggm": [row(0, [], ["new"])]}, {}, "No video has hashtags"),
        ({"ggm": []}, {}, "no predictions"),
        ({}, {}, "no predictions"),
        ({"ggm": [{"description": ""}]}, {}, "row 0 of 'ggm' has no 'hashtags', 'predicted'"),
        ({"ggm": [row(0, ["rain"], ["two words"])]}, {}, "no novel hashtags"),
        ({"ggm": ROWS, "other": ROWS[:2]}, {}, "same test split"),
        ({"ggm": ROWS, "other": ROWS[::-1]}, {}, "same test split"),
        ({"ggm": ROWS}, {"examples": 0}, "`examples` is 0"),
        ({"ggm": ROWS}, {"max_hashtags": 0}, "`max_hashtags` is 0"),
    ],
)
def test_refused(tmp_path, predictions, arguments, message):
    """Would fail if an empty or senseless sheet were written, or the message did not say why not."""
    with pytest.raises((DatasetError, ValueError), match=message):
        write_rating_sheet(tmp_path / "rating", predictions, POOL, **arguments)
    assert not (tmp_path / "rating").exists()


def test_hashtags_of_foreign_predictions(caplog):
    """Would fail if predictions in another form than ours were refused, or what is none of them left out unsaid."""
    foreign = {**row(0, "#Rain #Snow", "Fog, two words;2024"), "hashtags": "#Rain#Snow"}
    assert novel_hashtags({"theirs": [foreign]}, POOL) == {"theirs": {"fog": [0], "two": [0], "words": [0]}}
    assert "theirs: 1 entry in the hashtags of 1 row is no hashtag and was left out: '2024'" in caplog.text


def test_predictions_as_training_writes_them(tmp_path):
    """Would fail if a line separator inside a description tore a row, or a broken line were passed over."""
    path = tmp_path / "predictions.jsonl"
    rows = [row(0, ["rain"], ["new"], "one\u2028two\x85three"), {**row(1, [], []), "video": None}]
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), encoding="utf-8")
    assert read_predictions(path) == rows
    path.write_text('{"a": 1}\n{"a": ')
    with pytest.raises(DatasetError, match="line 2 is not JSON"):
        read_predictions(path)
    path.write_text("[]\n")
    with pytest.raises(DatasetError, match="line 1 is not a JSON object"):
        read_predictions(path)
    with pytest.raises(DatasetError, match="nowhere"):
        read_predictions(tmp_path / "nowhere.jsonl")


def test_pool_of_a_folder_a_checkpoint_or_a_list(tmp_path, caplog):
    """Would fail if a pool were read otherwise than it was saved."""
    HashtagPool(POOL, torch.eye(2)).save_pretrained(tmp_path / "checkpoint" / "hashtag_pool")
    (tmp_path / "list.txt").write_text("#Rain\nsnow\n")
    assert read_pool_hashtags(tmp_path / "checkpoint" / "hashtag_pool") == POOL
    assert read_pool_hashtags(tmp_path / "checkpoint") == POOL
    listed = read_pool_hashtags(tmp_path / "list.txt")
    assert listed == POOL
    (tmp_path / "foreign.txt").write_text("\ufeff#Rain;snow\n2024\nRAIN\n", encoding="utf-8")
    assert read_pool_hashtags(tmp_path / "foreign.txt") == POOL and "left out: '2024'" in caplog.text
    assert novel_hashtags({"ggm": ROWS}, listed) == novel_hashtags({"ggm": ROWS}, POOL)
    with pytest.raises(DatasetError, match="neither"):
        read_pool_hashtags(tmp_path / "nowhere")
    with pytest.raises(CheckpointError):
        read_pool_hashtags(tmp_path)


def test_command(tmp_path, capsys):
    """Would fail if the command wrote another sheet than the function, or hid what is wrong."""
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(each) + "\n" for each in ROWS))
    (tmp_path / "pool.txt").write_text("\n".join(POOL))
    arguments = [
        "rate",
        "sheet",
        "--pool",
        str(tmp_path / "pool.txt"),
        "--output_dir",
        str(tmp_path / "a"),
        "--seed",
        "2",
    ]
    assert main([*arguments, f"ggm={tmp_path / 'p.jsonl'}"]) == 0
    assert "6 hashtags to judge, 3 of them novel" in capsys.readouterr().out
    write_rating_sheet(tmp_path / "b", {"ggm": ROWS}, POOL, seed=2)
    for name in ("ratings.csv", "key.json", "novel_hashtags.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert main([*arguments, str(tmp_path / "p.jsonl")]) == 1
    assert "give NAME=FILE" in capsys.readouterr().err
    assert main([*arguments, "a=p", "a=q"]) == 1
    assert "p cannot be read" in capsys.readouterr().err
