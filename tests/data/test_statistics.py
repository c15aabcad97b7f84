import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.data.statistics import (
    StatisticsCounter,
    appears_in,
    corpus_statistics,
    statistics_by_split,
    statistics_table,
)
from transformers_ggm.evaluation import split_words

rows = st.fixed_dictionaries(
    {
        "hashtags": st.lists(st.sampled_from(["snow", "bluesquare", "lake", "firstsnow", "雪"]), unique=True),
        "description": st.sampled_from(["", "a blue square", "First snow!", "the lake #snow", "初雪です"]),
        "duration": st.one_of(st.none(), st.floats(0.1, 600)),
        "has_sound": st.booleans(),
    }
)
row_lists = st.lists(rows, max_size=20)


def shown(description, hashtag):
    """Which of the pairs above are to count, by hand."""
    return (description, hashtag) in {
        ("a blue square", "bluesquare"),
        ("First snow!", "snow"),
        ("First snow!", "firstsnow"),
        ("the lake #snow", "lake"),
        ("初雪です", "雪"),
    }


@given(row_lists)
def test_statistics_are_those_of_their_definitions(rows):
    """A number of the table would be another one than it says."""
    statistics = corpus_statistics(iter(rows))
    clips = [row for row in rows if row["duration"] is not None]
    uses = [(row["description"], tag) for row in rows for tag in row["hashtags"]]
    distinct = {tag for _, tag in uses}
    assert statistics.videos == len(clips)
    assert statistics.rows_without_video == len(rows) - len(clips)
    assert (statistics.hashtags, statistics.hashtag_uses) == (len(distinct), len(uses))
    expected = {
        "hashtags_per_video": (len(uses), len(rows)),
        "seconds_per_video": (sum(row["duration"] for row in clips), len(clips)),
        "share_without_sound": (sum(not row["has_sound"] for row in clips), len(clips)),
        "share_in_description": (sum(shown(*use) for use in uses), len(uses)),
        "share_multi_word": (len(distinct & {"bluesquare", "firstsnow"}), len(distinct)),
    }
    for name, (part, whole) in expected.items():
        assert getattr(statistics, name) == (pytest.approx(part / whole) if whole else None)


@given(st.lists(row_lists, min_size=1, max_size=3))
def test_all_is_what_one_count_of_all_rows_gives(splits):
    """The column `all` would count hashtags of several splits twice, or splits be counted into one another."""
    counters = {f"split{index}": StatisticsCounter() for index in range(len(splits))}
    for counter, rows in zip(counters.values(), splits):
        for row in rows:
            counter.add(row)
    statistics = statistics_by_split(counters)
    assert [*statistics] == [*counters, "all"]
    together = corpus_statistics(row for rows in splits for row in rows).to_dict()
    assert statistics["all"].to_dict() == pytest.approx(together)
    for name, rows in zip(counters, splits):
        assert statistics[name] == corpus_statistics(rows)


@pytest.mark.parametrize(
    ("hashtag", "description", "expected"),
    [
        ("snow", "Snow.", True),
        ("bluesquare", "the BLUE square", True),
        ("blue_square", "blue square", True),
        ("blue_square", "blue_square", True),
        ("bluesquare", "blue, 'square'", True),
        ("bluesquare", "blue red square", False),
        ("bluesquare", "blue squares", False),
        ("art", "party", False),
        ("art", "start with art", True),
        ("lakelake", "a lake lake lake", True),
        ("snow", "first #snow", False),
        ("münchen", "Mu\u0308nchen im Schnee", True),
        ("16a", "flat 16 a", True),
        ("雪", "初雪です", True),
        ("first雪", "first 雪", True),
        ("snow", "", False),
    ],
)
def test_which_hashtags_appear_in_a_description(hashtag, description, expected):
    """The share in the table would be of something else than of hashtags that can be copied."""
    assert appears_in(hashtag, description) is expected


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=5), st.data())
def test_runs_of_words_appear_and_nothing_else_does(words, data):
    """Hashtags would be found that begin or end within a word, or missed."""
    runs = {"".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1)}
    hashtag = data.draw(st.one_of(st.sampled_from(sorted(runs)), st.text("abc", min_size=1, max_size=6)))
    assert appears_in(hashtag, " ".join(words)) == (hashtag in runs)


def test_statistics_survive_json():
    """A card could not hold the statistics."""
    found = corpus_statistics([]).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["videos"] == 0 and found["seconds_per_video"] is None


def test_the_table():
    """The table would not be Markdown, or show a number in the wrong column."""
    counters = {"train": StatisticsCounter(), "test": StatisticsCounter()}
    for seconds in (4.0, 7.0):
        counters["train"].add(
            {"hashtags": ["firstsnow", "lake"], "description": "lake", "duration": seconds, "has_sound": True}
        )
    counters["test"].add({"hashtags": ["lake"], "description": "", "duration": None, "has_sound": False})
    table = statistics_table(statistics_by_split(counters))
    lines = [line.strip("|").split("|") for line in table.splitlines()]
    assert {len(cells) for cells in lines} == {4} and table.endswith("|\n")
    cells = {label.strip(): [value.strip() for value in values] for label, *values in lines}
    assert cells[""] == ["train", "test", "all"]
    assert cells["Videos"] == ["2", "0", "2"]
    assert cells["Hashtags per video (mean)"] == ["2.00", "1.00", "1.67"]
    assert cells["Duration in seconds (mean)"] == ["5.5", "–", "5.5"]
    assert cells["Videos without sound"] == ["0.0%", "–", "0.0%"]
    assert cells["Hashtags that appear in the description"] == ["50.0%", "0.0%", "40.0%"]
    assert cells["Hashtags of several words"] == ["50.0%", "0.0%", "50.0%"]
    with pytest.raises(ValueError, match="`statistics` is empty"):
        statistics_table({})


def test_without_wordninja(monkeypatch):
    """A missing package would end in a message that does not say what to install."""
    monkeypatch.setitem(sys.modules, "wordninja", None)
    split_words.cache_clear()
    with pytest.raises(ImportError, match=r"transformers-ggm\[eval\]"):
        corpus_statistics([{"hashtags": ["snow"], "description": "", "duration": None, "has_sound": False}])
