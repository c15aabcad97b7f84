"""Known hashtags by how they begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.generation.hashtag_completions import HashtagCompletions

NAMES = st.text(st.sampled_from("ab\u00e4\u0431\u732b\U0001f408\U0010ffff"), min_size=1, max_size=4)


@given(hashtags=st.lists(NAMES, unique=True, max_size=30), beginning=NAMES)
def test_the_first_that_begins_so(hashtags, beginning):
    """Would fail if a hashtag that begins otherwise, or a less likely one, were given, or one were not found."""
    expected = next((tag for tag in hashtags if tag.startswith(beginning)), None)
    assert HashtagCompletions(hashtags).likely(beginning) == expected


@pytest.mark.parametrize("beginning", ["", "sk\ufffd"])
def test_of_anything(beginning):
    """Would fail if what tokens cut within a character decode to, or nothing at all, could not be looked up."""
    assert HashtagCompletions(["snow", "ski"]).likely(beginning) == ("snow" if not beginning else None)
    assert HashtagCompletions([]).likely(beginning) is None
