"""Batches of what many callers ask for at the same time."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Waiting:
    key: Hashable
    value: Any
    answer: asyncio.Future
    since: float = field(default_factory=lambda: asyncio.get_running_loop().time())


class Batcher:
    """
    Gathers values of concurrent callers into batches, and has one thread work at them, a batch at a time.

    A batch has the value that waits longest and others of its key, in their order. It begins when it is full or when
    its first value has waited long enough; what comes while the thread works waits anyway, and is the next batch.
    Callers that are cancelled leave no work. When a batch fails, its values are tried one by one, so that each caller
    gets the error of its own value alone.

    Args:
        work (`Callable`): Gets a key and a list of values of it; gives a list with a result for each.
        max_batch_size (`int`): Values of a batch, at most.
        max_wait_seconds (`float`): How long a value waits for others while the thread is idle.
        observe (`Callable[[int], None]`, *optional*): Is told the size of each batch.
    """

    def __init__(
        self,
        work: Callable[[Hashable, list], Sequence],
        max_batch_size: int,
        max_wait_seconds: float,
        observe: Callable[[int], None] = lambda size: None,
    ):
        self._work, self._observe = work, observe
        self._max_batch_size, self._max_wait_seconds = max_batch_size, max_wait_seconds
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        # One thread, since models that work at once would only share the same cores or GPU.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    def __len__(self) -> int:
        """How many values wait."""
        return sum(not each.answer.done() for each in self._waiting)

    async def submit(self, key: Hashable, value: Any) -> Any:
        """
        Waits for the result of a value.

        Args:
            key: What values of one batch share.
            value: For the work.

        Raises:
            What the work raises for this value.
        """
        waiting = _Waiting(key, value, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        return await waiting.answer

    async def run(self) -> None:
        """Works until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                batch = await self._next_batch()
                self._observe(len(batch))
                values = [each.value for each in batch]
                results = await loop.run_in_executor(self._thread, self._results, batch[0].key, values)
                for each, result in zip(batch, results):
                    _tell(each.answer, result)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)
            for each in self._waiting:
                each.answer.cancel()

    async def _next_batch(self) -> list[_Waiting]:
        loop = asyncio.get_running_loop()
        while True:
            self._waiting = deque(each for each in self._waiting if not each.answer.done())
            self._arrived.clear()
            if not self._waiting:
                await self._arrived.wait()
                continue
            first = self._waiting[0]
            batch = [each for each in self._waiting if each.key == first.key][: self._max_batch_size]
            rest = first.since + self._max_wait_seconds - loop.time()
            if len(batch) == self._max_batch_size or rest <= 0:
                taken = set(map(id, batch))
                self._waiting = deque(each for each in self._waiting if id(each) not in taken)
                return batch
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), rest)

    def _results(self, key: Hashable, values: list) -> list:
        """A result or an exception for each value."""
        try:
            return list(self._work(key, values))
        except Exception as error:
            if len(values) == 1:
                return [error]
            return [result for value in values for result in self._results(key, [value])]


def _tell(answer: asyncio.Future, result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
