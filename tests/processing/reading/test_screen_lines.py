"""Lines on the screen: which are the same, and which are not the author's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.processing.reading.screen_lines import ScreenLine, is_watermark, merge_lines, without_user_names


def lines(*texts):
    return [ScreenLine(text, 0.9) for text in texts]


def test_lines_that_stay_count_once():
    """Would fail if a caption were repeated for every frame it stays in, or different lines became one."""
    frames = [lines("Grandma's soup", "Day 1"), lines("GRANDMAS SOUP", "Day 2"), lines("Grandma's s0up")]
    assert merge_lines(frames) == ["Grandma's soup", "Day 1", "Day 2"]


def test_the_surer_reading_counts():
    """Would fail if the first reading were taken where a later one is better."""
    assert merge_lines([[ScreenLine("F1RST SNOW", 0.75)], [ScreenLine("FIRST SNOW", 0.98)]]) == ["FIRST SNOW"]


def test_lines_that_grow():
    """Would fail if a caption that is written word by word came out several times, or short."""
    assert merge_lines([lines("wait"), lines("wait for it"), lines("wait for")]) == ["wait for it"]


@given(st.lists(st.lists(st.builds(ScreenLine, st.text("ab 日1", min_size=1), st.floats(0, 1)))))
def test_merging_again_changes_nothing_more(frames):
    """Would fail if lines were made up, or the result held one that is there already."""
    merged = merge_lines(frames)
    given_texts = {line.text for frame in frames for line in frame}
    assert set(merged) <= given_texts and bool(merged) == bool(given_texts)
    assert len(set(merged)) == len(merged)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("@anna", ""), ("@ anna_b.9", ""), ("soup with @anna", "soup with"), ("me@home", "me"), ("日本 @花子", "日本")],
)
def test_user_names(text, expected):
    """Would fail if a name stayed, or took words with it."""
    assert without_user_names(text) == expected


@pytest.mark.parametrize("text", ["TikTok", "Tik Tok", "快手", "抖音号：abc123", "ID:anna_9", "CapCut"])
def test_watermarks(text):
    """Would fail if what an app puts onto a clip passed for its author's words."""
    assert is_watermark(text)


@pytest.mark.parametrize("text", ["my TikTok dance", "Idea: soup", "shorts and socks", "", "ID"])
def test_no_watermarks(text):
    """Would fail if words were lost that only hold an app's name."""
    assert not is_watermark(text)
