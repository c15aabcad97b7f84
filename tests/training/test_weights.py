"""Tests of storing finished weights."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import BartConfig, ViTConfig

from transformers_ggm import GGMConfig, GGMForHashtagGeneration
from transformers_ggm.training.weights import save_weights


@pytest.mark.parametrize(("dtype", "bits"), [("float32", 32), ("float16", 16)])
def test_weights_are_stored_in_the_type_asked_for_and_computed_with_in_float32(tmp_path, dtype, bits):
    """
    If this failed, the bundled model would be too large, or would run in half precision on processors without it.
    """
    vision = ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=16)
    text = BartConfig(vocab_size=20, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=8)
    model = GGMForHashtagGeneration(GGMConfig(vision, text))
    expected = {name: weight.to(getattr(torch, dtype)).float() for name, weight in model.state_dict().items()}

    save_weights(model, tmp_path, dtype)
    loaded = GGMForHashtagGeneration.from_pretrained(tmp_path)

    assert {weight.dtype.itemsize * 8 for weight in load_file(tmp_path / "model.safetensors").values()} == {bits}
    assert loaded.dtype == torch.float32
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float32"
    for name, weight in loaded.state_dict().items():
        assert torch.equal(weight, expected[name]), name
