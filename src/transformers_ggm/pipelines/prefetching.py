"""Decoding ahead: worker processes preprocess the next items while the model works on those before."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import InputError, MediaError
from ..processing.media import DEFAULT_LIMITS, is_media_source
from ..processing.media.decoding_workers import DecodingWorkers, in_order
from ..utils.opening import foreign
from .inputs import item_name, read_fields
from .opened_clips import is_opened_clip

# Rows under way for each worker, beside the batch that is to be ready when the model comes for it.
_AHEAD = 2

# A clip and a sound of its own are each read within the limit.
MAX_SECONDS = 2 * DEFAULT_LIMITS.max_wall_seconds


@dataclass(frozen=True)
class PreprocessedItem:
    """
    What became of an item.

    Args:
        name (`str` or `None`): Its path or URL, if it has one.
        inputs (`dict`, *optional*): What `preprocess` gave.
        error (`MediaError` or `InputError`, *optional*): What is wrong with it instead.
    """

    name: str | None
    inputs: dict[str, Any] | None = None
    error: MediaError | InputError | None = None


@dataclass(frozen=True)
class ItemPreprocessor:
    """
    Preprocesses items. Errors are handed on rather than raised, since it is the reader's choice whether one ends all.

    Args:
        preprocess (`Callable`): Gets an item and gives a `dict`, or raises `MediaError` or `InputError`.
    """

    preprocess: Callable[[Any], dict[str, Any]]

    def __call__(self, item: Any) -> PreprocessedItem:
        try:
            return PreprocessedItem(item_name(item), inputs=self.preprocess(item))
        except (MediaError, InputError) as error:
            return PreprocessedItem(item_name(item), error=error)


class PreprocessedItems:
    """
    The items of a call, preprocessed, in their order, each time that it is gone through.

    With workers, a thread reads the items and as many processes preprocess them: no more than a batch and a few beyond
    what has been taken, so that streams may be endless, and memory does not fill up while the model is busy. Items
    without a file (frames as arrays, words alone) cost more to hand over than to prepare, and open files cannot be
    handed over: these are prepared by threads of this process. An item that crashes its process, or keeps it, gets an
    error.

    Args:
        items: An iterable, or a dataset of torch, whose items the workers get themselves.
        preprocess (`Callable`): See [`ItemPreprocessor`].
        num_workers (`int`): Processes; 0 preprocesses in this one, when an item is asked for.
        batch_size (`int`): Items that are taken at a time.
    """

    def __init__(self, items: Any, preprocess: Callable[[Any], dict[str, Any]], num_workers: int, batch_size: int):
        self._items = items
        self._preprocess = ItemPreprocessor(preprocess)
        self._num_workers = num_workers
        self._num_ahead = batch_size + _AHEAD * num_workers

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[PreprocessedItem]:
        # Lists are read here, where their open files are, and are not copied to every process.
        is_indexed = hasattr(self._items, "__getitem__") and not isinstance(self._items, list)
        tasks = range(len(self._items)) if is_indexed else self._items
        work = _NumberedItems(self._items, self._preprocess) if is_indexed else self._preprocess
        if not self._num_workers:
            yield from map(work, tasks)
            return
        # A dataset may make its items in any way, so that nothing can be said of how long that may take.
        with DecodingWorkers(work, self._num_workers, None if is_indexed else MAX_SECONDS) as workers:
            submit = partial(_submit_number if is_indexed else _submit_item, workers)
            yield from in_order(tasks, submit, self._num_ahead)


@dataclass(frozen=True)
class _NumberedItems:
    """Gets items of a dataset by their number, and preprocesses them."""

    items: Any
    preprocess: ItemPreprocessor

    def __call__(self, number: int) -> PreprocessedItem:
        try:
            with foreign(f"item {number} of the dataset", MediaError):
                item = self.items[number]
        except MediaError as error:
            return PreprocessedItem(None, error=error)
        return self.preprocess(item)


def _submit_number(workers: DecodingWorkers, number: int) -> Future:
    return workers.submit(number, None, lambda error: PreprocessedItem(None, error=error))


def _submit_item(workers: DecodingWorkers, item: Any) -> Future:
    if not _is_worth_sending(item):
        return workers.submit_here(item)
    name = item_name(item)
    return workers.submit(item, name, lambda error: PreprocessedItem(name, error=error))


def _is_worth_sending(item: Any) -> bool:
    """Whether an item has a file, or is of a kind that only the `preprocess` of a derived pipeline knows. What another
    library has opened stays in the process where it is open."""
    values = [item.get("video"), item.get("audio")] if isinstance(item, Mapping) else [item]
    if any(map(is_opened_clip, values)):
        return False
    try:
        fields = read_fields(item)
    except InputError:
        return True
    return is_media_source(fields.video) or is_media_source(fields.audio)


class Suggestions(Iterator):
    """
    The results for items in their order, made a batch at a time as they are asked for.

    `len` is the number of items, where that is known. Worker processes end with the last item, with an error, with
    `close()` (`with contextlib.closing(...)`), and when this is forgotten.

    Args:
        items ([`PreprocessedItems`]): The items.
        answer (`Callable`): Gets a list of [`PreprocessedItem`] and gives an iterable with one result each.
        batch_size (`int`): The most that it gets.
    """

    def __init__(
        self, items: PreprocessedItems, answer: Callable[[list[PreprocessedItem]], Iterable], batch_size: int
    ):
        self._items = items
        # Knows nothing of this object, so that forgetting this ends it at once.
        self._results = _answered(items, answer, batch_size)

    def __len__(self) -> int:
        return len(self._items)

    def __next__(self) -> Any:
        return next(self._results)

    def close(self) -> None:
        """Ends the work on what was not asked for yet."""
        self._results.close()


def _answered(
    items: PreprocessedItems, answer: Callable[[list[PreprocessedItem]], Iterable], batch_size: int
) -> Iterator:
    with closing(iter(items)) as preprocessed:
        while batch := list(itertools.islice(preprocessed, batch_size)):
            yield from answer(batch)
