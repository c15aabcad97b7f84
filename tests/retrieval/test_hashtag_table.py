"""Lists of hashtags by the million are checked as single ones are."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.errors import HashtagError, PoolError
from transformers_ggm.processing.hashtags import is_valid_hashtag, normalize_hashtag
from transformers_ggm.retrieval.hashtag_table import checked_counts, counted_hashtags, normalized_hashtags

TEXTS = st.text(alphabet="ab1_ #A\né東\n\ud800", max_size=4)


@settings(deadline=None, max_examples=300)
@given(st.lists(TEXTS, max_size=5))
def test_each_is_treated_as_alone(texts):
    """
    If it failed, the quick way for many hashtags would let something through that is none, or spell it otherwise.
    """
    bad = [text for text in texts if not is_valid_hashtag(text)]
    if bad:
        with pytest.raises(HashtagError) as caught:
            normalized_hashtags(texts)
        assert ", ".join(map(repr, bad)) in str(caught.value)
    else:
        assert normalized_hashtags(texts).to_pylist() == [normalize_hashtag(text) for text in texts]


@pytest.mark.parametrize("value", [b"snow", None, 3, float("nan"), ["snow"]])
def test_what_is_no_text_is_refused(value):
    """If it failed, bytes or gaps of a table would become hashtags."""
    with pytest.raises(HashtagError, match="no hashtags"):
        normalized_hashtags(["snow", value])


def test_columns_of_tables_are_taken():
    """If it failed, a pool could not be read from its own file, or a column of numbers would be taken for names."""
    for kind in (pa.string(), pa.large_string()):
        assert normalized_hashtags(pa.array(["Snow", "ski"], kind)).to_pylist() == ["snow", "ski"]
    for column in (pa.array([1, 2]), pa.array(["snow", None])):
        with pytest.raises(HashtagError, match="no hashtags"):
            normalized_hashtags(column)


def test_counts_of_the_same_hashtag_are_summed():
    """If it failed, the counts of two spellings would not be added up."""
    names, counts = counted_hashtags({"#Snow": 2, "ski": 1, "snow": 2**40})
    assert (names.to_pylist(), counts.tolist()) == (["snow", "ski"], [2**40 + 2, 1])
    names, counts = counted_hashtags([], allow_empty=True)
    assert (len(names), len(counts)) == (0, 0)


@pytest.mark.parametrize("counts", [[2**62, 2**62], np.array([2**62, 2**62]), [2**64, 0]])
def test_counts_beyond_the_file_format_are_refused(counts):
    """If it failed, a sum of counts would turn negative without a word, or saving fail long after."""
    with pytest.raises(PoolError, match="too large"):
        checked_counts(counts, 2)


def test_counts_of_arrays_are_looked_at_too():
    """If it failed, a negative count would pass when it comes in an array."""
    assert checked_counts(np.array([1, 2], np.int32), 2).tolist() == [1, 2]
    with pytest.raises(PoolError, match="counts holds -2"):
        checked_counts(np.array([1, -2]), 2)
