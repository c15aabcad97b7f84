"""What the pipeline says about many items, one after the other."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

from .decoding_ahead import DecodedItems


class Suggestions(Iterator):
    """
    The results for items in their order, made a batch at a time as they are asked for.

    `len` is the number of items, where that is known. Worker processes end with the last item, with an error, with
    `close()` (`with contextlib.closing(...)`), and when this is forgotten.

    Args:
        rows ([`DecodedItems`]): The items.
        answer (`Callable`): Gets a list of rows and gives an iterable with one result each.
        batch_size (`int`): The most rows that it gets.
    """

    def __init__(self, rows: DecodedItems, answer: Callable[[list[dict[str, Any]]], Iterable], batch_size: int):
        self._rows = rows
        # Knows nothing of this object, so that forgetting this ends it at once.
        self._results = _answered(rows, answer, batch_size)

    def __len__(self) -> int:
        return len(self._rows)

    def __next__(self) -> Any:
        return next(self._results)

    def close(self) -> None:
        """Ends the work on what was not asked for yet."""
        self._results.close()


def _answered(rows: DecodedItems, answer: Callable[[list[dict[str, Any]]], Iterable], batch_size: int) -> Iterator:
    with closing(iter(rows)) as decoded:
        while batch := list(itertools.islice(decoded, batch_size)):
            yield from answer(batch)
