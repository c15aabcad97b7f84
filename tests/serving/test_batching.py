"""Batches of values of many callers."""

import asyncio
import threading

import pytest

from transformers_ggm.serving.batching import Batcher


def run(scenario, work, max_batch_size=4, max_wait_seconds=0.0):
    """What a scenario gives with a batcher at work, and the batches that there were."""
    batches = []

    def noted(key, values):
        batches.append((key, list(values)))
        return work(key, values)

    async def running():
        batcher = Batcher(noted, max_batch_size, max_wait_seconds)
        task = asyncio.create_task(batcher.run())
        try:
            return await scenario(batcher)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return asyncio.run(running()), batches


def doubled(key, values):
    return [2 * value for value in values]


def test_each_gets_its_own():
    """Would fail if results were mixed up, a batch were too large, or a value were worked at twice or never."""
    found, batches = run(
        lambda batcher: asyncio.gather(*(batcher.submit(None, n) for n in range(10))), doubled, max_wait_seconds=0.2
    )
    assert found == [2 * n for n in range(10)]
    assert [values for _, values in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_batch_is_of_one_key():
    """Would fail if values of different keys met, or one key kept another waiting that came first."""
    found, batches = run(lambda batcher: asyncio.gather(*(batcher.submit("ab"[n % 2], n) for n in range(6))), doubled)
    assert found == [0, 2, 4, 6, 8, 10]
    assert batches == [("a", [0, 2, 4]), ("b", [1, 3, 5])]


def test_a_bad_value_fails_alone():
    """Would fail if the others of a batch got its error, or none."""

    def work(key, values):
        if 2 in values:
            raise ValueError("two")
        return values

    async def scenario(batcher):
        return await asyncio.gather(*(batcher.submit(None, n) for n in range(4)), return_exceptions=True)

    found, _ = run(scenario, work, max_wait_seconds=0.1)
    assert found[:2] == [0, 1] and found[3] == 3
    assert isinstance(found[2], ValueError)


def test_who_is_cancelled_leaves_no_work():
    """Would fail if what nobody waits for any more were worked at, or counted among what waits."""
    begun, let_go = threading.Event(), threading.Event()

    def work(key, values):
        begun.set()
        assert let_go.wait(30)
        return values

    async def scenario(batcher):
        first = asyncio.ensure_future(batcher.submit(None, "first"))
        assert await asyncio.to_thread(begun.wait, 30)
        gone = asyncio.ensure_future(batcher.submit(None, "gone"))
        stays = asyncio.ensure_future(batcher.submit(None, "stays"))
        await asyncio.sleep(0)
        assert len(batcher) == 2
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert len(batcher) == 1
        first.cancel()
        let_go.set()
        return await stays

    found, batches = run(scenario, work)
    assert found == "stays" and batches == [(None, ["first"]), (None, ["stays"])]


def test_the_end_lets_nobody_wait():
    """Would fail if a caller hung when the batcher ends."""

    async def ended():
        batcher = Batcher(doubled, 4, 60.0)
        task = asyncio.create_task(batcher.run())
        waiting = asyncio.ensure_future(batcher.submit(None, 1))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(ended())
