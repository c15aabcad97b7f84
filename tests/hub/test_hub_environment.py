"""The client set up as users set it up: by environment variables, read in a process of its own."""

import os
import subprocess
import sys

import pytest
from hub_samples import contents, on_hub
from hub_stand_in import StandInHub

from transformers_ggm.pipelines import DEMO_CHECKPOINT

PUSH_AND_PULL = """
import sys
from transformers import pipeline
from transformers_ggm import push_checkpoint_to_hub
checkpoint, clip = sys.argv[1:]
print(push_checkpoint_to_hub(checkpoint, "someone/tags").oid)
print(pipeline("hashtag-generation", model="someone/tags", device="cpu")(clip))
"""
PULL = """
import sys
from transformers import pipeline
import transformers_ggm
print(pipeline("hashtag-generation", model=sys.argv[1], device="cpu")(sys.argv[2]))
"""


def run(code, *arguments, **environment):
    """The lines that a process of its own prints."""
    environment = {**os.environ, "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1", **environment}
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, timeout=1200
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout.splitlines()


@pytest.mark.slow
def test_push_pull_and_offline_by_environment_variables(clip, tmp_path):
    """
    Would fail if any part of a push or pull went by other settings than HF_ENDPOINT, HF_HUB_CACHE, HF_TOKEN and
    HF_HUB_OFFLINE.
    """
    with StandInHub() as hub:
        settings = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path), "HF_TOKEN": "hf_someone"}
        commit, pulled = run(PUSH_AND_PULL, DEMO_CHECKPOINT, clip, HF_HUB_OFFLINE="0", **settings)
        assert hub.repositories["someone/tags"].refs["main"] == commit
        assert on_hub(hub) == contents(DEMO_CHECKPOINT)
        hub.requests.clear()
        offline = run(PULL, "someone/tags", clip, HF_HUB_OFFLINE="1", **settings)
        assert offline == [pulled] == run(PULL, DEMO_CHECKPOINT, clip, HF_HUB_OFFLINE="1", **settings)
        assert not hub.requests
