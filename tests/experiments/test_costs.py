"""Parameters, memory and time, against counting by hand."""

import subprocess
import sys
import time

import psutil
import pytest
import torch
from torch import nn

from transformers_ggm.experiments.costs import machine_facts, parameter_counts, peak_memory, timed


def test_parameters_are_counted_once_and_frozen_ones_apart():
    """Tied weights would count twice, or a frozen encoder as trained."""
    first, second = nn.Linear(3, 2), nn.Linear(3, 2, bias=False)
    second.weight = first.weight
    frozen = nn.Linear(4, 1).requires_grad_(False)
    counts = parameter_counts(nn.ModuleList([first, second]), frozen)
    assert counts == {"parameters": 3 * 2 + 2 + 4 + 1, "trainable_parameters": 3 * 2 + 2}


def test_memory_is_in_mib():
    """The unit would be wrong by a thousand."""
    held = psutil.Process().memory_info().rss / 2**20
    assert held * 0.99 < peak_memory()["peak_memory_mib"] < held * 100


@pytest.mark.slow
def test_memory_grows_by_what_is_held():
    """The unit would be wrong by a thousand, or memory be that of now instead of the most."""
    code = """
import torch
from transformers_ggm.experiments.costs import peak_memory
before = peak_memory()["peak_memory_mib"]
block = torch.ones(2**28)  # a GiB
during = peak_memory()["peak_memory_mib"]
del block
print(before, during, peak_memory()["peak_memory_mib"])
"""
    # In a process of its own, as this one may have held more before; which must not count there either.
    held_here = torch.ones(2**28 + 2**27)  # 1.5 GiB
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    before, during, after = (float(number) for number in output.split())
    assert 900 < during - before < 1200
    assert after > during - 5  # the kernel counts in steps
    assert before < held_here.numel() * 4 / 2**20


def test_time_and_machine_are_told():
    """A metric would stand without what it was measured on."""
    costs = {}
    with timed(costs, "seconds"):
        time.sleep(0.02)
    assert costs["seconds"] >= 0.02
    facts = machine_facts()
    assert facts["processor"] and facts["cores"] >= 1 and facts["threads"] == torch.get_num_threads()
