"""Processes that decode: one that crashes, or does not come back, costs what it was at and nothing else."""

import multiprocessing
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch._utils import ExceptionWrapper

from ..errors import InputError, MediaError

_PICKLE_PROTOCOL = 5
_CANNOT_PICKLE = (pickle.PicklingError, AttributeError, TypeError)


def packed(task: Any) -> bytes | None:
    """A task as it travels to another process; `None` for one that cannot (an open file)."""
    try:
        return pickle.dumps(task, _PICKLE_PROTOCOL)
    except MemoryError:
        raise
    except Exception:  # of the classes of whatever the task holds
        return None


class DecodingProcesses(AbstractContextManager):
    """
    Processes that do one kind of work, started as `torch.multiprocessing` is set to; leaving the context ends them.

    All are started at once: forking in the middle of what threads of this process do could copy a lock that is held.
    Rows come back through pipes, not shared memory, of which containers often have little.

    Args:
        work (`Callable`): Gets a task and gives a `dict`, whose tensors and arrays are handed over as arrays.
        count (`int`): How many processes.
        max_seconds (`float`, *optional*): After this time at one task a process is ended and replaced.

    Raises:
        `InputError`: Processes do not start as copies of this one, and `work` cannot be sent to them.
    """

    def __init__(self, work: Callable[[Any], dict[str, Any]], count: int, max_seconds: float | None = None):
        self._work = work
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

    def submit(self, task: bytes, name: str | None) -> Future:
        """Lets a process do a task.

        Args:
            task (`bytes`): From [`packed`].
            name (`str`, *optional*): What the task is about, if that has a name.

        Returns:
            `Future`: With the `dict` that the work gives, or its exception; `{"name": name, "error": MediaError}`
            where the process crashed or was ended.
        """
        return self._threads.submit(self._ask, task, name)

    def submit_here(self, work: Callable[[Any], dict[str, Any]], task: Any) -> Future:
        """Lets a thread of this process do a task that cannot travel, in turn with the others."""
        return self._threads.submit(work, task)

    def _start(self) -> None:
        process = _Process(self._work)
        self._processes.append(process)
        self._idle.put(process)

    def _ask(self, task: bytes, name: str | None) -> dict[str, Any]:
        process = self._idle.get()
        try:
            answer = process.ask(task, self._max_seconds)
        except (EOFError, OSError) as error:
            self._replace(process)
            return {"name": name, "error": _what_happened(error, process, self._max_seconds)}
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


class _Process:
    """A process, and the line to it."""

    def __init__(self, work: Callable):
        context = multiprocessing.get_context()
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
        return _unpacked(self._connection.recv())

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
            answer = work(task)
        except Exception:
            answer = ExceptionWrapper(where="in a decoding process")
        connection.send_bytes(_packed_answer(answer))


def _packed_answer(answer: Any) -> bytes:
    if isinstance(answer, dict):
        # Tensors would be handed over as files that stay open. What is in several places is packed once.
        arrays = {id(value): value.numpy() for value in answer.values() if isinstance(value, torch.Tensor)}
        tensors = [name for name, value in answer.items() if id(value) in arrays]
        answer = {name: arrays.get(id(value), value) for name, value in answer.items()}, tensors
    return pickle.dumps(answer, _PICKLE_PROTOCOL)


def _unpacked(answer: Any) -> Any:
    if isinstance(answer, ExceptionWrapper):
        return answer
    row, tensors = answer
    return {**row, **{name: torch.from_numpy(row[name]) for name in tensors}}


def _what_happened(error: Exception, process: _Process, max_seconds: float | None) -> MediaError:
    if isinstance(error, TimeoutError):
        return MediaError(f"It was not decoded within {max_seconds:g} s: convert it to H.264, or leave it out.")
    return MediaError(
        f"The process that decoded it crashed (exit code {process.exit_code}): the file is damaged or too large for"
        " the memory, leave it out."
    )
