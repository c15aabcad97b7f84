"""Encoders whose `forward` OpenVINO computes."""

import copy

import pytest
import torch
from transformers import BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModel

pytest.importorskip("openvino")

from transformers_ggm.backends.openvino_encoder import OpenVINOEncoder
from transformers_ggm.backends.openvino_files import OpenVINOFiles

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
pytestmark = pytest.mark.contract


@pytest.fixture
def bert():
    model = BertModel(BertConfig(vocab_size=60, max_position_embeddings=64, **SIZE)).eval()
    model.forward = OpenVINOEncoder(model, "text", OpenVINOFiles())
    return model


def by_torch(model):
    """The same model without OpenVINO."""
    plain = copy.copy(model)
    plain.__dict__ = {name: value for name, value in model.__dict__.items() if name != "forward"}
    return plain


@pytest.mark.parametrize("rows, length", [(1, 4), (3, 11), (2, 60)])
def test_texts(bert, rows, length):
    """Would fail if lengths were fixed by the first text, or padding were attended to."""
    ids, mask = torch.randint(0, 60, (rows, length)), torch.ones(rows, length, dtype=torch.int64)
    mask[-1, length // 2 :] = 0
    with torch.inference_mode():
        bert(input_ids=torch.tensor([[3, 4, 5]]))
        found = bert(input_ids=ids, attention_mask=mask, token_type_ids=None)
        expected = by_torch(bert)(input_ids=ids, attention_mask=mask)
    kept = mask.bool()
    torch.testing.assert_close(found.last_hidden_state[kept], expected.last_hidden_state[kept], atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(found.pooler_output, expected.pooler_output, atol=2e-5, rtol=1e-4)


def test_frames():
    """Would fail if a vision tower gave other states, or another number of frames were refused."""
    model = CLIPVisionModel(CLIPVisionConfig(image_size=32, patch_size=16, **SIZE)).eval()
    model.forward = OpenVINOEncoder(model, "vision", OpenVINOFiles())
    with torch.inference_mode():
        for count in (1, 5):
            pixels = torch.randn(count, 3, 32, 32)
            found, expected = model(pixel_values=pixels), by_torch(model)(pixel_values=pixels)
            for name in ("last_hidden_state", "pooler_output"):
                torch.testing.assert_close(found[name], expected[name], atol=2e-5, rtol=1e-4)


def test_what_openvino_does_not_give(bert):
    """Would fail if attentions, hidden states, tuples or gradients that were asked for were missing."""
    ids = torch.tensor([[3, 4, 5]])
    with torch.inference_mode():
        assert len(bert(input_ids=ids, output_hidden_states=True).hidden_states) == 3
        assert isinstance(bert(input_ids=ids, return_dict=False), tuple)
    bert(input_ids=ids).last_hidden_state.sum().backward()
    assert bert.embeddings.word_embeddings.weight.grad is not None


def test_what_is_saved_and_copied(bert, tmp_path):
    """Would fail if the weights went away, or a model with a compiled encoder could not be copied."""
    copied = copy.deepcopy(bert)
    copied.save_pretrained(tmp_path)
    loaded = BertModel.from_pretrained(tmp_path)
    for name, weight in bert.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])
