"""Encoders as ONNX."""

import pytest
import torch
from modeling_samples import ggm_model
from transformers import BertConfig, BertModel

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from transformers_ggm.backends.conversion import write_onnx
from transformers_ggm.errors import CheckpointError


def run(file, **inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    return [torch.from_numpy(output) for output in session.run(None, {k: v.numpy() for k, v in inputs.items()})]


@pytest.mark.contract
@pytest.mark.slow
def test_texts(tmp_path):
    """Would fail if rows or lengths were fixed, the mask left out, or the vector of the whole text missing."""
    config = BertConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
    )
    model, ids = BertModel(config).eval(), torch.randint(0, 60, (3, 9))
    mask = torch.ones_like(ids)
    mask[2, 4:] = 0
    example = {"attention_mask": mask[:1, :5], "input_ids": ids[:1, :5]}
    write_onnx(model, example, "text", tmp_path / "text.onnx")
    states, pooled = run(tmp_path / "text.onnx", attention_mask=mask, input_ids=ids)
    expected = model(input_ids=ids, attention_mask=mask)
    torch.testing.assert_close(states[mask.bool()], expected.last_hidden_state[mask.bool()].detach())
    torch.testing.assert_close(pooled, expected.pooler_output.detach())


@pytest.mark.contract
@pytest.mark.slow
def test_frames(tmp_path):
    """Would fail if a vision encoder took another number of frames than the example's, or saw otherwise."""
    encoder = ggm_model(audio=None).get_encoder("video")
    write_onnx(encoder, {"pixel_values": torch.randn(1, 3, 16, 16)}, "vision", tmp_path / "vision.onnx")
    frames = torch.randn(5, 3, 16, 16)
    expected = encoder(pixel_values=frames).last_hidden_state.detach()
    torch.testing.assert_close(run(tmp_path / "vision.onnx", pixel_values=frames)[0], expected)


def test_what_cannot_be_converted_is_told(tmp_path):
    """Would fail if an exporter's error came through."""

    class Deciding(torch.nn.Module):
        def forward(self, values, return_dict=True):
            return {"last_hidden_state": values if values.sum() > 0 else -values}

    with pytest.raises(CheckpointError, match="the encoder deciding cannot be converted to ONNX"):
        write_onnx(Deciding(), {"values": torch.randn(1, 3, 4)}, "deciding", tmp_path / "deciding.onnx")
