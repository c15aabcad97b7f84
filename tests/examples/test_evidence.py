"""The table and the picture of all systems on all data sets."""

import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def evidence(load_example, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    return load_example("evidence")


def save(file, answers, *, hashtags, known=("snow", "lake")):
    milliseconds = dict.fromkeys(answers, 2.0)
    content = {"hashtags": hashtags, "known": known, "answers": answers, "milliseconds": milliseconds}
    file.write_text(json.dumps(content))


def save_all(evidence, folder, rows=40):
    """The whole is right on all rows, words on half of them, and a source that is not simple on three quarters."""
    hashtags = [["snow"]] * (rows - 1) + [["fog"]]
    half, most = ([tags if n % 4 < kept else ["lake"] for n, tags in enumerate(hashtags)] for kept in (2, 3))
    for name in evidence.SETS:
        answers = {"words": half, "pool_words": most, "without words": hashtags, "all sources": hashtags}
        save(folder / f"{name}.json", answers, hashtags=hashtags)
    return hashtags


def test_table_and_picture(evidence, tmp_path, monkeypatch, capsys):
    """Would fail if a system stood in the wrong row, a network counted as simple, or there were no picture."""
    hashtags = save_all(evidence, tmp_path)
    better = {"TF-IDF nearest neighbours": [tags if n % 4 else ["lake"] for n, tags in enumerate(hashtags)]}
    save(tmp_path / "exercises-words.json", better, hashtags=hashtags)
    command = ["evidence.py", "--answers_dir", str(tmp_path), "--plot", str(tmp_path / "evidence.png")]
    monkeypatch.setattr(sys, "argv", command)
    evidence.main()
    lines = [[cell.strip() for cell in row.split("|")[1:-1]] for row in capsys.readouterr().out.splitlines()]
    table = {name: dict(zip(lines[0][1:], cells)) for name, *cells in lines[2:]}
    assert {len(row) for row in lines} == {1 + len(evidence.SETS)}
    assert table["best simple method"]["tweets"].startswith("50.0 (")
    assert table["best simple method"]["tweets"].endswith("words of the text")
    assert table["best simple method"]["exercises"].endswith("TF-IDF neighbours")
    assert table["best source alone"]["exercises"].endswith("`pool_words`")
    assert table["**full system**"]["rendered shorts"] == "**100.0 (100.0 to 100.0)**"
    assert table["full system against best simple"]["youtube"] == "+50.0, p = 0.0001"
    assert table["GGM, fused guidance"]["sounds"] == ""  # not measured, and not made up
    assert table["unseen hashtags found by the full system"]["sounds"] == "1 of 1"
    with Image.open(tmp_path / "evidence.png") as picture:
        assert picture.format == "PNG" and min(picture.size) > 400


def test_hashtags_without_a_cause_do_not_count(evidence):
    """Would fail if the F1 of rendered shorts counted movement and noise, or that of other sets did not."""
    answers, truth = [["bluesquare", "fyp"]], [["bluesquare", "growing"]]
    assert evidence.f1_of(answers, truth, "rendered_shorts") == [100]
    assert evidence.f1_of(answers, truth, "tweets") == [50]


def test_answers_to_other_rows_are_refused(evidence, tmp_path):
    """Would fail if systems were compared on rows that are not the same."""
    hashtags = save_all(evidence, tmp_path)
    save(tmp_path / "tweets-words.json", {"most frequent hashtags": hashtags}, hashtags=[["lake"]] * len(hashtags))
    with pytest.raises(AssertionError, match="other rows"):
        evidence.evidence_of(tmp_path, "tweets")


def test_recorded_figures_stand_in_the_pages(evidence):
    """Would fail if a figure that is not measured anew were not the one that its page tells."""
    pages = "\n".join((ROOT / "docs" / f"{page}.md").read_text() for page in ("comparison", "results", "instructed"))
    told = re.sub(r"\[([\d.]+), ([\d.]+)\]", r"(\1 to \2)", pages.replace("**", ""))
    figures = {figure for row in evidence.RECORDED.values() for figure in row.values()}
    assert not [figure for figure in figures if f" {figure} " not in told]
    assert {name for row in evidence.RECORDED.values() for name in row} <= set(evidence.SETS)
