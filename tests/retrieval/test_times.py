"""Times of posts."""

from datetime import datetime, timedelta, timezone

import pytest

from transformers_ggm.errors import InputError
from transformers_ggm.retrieval.times import microseconds, parse_time


def test_one_moment_in_all_spellings():
    """Would fail if the same moment in two zones were earlier and later, or a Z were not read."""
    spellings = ["2026-06-29T16:30:37Z", "2026-06-29T18:30:37+02:00", "2026-06-29T16:30:37.000000+00:00"]
    there = datetime(2026, 6, 29, 18, 30, 37, tzinfo=timezone(timedelta(hours=2)))
    moments = {microseconds(parse_time(time)) for time in [*spellings, there]}
    assert moments == {round(there.timestamp()) * 10**6}
    assert parse_time(None) is None and parse_time("") is None


@pytest.mark.parametrize("time", ["2026-06-29T16:30:37", datetime(2026, 1, 1), "yesterday", 1.5])
def test_times_without_zone_are_refused(time):
    """Would fail if a time without zone were taken for one of this machine's, or of UTC, without a word."""
    with pytest.raises(InputError, match="time"):
        parse_time(time)
