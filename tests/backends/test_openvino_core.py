"""One `openvino.Core` for a process."""

import ctypes
import functools
import sys
import threading
from pathlib import Path

import pytest
import torch

pytest.importorskip("openvino")

from transformers_ggm.backends.conversion import convert
from transformers_ggm.backends.openvino_core import openvino_core
from transformers_ggm.backends.openvino_model import OpenVINOModel


class SignalStack(ctypes.Structure):
    """`stack_t` of the C library."""

    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

    @classmethod
    def of_this_thread(cls) -> "SignalStack":
        stack = cls()
        assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
        return stack

    def is_memory(self) -> bool:
        """Whether it is still part of the process."""
        for line in Path("/proc/self/maps").read_text().splitlines():
            start, end = (int(number, 16) for number in line.split()[0].split("-"))
            if start <= (self.start or 0) < end:
                return True
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what is part of a process' memory")
def test_signals_find_their_stack_after_models_are_let_go():
    """Would fail if a signal were the end of a process that had let two models go: its stack for signals was gone."""

    class Halving(torch.nn.Module):
        def forward(self, numbers):
            return numbers / 2

    def let_go():
        model = convert(Halving(), (torch.ones(2, 3),), ["numbers"], "halving")
        models = [OpenVINOModel(model, torch.float32) for _ in range(3)]
        while models:
            models.pop(0)({"numbers": torch.ones(2, 3)})
        stack = SignalStack.of_this_thread()
        found.append(not stack.start or stack.is_memory())

    # In a thread of its own: this one's stack is whatever other tests and libraries made of it.
    found = []
    thread = threading.Thread(target=let_go)
    thread.start()
    thread.join()
    assert found == [True]


def test_threads_have_the_same_one(hurried, monkeypatch):
    """Would fail if threads that come first at the same time made one each."""
    monkeypatch.setattr("transformers_ggm.backends.openvino_core._core", functools.cache(object))
    found, together = [], threading.Barrier(4)

    def ask():
        together.wait()
        found.append(openvino_core())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
