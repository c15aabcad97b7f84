"""Checkpoints to push: the bundled one, and another that differs from it in every part."""

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from transformers_ggm import HashtagPool
from transformers_ggm.hub.push_checkpoint import LAYOUT
from transformers_ggm.pipelines import DEMO_CHECKPOINT


def copy_demo(folder: Path) -> Path:
    """A copy of the bundled checkpoint, to be changed."""
    return Path(shutil.copytree(DEMO_CHECKPOINT, folder))


def write_second_checkpoint(folder: Path) -> Path:
    """The bundled checkpoint with other weights, one hashtag less in its pool, and another card and settings."""
    copy_demo(folder)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in sorted(weights) if weights[name].is_floating_point())
    weights[name] = weights[name] + 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    pool = HashtagPool.from_pretrained(folder / "hashtag_pool")
    pool.remove(pool.hashtags[:1])
    pool.save_pretrained(folder / "hashtag_pool", create_model_card=False)
    settings = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**settings, "num_beams": 2}))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nThe second one.\n")
    return folder


def contents(folder: str | Path) -> dict[str, bytes]:
    """The files of a checkpoint folder by path, as they are to be on the Hub."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for part in LAYOUT
        for path in Path(folder, part).glob("*")
        if path.is_file()
    }


def on_hub(hub, repo_id: str = "someone/tags", revision: str = "main") -> dict[str, bytes]:
    """The files of a repository of the stand-in, but for what it makes itself."""
    files = hub.repositories[repo_id].commit(revision).files
    return {path: content for path, content in files.items() if path != ".gitattributes"}
