"""What a system costs: time, memory and parameters, and the machine that they were measured on."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from ..training.model_card_callback import cpu_name


def peak_memory() -> dict[str, float]:
    """Most memory that this process has held so far, in MiB; on a GPU that of PyTorch's tensors too."""
    memory = {"peak_memory_mib": _most_held()}
    if torch.cuda.is_available():
        memory["peak_gpu_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return memory


def _most_held() -> float:
    # On Linux `getrusage` tells what the process that started this one held, where that was more.
    status = Path("/proc/self/status")
    if status.is_file():
        return (
            next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
        )
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 1024)


def machine_facts() -> dict[str, str | int]:
    """Processor, threads that PyTorch computes with, and GPU, if there is one."""
    facts: dict[str, str | int] = {"processor": cpu_name(), "cores": os.cpu_count() or 1}
    facts["threads"] = torch.get_num_threads()
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def parameter_counts(*models: nn.Module) -> dict[str, int]:
    """All parameters and those that are trained, shared ones once (Table 7)."""
    parameters = {id(p): p for model in models for p in model.parameters()}.values()
    return {
        "parameters": sum(p.numel() for p in parameters),
        "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
    }


@contextmanager
def timed(costs: dict, name: str) -> Iterator[None]:
    """Puts the seconds that the block takes into `costs[name]`."""
    begin = time.monotonic()
    yield
    costs[name] = time.monotonic() - begin
