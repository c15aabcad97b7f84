"""The one `openvino.Core` of a process."""

import functools
import importlib
import threading
from typing import Any

_making = threading.Lock()


def openvino_core() -> Any:
    """
    Gives the process' `openvino.Core`, which is never let go.

    On CPUs with AMX, each gives the thread that makes it a stack for signals, and puts back the one before when it
    goes. Where several of them overlap, that may be a stack that is gone: the next signal, such as the end of a child
    process, is then the end of this one.
    """
    with _making:
        return _core()


@functools.cache
def _core() -> Any:
    return importlib.import_module("openvino").Core()


__all__ = ["openvino_core"]
