"""The example that trains a sentence encoder on tagged posts."""

import json
import runpy
import sys
from pathlib import Path

from small_encoder import make_encoder

from transformers_ggm.retrieval import TextEncoder

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_text_retriever.py"


def test_trained_encoder_is_saved(tmp_path, monkeypatch):
    """Would fail if the command did not train, or what it saves were not an encoder of the kind that it was given."""
    make_encoder(0).save_pretrained(tmp_path / "encoder")
    for split in ("train", "validation"):
        (tmp_path / split).mkdir()
        rows = [{"description": f"first snow {n}", "hashtags": ["snow"]} for n in range(8)]
        rows += [{"description": f"calm lake {n}", "hashtags": ["lake"]} for n in range(8)]
        (tmp_path / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folders = {"data_dir": tmp_path, "encoder": tmp_path / "encoder", "output_dir": tmp_path / "out"}
    command = [EXAMPLE.name, "--batch_size", "8", "--learning_rate", "0.01"]
    for name, folder in folders.items():
        command += [f"--{name}", str(folder)]
    monkeypatch.setattr(sys, "argv", command)
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    given, trained = (TextEncoder.from_pretrained(folders[name]) for name in ("encoder", "output_dir"))
    assert (trained.pooling, trained.max_length) == (given.pooling, given.max_length)
    assert not trained.encode(["first snow"]).allclose(given.encode(["first snow"]), atol=1e-3)
