"""Times of posts: with their zone, so that earlier and later mean the same everywhere."""

from datetime import datetime, timedelta, timezone
from typing import Any

from ..errors import InputError

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parse_time(value: Any) -> datetime | None:
    """
    A time of a data row.

    Args:
        value (`str`, `datetime` or `None`): ISO 8601 with a zone, such as `"2026-06-29T16:30:37Z"`; empty for none.

    Raises:
        InputError: It is no time, or has no zone.

    Example:

    ```python
    >>> from transformers_ggm.retrieval.times import parse_time

    >>> parse_time("2026-06-29T16:30:37Z").isoformat(), parse_time("")
    ('2026-06-29T16:30:37+00:00', None)

    ```
    """
    if value is None or value == "":
        return None
    time = value
    if isinstance(value, str):
        try:
            # Python 3.10 does not read the Z.
            time = datetime.fromisoformat(value.strip().replace("Z", "+00:00").replace("z", "+00:00"))
        except ValueError as error:
            raise InputError(f"the time {value!r} is not ISO 8601, such as '2026-06-29T16:30:37Z'.") from error
    # What pandas has for no time is a datetime that equals nothing.
    if not isinstance(time, datetime) or time != time:
        raise InputError(f"the time {value!r} is neither a string nor a datetime.")
    if time.utcoffset() is None:
        raise InputError(f"the time {value!r} has no zone: add it, such as '2026-06-29T16:30:37Z'.")
    return time


def microseconds(time: datetime) -> int:
    """Whole microseconds since 1970, UTC."""
    return (time - _EPOCH) // timedelta(microseconds=1)
