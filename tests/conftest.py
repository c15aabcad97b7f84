"""What every test shares: no network, one thread, fixed seeds, and the way to the shared data."""

import logging
import os

# Before anything imports huggingface_hub, which reads it once: no test may wait for a network.
os.environ["HF_HUB_OFFLINE"] = "1"

import gc
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# The process that hands the tests out to others reads this file before they start: what is large is imported where
# it is used.

# Tests make no assertions about time: a busy machine is not a fault. And they try the same examples every time, so
# that a change is not held up by what it did not touch: `pytest --hypothesis-profile default` looks for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

# What libraries warn of in one another, and transformers in its own assisted search and pipelines.
NOT_OURS = ("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning",)
NOT_OURS_LOGGED = "Passing `generation_config` together with"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums come out the same bit for bit whatever the number of cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def usual_scheduling():
    """As root, SVT-AV1 makes the thread that encodes a real-time one, which then keeps all others from its core."""
    yield
    if hasattr(os, "sched_setscheduler") and os.sched_getscheduler(0) == os.SCHED_FIFO:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture(autouse=True)
def seeds():
    """Every test starts from the same random state, in whatever order tests run."""
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def hurried():
    """Threads take turns after every few instructions, so that what they share is caught half-way."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def pytest_collection_finish():
    """What is imported and collected stays to the end: the garbage collector need not go through it time and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items):
    """What is contract ends at a warning that something will go: by whichever library for us, or by our own code."""
    for item in items:
        if item.get_closest_marker("contract"):
            item.add_marker(pytest.mark.filterwarnings("error::FutureWarning", *NOT_OURS))
            item.add_marker(pytest.mark.filterwarnings("error::DeprecationWarning:transformers_ggm"))


@pytest.fixture(autouse=True)
def nothing_deprecated_is_logged(request):
    """transformers logs some of its deprecations: what is contract ends at these too."""
    if not request.node.get_closest_marker("contract"):
        yield
        return
    lines, handler = [], logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    # What is told once is told in every test.
    logging.Logger.warning_once.cache_clear()
    logging.getLogger("transformers").addHandler(handler)
    yield
    logging.getLogger("transformers").removeHandler(handler)
    assert [line for line in lines if "deprecat" in line.lower() and NOT_OURS_LOGGED not in line] == []


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A stand-in for the Hub, which the real client talks to with an empty cache, logged in as `someone`."""
    from hub_stand_in import StandInHub, point_client_at

    with StandInHub() as server:
        point_client_at(server, monkeypatch, tmp_path / "hub_cache")
        yield server


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder `shared/data` beside the repository, with real data and conformance cases."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the folder shared/data beside the repository, which is not there")
    return folder
