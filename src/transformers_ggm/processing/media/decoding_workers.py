"""
Processes that decode: one that crashes, or does not come back, costs what it was at and nothing else.

Not pebble's pool: its processes answer through one pipe with a lock, and one that is killed (as by the kernel, for
want of memory) while it writes a decoded clip there stops all others. Nor that of `concurrent.futures`, which a crash
ends.
"""

import io
import multiprocessing
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any

import torch
from torch._utils import ExceptionWrapper

from ...errors import InputError, MediaError

_PICKLE_PROTOCOL = 5
_CANNOT_PICKLE = (pickle.PicklingError, AttributeError, TypeError)
# Limits on time are looked at between packets: a decoder that does not come back is ended this much later.
_GRACE_SECONDS = 5.0


class DecodingWorkers(AbstractContextManager):
    """
    Processes that do one kind of work; leaving the context ends them.

    All are started at once: forking in the middle of what threads of this process do could copy a lock that is held.
    Answers come back through a pipe of each process, not through shared memory, of which containers often have little.

    Args:
        work (`Callable`): Gets a task and gives its result.
        count (`int`): How many processes.
        max_seconds (`float`, *optional*): After this time at one task, and a short grace, a process is ended and
            replaced.
        context (`multiprocessing.context.BaseContext`, *optional*): How processes are started. Defaults to what
            `multiprocessing` is set to: copies of this process have what it imported, which others import anew, for
            some seconds ([`clean_start`]), and the work need not be sent to them, which of a pipeline has its model.

    Raises:
        `InputError`: Processes do not start as copies of this one, and `work` cannot be sent to them.

    Example:

    ```python
    >>> from transformers_ggm.processing.media.decoding_workers import DecodingWorkers, in_order

    >>> with DecodingWorkers(len, count=2) as workers:
    ...     list(in_order([b"one", b"three"], lambda task: workers.submit(task, None, print), num_ahead=4))
    [3, 5]

    ```
    """

    def __init__(
        self,
        work: Callable[[Any], Any],
        count: int,
        max_seconds: float | None = None,
        context: BaseContext | None = None,
    ):
        self._work = work
        self._context = multiprocessing.get_context() if context is None else context
        self._max_seconds = max_seconds
        self._has_ended = False
        self._replacing = threading.Lock()
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._processes: list[_Process] = []
        for _ in range(count):
            self._start()
        # One thread waits for each process.
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="decoding")

    def __exit__(self, *_):
        with self._replacing:
            self._has_ended = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.end()
        # Now none of them waits for an answer any more.
        self._threads.shutdown()
        for process in self._processes:
            process.close()

    def submit(self, task: Any, name: str | None, failed: Callable[[MediaError], Any]) -> Future:
        """Lets a process do a task; one that cannot travel (an open file) is done by a thread of this process.

        Args:
            task: What the work gets.
            name (`str`, *optional*): What the task is about, for messages, if that has a name.
            failed (`Callable`): Gives the result of a task at which the process crashed or was ended, of the error
                that says so. Where time was up, a `TimeoutError` is its `__cause__`.

        Returns:
            `Future`: With the result, or with the exception of the work.
        """
        packed = _packed_task(task)
        if packed is None:
            return self.submit_here(task)
        return self._threads.submit(self._ask, packed, name, failed)

    def submit_here(self, task: Any) -> Future:
        """Lets a thread of this process do a task, in turn with the others."""
        return self._threads.submit(self._work, task)

    def _start(self) -> None:
        process = _Process(self._work, self._context)
        self._processes.append(process)
        self._idle.put(process)

    def _ask(self, task: bytes, name: str | None, failed: Callable[[MediaError], Any]) -> Any:
        process = self._idle.get()
        try:
            answer = process.ask(task, None if self._max_seconds is None else self._max_seconds + _GRACE_SECONDS)
        except (EOFError, OSError) as cause:
            self._replace(process)
            error = _what_happened(cause, name, process, self._max_seconds)
            error.__cause__ = cause
            return failed(error)
        self._idle.put(process)
        if isinstance(answer, ExceptionWrapper):
            answer.reraise()
        return answer

    def _replace(self, process: "_Process") -> None:
        with self._replacing:
            if self._has_ended:
                # For a thread that has taken a task all the same: it fails at once, instead of waiting for ever.
                self._idle.put(process)
                return
            process.end()
            process.close()
            self._processes.remove(process)
            self._start()


def clean_start() -> BaseContext:
    """A way to start processes that does not copy this one's threads and locks, as forking would."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # imports PyTorch once, not once a process
    return context


def in_order(tasks: Iterable, submit: Callable[[Any], Future], num_ahead: int) -> Iterator:
    """
    Reads tasks in a thread, and gives their results in order, as soon as they are there.

    Args:
        tasks (`Iterable`): May be endless, and may wait for its next task: results of those before do not.
        submit (`Callable`): Begins a task.
        num_ahead (`int`): How many tasks are under way beside the one that waits for room, so that memory does not
            fill up with results that nobody takes.

    Raises:
        What the tasks or their work raise, where the result would come.
    """
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


class _Process:
    """A process, and the line to it."""

    def __init__(self, work: Callable, context: BaseContext):
        self._connection, its_connection = context.Pipe()
        self._process = context.Process(target=_serve, args=(its_connection, self._connection, work), daemon=True)
        try:
            self._process.start()
        except _CANNOT_PICKLE as error:
            raise InputError(
                f"What is to be decoded cannot be sent to worker processes ({error}): pass items of paths, URLs or"
                " bytes, or num_workers=0."
            ) from error
        its_connection.close()

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode

    def ask(self, task: bytes, max_seconds: float | None) -> Any:
        """Sends a task and waits for its answer; raises `EOFError` or `OSError` when none comes."""
        self._connection.send_bytes(task)
        if not self._connection.poll(max_seconds):
            raise TimeoutError
        return self._connection.recv()

    def end(self) -> None:
        # Not by a signal that it may have been taught, as a copy of this process, to handle.
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        self._connection.close()


def _serve(connection: Connection, others_end: Connection, work: Callable) -> None:
    """What a process does until its line is cut."""
    # A copy of the other end, with which the line would never be cut.
    others_end.close()
    # Ctrl-C reaches all processes of a terminal, and is for the one that ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As many processes as are wanted share the cores with the model, so each has one thread.
    torch.set_num_threads(1)
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = _packed_answer(work(task))
        except Exception:
            answer = _packed_answer(ExceptionWrapper(where="in a decoding process"))
        connection.send_bytes(answer)


def _packed_task(task: Any) -> bytes | None:
    """A task as it travels to another process; `None` for one that cannot."""
    try:
        return pickle.dumps(task, _PICKLE_PROTOCOL)
    except MemoryError:
        raise
    except Exception:  # of the classes of whatever the task holds
        return None


class _AnswerPickler(pickle.Pickler):
    """Packs tensors by their values, as arrays: PyTorch would hand them over as files that stay open."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not torch.Tensor or value.requires_grad:
            return NotImplemented
        try:
            return torch.from_numpy, (value.numpy(),)
        except TypeError:  # of another device or a type that numpy does not have
            return NotImplemented


def _packed_answer(answer: Any) -> memoryview:
    file = io.BytesIO()
    _AnswerPickler(file, _PICKLE_PROTOCOL).dump(answer)
    return file.getbuffer()


def _what_happened(cause: Exception, name: str | None, process: _Process, max_seconds: float | None) -> MediaError:
    name = name or "The clip"
    if isinstance(cause, TimeoutError):
        return MediaError(
            f"{name} was not decoded within {max_seconds:g} s, and its process was ended: convert it to H.264, or"
            " leave it out."
        )
    return MediaError(
        f"{name} crashed the process that decoded it (exit code {process.exit_code}): it is damaged or too large for"
        " the memory, leave it out."
    )
