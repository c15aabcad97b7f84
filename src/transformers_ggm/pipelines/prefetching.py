"""Decoding ahead: worker processes decode the next items while the model works on those before."""

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import InputError, MediaError
from ..processing.media import DEFAULT_LIMITS, is_media_source
from ..utils.opening import foreign
from .inputs import ItemDecoder, item_name, read_fields
from .worker_processes import DecodingProcesses, packed

# Rows under way for each worker, beside the batch that is to be ready when the model comes for it.
_AHEAD = 2

# A clip and a sound of its own are each read within the limit, which is checked between packets: a decoder that does
# not come back is ended this much later.
_MAX_SECONDS = 2 * DEFAULT_LIMITS.max_wall_seconds + 5.0


class DecodedItems:
    """
    The items of a call as rows of [`ItemDecoder`], in their order, each time that it is gone through.

    With workers, a thread reads the items and as many processes decode them: no more than a batch and a few beyond
    what has been taken, so that streams may be endless, and memory does not fill up while the model is busy. Items
    without a file (frames as arrays, words alone) cost more to hand over than to prepare, and open files cannot be
    handed over: these are prepared by threads of this process. An item that crashes its process, or keeps it, gets an
    error.

    Args:
        items: An iterable, or a dataset of torch, whose items the workers get themselves.
        decode ([`ItemDecoder`]): For items.
        num_workers (`int`): Processes; 0 decodes in this one, when a row is asked for.
        batch_size (`int`): Rows that are taken at a time.
    """

    def __init__(self, items: Any, decode: ItemDecoder, num_workers: int, batch_size: int):
        self._items = items
        self._decode = decode
        self._num_workers = num_workers
        self._num_ahead = batch_size + _AHEAD * num_workers

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # Lists are read here, where their open files are, and are not copied to every process.
        is_indexed = hasattr(self._items, "__getitem__") and not isinstance(self._items, list)
        tasks = range(len(self._items)) if is_indexed else self._items
        work = _NumberDecoder(self._items, self._decode) if is_indexed else self._decode
        if not self._num_workers:
            yield from map(work, tasks)
            return
        submit = _submit_number if is_indexed else self._submit
        with DecodingProcesses(work, self._num_workers, None if is_indexed else _MAX_SECONDS) as processes:
            yield from _taken_in_order(tasks, partial(submit, processes), self._num_ahead)

    def _submit(self, processes: DecodingProcesses, item: Any) -> Future:
        task = _to_send(item, self._decode.description)
        if task is None:
            return processes.submit_here(self._decode, item)
        return processes.submit(task, item_name(item))


@dataclass(frozen=True)
class _NumberDecoder:
    """Gets items of a dataset by their number, and decodes them."""

    items: Any
    decode: ItemDecoder

    def __call__(self, number: int) -> dict[str, Any]:
        try:
            with foreign(f"item {number} of the dataset", MediaError):
                item = self.items[number]
        except MediaError as error:
            return {"name": None, "error": error}
        return self.decode(item)


def _submit_number(processes: DecodingProcesses, number: int) -> Future:
    return processes.submit(packed(number), None)


def _to_send(item: Any, description: str) -> bytes | None:
    """What of an item is decoded, as it travels to another process; `None` if it is not to."""
    try:
        fields = read_fields(item, description)
    except InputError:
        return None
    has_file = is_media_source(fields.video) or is_media_source(fields.audio)
    return packed(vars(fields)) if has_file else None


def _taken_in_order(tasks: Iterable, submit: Callable[[Any], Future], num_ahead: int) -> Iterator:
    """Reads tasks in a thread, and gives their results as they are asked for."""
    futures: queue.Queue[Future | None] = queue.Queue(num_ahead)
    has_ended = threading.Event()
    # A daemon, since a stream may never give its next item.
    threading.Thread(target=_read, args=(tasks, submit, futures, has_ended), daemon=True).start()
    try:
        while (future := futures.get()) is not None:
            yield future.result()
    finally:
        has_ended.set()
        while not futures.empty():
            # Makes room for the reader, who then sees that this is the end.
            futures.get_nowait()


def _read(tasks: Iterable, submit: Callable[[Any], Future], futures: queue.Queue, has_ended: threading.Event) -> None:
    """Submits tasks as long as there is room for their results."""
    try:
        for task in tasks:
            future = submit(task)
            futures.put(future)
            if has_ended.is_set():
                return
    except BaseException as error:  # of the stream, raised where its item would come
        future = Future()
        future.set_exception(error)
        futures.put(future)
    futures.put(None)


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
