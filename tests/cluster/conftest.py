"""A Ray cluster of two cores, shared by all tests on one, and clips that were rendered."""

import json
import os

# Before Ray is imported: no token is left in the home folder, and actors do not wait for all other processes.
os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}
# Proxies of a busy machine are slow, and what others take of its memory is no reason to kill actors.
os.environ |= {"RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "300", "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60"}
os.environ |= {"RAY_memory_monitor_refresh_ms": "0"}

import shutil
import tempfile

import pytest

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes

ray = pytest.importorskip("ray", reason="these are about the extra `ray`")


@pytest.fixture(scope="session")
def cluster():
    """Ends with the tests, and all its processes with it."""
    # Paths of Unix sockets may have a hundred letters, so that pytest's folders are too deep.
    folder = tempfile.mkdtemp(prefix="ray")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=300 << 20,
        _temp_dir=folder,
    )
    yield ray
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """Five clips, in a folder and one in it, with words for the first of them, and a file that is none."""
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "more").mkdir()
    recipes = sample_recipes("test", 5)
    for number, recipe in enumerate(recipes):
        render_clip(recipe, str(folder / ("more" if number > 2 else "") / f"{number}.mp4"), size=32)
    (folder / "more" / "broken.mp4").write_bytes(b"no clip")
    row = {"file_name": "0.mp4", "description": recipes[0].description}
    (folder / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    return folder
