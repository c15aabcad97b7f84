"""Worker processes that decode: order, how far they run ahead, what ends them, and what their ends cost."""

import itertools
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from transformers_ggm.errors import InputError, MediaError
from transformers_ggm.pipelines import inputs, prefetching
from transformers_ggm.pipelines.prefetching import PreprocessedItems, Suggestions
from transformers_ggm.processing import GGMProcessor
from transformers_ggm.processing.media import decoding_workers

needs_fork = pytest.mark.skipif(
    multiprocessing.get_start_method() != "fork", reason="what a test replaces is known to forked processes only"
)


@pytest.fixture(scope="module")
def decode(checkpoint):
    return partial(preprocess, GGMProcessor.from_pretrained(checkpoint))


def preprocess(processor, item):
    return inputs.load_item(inputs.read_fields(item), processor, processor.video_processor)


def as_row(item):
    """A preprocessed item with its fields in one dict."""
    return {"name": item.name, "error": item.error, **(item.inputs or {})}


def rows(items, decode, num_workers=2, batch_size=2):
    return list(map(as_row, PreprocessedItems(items, decode, num_workers, batch_size)))


def num_children():
    return len(multiprocessing.active_children())


def assert_same_rows(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if isinstance(value, torch.Tensor):
                assert value.dtype == other[name].dtype and torch.equal(value, other[name])
            else:
                assert str(value) == str(other[name])


class PathDataset(torch.utils.data.Dataset):
    """Items that are made where they are asked for."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, number):
        return {"video": self.paths[number], "description": f"in process {os.getpid()}"}


def test_rows_are_those_of_this_process_in_order(clips, decode):
    """Would fail if a row lost or changed anything on its way between processes, or came before its turn."""
    path = next(iter(clips))
    with open(path, "rb") as file:
        items = [
            *({"video": path, "description": f"clip {number}"} for number, path in enumerate(clips)),
            {"video": np.zeros((2, 40, 40, 3), np.uint8), "audio": path},
            {"description": "words alone"},
            Path(path).read_bytes(),
            memoryview(Path(path).read_bytes()),
            {"video": "missing.mp4"},
            None,
            file,
        ]
        expected = rows(items, decode, num_workers=0)
        for found in (rows(items, decode), rows(iter(items), decode, num_workers=3, batch_size=5)):
            assert_same_rows(found, expected)
    assert [type(row["error"]) for row in expected[-3:]] == [MediaError, InputError, type(None)]


def test_datasets_make_their_items_in_the_workers(clips, decode):
    """Would fail if the items of a dataset, which may take long to make, were all made by the reading process."""
    descriptions = [row["description"] for row in rows(PathDataset(list(clips)), decode)]
    assert len(descriptions) == len(clips)
    assert f"in process {os.getpid()}" not in descriptions


def reads_no_further():
    """Whether the thread that reads a stream waits for room in its queue."""
    calls = [(frame, frame.f_back) for frame in sys._current_frames().values() if frame.f_back is not None]
    return any(
        frame.f_code is threading.Condition.wait.__code__
        and caller.f_code is queue.Queue.put.__code__
        and caller.f_locals["self"].full()
        for frame, caller in calls
    )


def test_endless_streams_are_read_a_bounded_number_ahead(clips, decode):
    """Would fail if a stream were read to its end before the first row, or memory filled while the model is busy."""
    path, given = next(iter(clips)), []

    def stream():
        for number in itertools.count():
            given.append(number)
            yield {"video": path, "description": str(number)}

    with closing(iter(PreprocessedItems(stream(), decode, num_workers=2, batch_size=3))) as decoded:
        assert [row.inputs["description"] for row in itertools.islice(decoded, 5)] == list("01234")
        while not reads_no_further():
            time.sleep(0.01)
        # A batch of 3 and 2 for each worker, the row taken last, and the one that waits for room.
        assert 5 + 3 <= len(given) <= 5 + 3 + 2 * 2 + 2


def test_a_row_does_not_wait_for_the_items_behind_it(clips, decode):
    """Would fail if a clip of a live stream were held back until the next one is uploaded."""
    arrived = threading.Event()

    def stream():
        yield {"video": next(iter(clips)), "description": "first"}
        assert arrived.wait(60)
        yield {"description": "second"}

    decoded = iter(PreprocessedItems(stream(), decode, num_workers=2, batch_size=1))
    assert next(decoded).inputs["description"] == "first"
    arrived.set()
    assert [row.inputs["description"] for row in decoded] == ["second"]


def test_an_error_of_the_stream_comes_in_its_turn(clips, decode):
    """Would fail if the reading thread swallowed an error of the stream, or threw away the rows before it."""

    def stream():
        yield from clips
        raise OSError("the bucket is gone")

    decoded = iter(PreprocessedItems(stream(), decode, num_workers=2, batch_size=2))
    assert len(list(itertools.islice(decoded, len(clips)))) == len(clips)
    with pytest.raises(OSError, match="bucket is gone"):
        next(decoded)
    assert num_children() == 0


@needs_fork
def test_a_crash_costs_its_clip_and_nothing_else(clips, decode, monkeypatch):
    """Would fail if a clip on which FFmpeg crashes ended the whole run, or the rows of others were lost with it."""
    bad = list(clips)[1]
    original = inputs.load_item

    def load(fields, *args):
        if fields.video == bad:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(fields, *args)

    monkeypatch.setattr(inputs, "load_item", load)
    found = rows(list(clips) * 3, decode)
    crashed = [row for row in found if row["error"] is not None]
    assert [row["name"] for row in crashed] == [bad] * 3
    assert all("exit code -9" in str(row["error"]) and type(row["error"]) is MediaError for row in crashed)
    assert [row["name"] for row in found] == list(clips) * 3
    assert num_children() == 0


@needs_fork
def test_a_decoder_that_does_not_come_back_is_ended(clips, decode, monkeypatch):
    """Would fail if one clip could hold up a run for ever."""
    monkeypatch.setattr(prefetching, "MAX_SECONDS", 1.0)
    monkeypatch.setattr(decoding_workers, "_GRACE_SECONDS", 0.0)
    stuck, *others = clips
    original, ask = inputs.load_item, decoding_workers._Process.ask

    def ask_slow_machine(process, task, max_seconds):
        assert max_seconds == 1.0
        return ask(process, task, max_seconds if stuck.encode() in task else None)

    monkeypatch.setattr(decoding_workers._Process, "ask", ask_slow_machine)
    monkeypatch.setattr(
        inputs,
        "load_item",
        lambda fields, *args: time.sleep(600) if fields.video == stuck else original(fields, *args),
    )
    first, *rest = rows(list(clips), decode)
    assert isinstance(first["error"], MediaError) and "within 1 s" in str(first["error"])
    assert [row["error"] for row in rest] == [None] * len(others)


@pytest.mark.contract
@needs_fork
def test_a_fault_in_a_worker_is_raised_as_what_it_is(clips, decode, monkeypatch):
    """Would fail if a fault of the code were taken for a bad clip and skipped, or its type got lost."""

    def fail(*_):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(inputs, "load_item", fail)
    with pytest.raises(ZeroDivisionError, match="a fault"):
        rows(list(clips), decode)
    assert num_children() == 0


def test_whatever_ends_a_run_ends_its_processes(clips, decode):
    """Would fail if processes lived on after the last result, an error, a closed or a forgotten iterator."""

    def fail(batch):
        raise ValueError("the model failed")

    def running(answer):
        return Suggestions(PreprocessedItems(itertools.cycle(clips), decode, 2, 2), answer, batch_size=2)

    closed = running(list)
    assert next(closed).error is None and num_children() == 2
    closed.close()
    assert num_children() == 0 and list(closed) == []
    forgotten = running(list)
    next(forgotten)
    del forgotten
    assert num_children() == 0
    with pytest.raises(ValueError, match="the model failed") as kept:
        next(running(fail))
    assert num_children() == 0 and kept.value
    finished = Suggestions(PreprocessedItems(list(clips), decode, 2, 3), list, batch_size=3)
    assert len(finished) == len(clips) == len(list(finished))
    assert num_children() == 0


def test_a_decoder_can_be_sent(clips, decode):
    """Would fail if what workers need could not be sent to them where processes are not forked (macOS, Windows)."""
    again = pickle.loads(pickle.dumps(decode))
    assert_same_rows([again(path) for path in clips], [decode(path) for path in clips])


@pytest.mark.slow
def test_spawned_workers_give_the_same(clips, decode, monkeypatch):
    """Would fail if workers leaned on being copies of this process, as they are on Linux alone."""
    spawn = multiprocessing.get_context("spawn")
    monkeypatch.setattr(multiprocessing, "get_context", lambda: spawn)
    assert_same_rows(rows(list(clips), decode), rows(list(clips), decode, num_workers=0))

    class Local:
        def __len__(self):
            return 1

        def __getitem__(self, number):
            return None

    with pytest.raises(InputError, match="cannot be sent to worker processes"):
        rows(Local(), decode)
