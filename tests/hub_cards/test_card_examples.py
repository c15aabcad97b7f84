"""Example predictions, and words of others in a card."""

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.hub_cards.examples import even_places, example_rows
from transformers_ggm.hub_cards.quoting import quoted, quoted_hashtags


@given(st.integers(0, 5000), st.integers(1, 9))
def test_places_are_even_and_all_different(total, most):
    """
    Would fail if a row were shown twice, rows were picked from one end, or the rule were not the one of the card.
    """
    places = even_places(total, most)
    assert len(places) == min(total, most) and len(set(places)) == len(places)
    assert places[:1] == [0] * bool(total) and all(0 <= place < total for place in places)
    gaps = {after - before for before, after in zip(places, [*places[1:], total])}
    assert not gaps or max(gaps) - min(gaps) <= 1


@given(st.text())
def test_quoted_text_shows_as_it_is(text):
    """Would fail if a reader saw other words than the author wrote, or part of them were markup of the card."""
    cell = quoted(text, None)
    assert html.unescape(cell) == " ".join(text.split())
    bare = re.sub(r"&#\d+;", "", cell)
    assert not set(bare) & set("\\`*_{}[]<>|~&\n") and not re.search(r"\w://|www\.", bare, re.IGNORECASE)


@pytest.mark.parametrize(
    "text",
    ["<img src=x onerror=alert(1)>", "![](http://tracker.example/a.png)", "[a](b) | c", "see https://a.example now",
     "www.a.example", "@someone", "me@a.example", "**bold** `code` ~~no~~"],
)  # fmt: skip
def test_nothing_becomes_a_link_or_a_picture(text):
    """Would fail if opening the card could load a picture, follow a link or name a person that a row names."""
    assert not re.search(r"[<>|\[\]`*~]|\w://|www\.|@\w", re.sub(r"&#\d+;", "\0", quoted(text)))


def test_long_text_is_cut():
    """Would fail if one long description made the table unreadable, or a cut went without a sign."""
    assert quoted("ab " * 200, 10) == "ab ab ab a..." and quoted("a" * 160) == "a" * 160


def test_hits_are_bold():
    """Would fail if the marks stood at other hashtags than those that the author chose too."""
    assert quoted_hashtags(["snow", "a_b", "lake"], {"lake", "a_b"}) == "#snow **#a&#95;b** **#lake**"


def test_rows_of_a_file(tmp_path):
    """Would fail if truth and prediction were mixed up, rows were left out for what they say, or counted from 0."""
    rows = [
        {"description": f"row {number}" if number else "", "hashtags": [f"true{number}"], "predicted": ["offensive"]}
        for number in range(12)
    ]
    rows[2]["predicted"] = []
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    examples = example_rows(path)
    assert examples["total"] == 12 and examples["numbers"] == "1, 3, 5, 8, 10"
    assert [row["hashtags"] for row in examples["rows"]] == ["#true0", "#true2", "#true4", "#true7", "#true9"]
    assert [row["predicted"] for row in examples["rows"]] == ["#offensive", "(nothing)", *["#offensive"] * 3]
    assert [row["description"] for row in examples["rows"]][:2] == ["(none)", "row 2"]
    assert example_rows(tmp_path / "missing.jsonl") is None
