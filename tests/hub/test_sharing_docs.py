"""The page about sharing, whose lines people copy."""

import re
import shutil
from pathlib import Path

from hub_samples import copy_demo, on_hub

from transformers_ggm import push_checkpoint_to_hub
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.retrieval.pool_files import POOL_FILES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sharing.md"


def test_lines_of_the_page_run_as_written(hub, clip, tmp_path, monkeypatch):
    """Would fail if an example on the page did not run, or did not do what the page says."""
    monkeypatch.setenv("HF_TOKEN", "hf_user")
    copy_demo(tmp_path / "outputs" / "ggm" / "checkpoint")
    shutil.copy(clip, tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(blocks[0], str(PAGE), "exec"), {})
    assert hub.repositories["user/tags"].private
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "user/tags", revision="v2")
    before = on_hub(hub, "user/tags")
    for block in blocks[1:]:
        exec(compile(block, str(PAGE), "exec"), {})
    assert set(on_hub(hub, "user/tags")) == set(before)
    assert set(on_hub(hub, "user/trending-hashtags")) == {*POOL_FILES, "README.md"}
