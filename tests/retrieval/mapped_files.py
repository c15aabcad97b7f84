"""Tells what is memory-mapped (on Linux)."""

from pathlib import Path

import torch


def mapped_file(tensor: torch.Tensor) -> str | None:
    """The file that the memory of a tensor is mapped from, `None` for plain memory."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, *_, name = line.split(maxsplit=5) if line.count(" ") > 5 else (line.split()[0], None)
        first, last = (int(address, 16) for address in addresses.split("-"))
        if first <= tensor.data_ptr() < last:
            return name if name and name.startswith("/") else None
    raise AssertionError("no such memory")
