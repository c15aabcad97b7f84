"""Which attention runs, in every backbone: PyTorch's fused one wherever there is one."""

from collections import Counter

import pytest
import torch
from modeling_samples import clip_config, ggm_inputs, ggm_model, randomize, siglip_config, target_ids
from torch import nn
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from transformers_ggm import GGMForHashtagGeneration, HashtagRetriever, HashtagRetrieverConfig

# Of two layers each, but for audio of one. CLAP adds a bias of its own within windows: transformers has no other than
# matrix products for it.
AUDIO_CALLS = {"ast": 1, "whisper": 1, "clap": 0, None: 0}


@pytest.fixture
def fused_calls(monkeypatch):
    """Counts calls of PyTorch's fused attention."""
    calls = Counter()
    fused = nn.functional.scaled_dot_product_attention

    def counting(*args, **kwargs):
        calls["fused"] += 1
        return fused(*args, **kwargs)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", counting)
    return calls


def reload(model, folder, **kwargs):
    model.save_pretrained(folder)
    return type(model).from_pretrained(folder, **kwargs).eval()


@pytest.mark.contract
@pytest.mark.parametrize(
    ("vision", "audio"),
    [
        *(("vit", audio) for audio in AUDIO_CALLS),
        *((vision, None) for vision in ("clip", "siglip", "dinov2", "deit")),
    ],
)
def test_generator_uses_the_fused_kernel_by_default(tmp_path, fused_calls, vision, audio):
    """Would fail if a backbone or the cross-modal attention computed all its weights in memory without being asked."""
    model = reload(ggm_model(vision, "bart", audio), tmp_path)
    with torch.inference_mode():
        model(**ggm_inputs(audio=audio), labels=target_ids())
    text_encoder, decoder, tower = 2, 2 + 2, 2
    fusion = 1 if audio is None else 2
    assert fused_calls["fused"] == text_encoder + decoder + tower + AUDIO_CALLS[audio] + fusion


@pytest.mark.parametrize("config", [clip_config, siglip_config])
def test_retriever_uses_the_fused_kernel_by_default(tmp_path, fused_calls, config):
    """Would fail if the retriever's towers computed all attention weights in memory without being asked."""
    retriever = reload(randomize(HashtagRetriever(HashtagRetrieverConfig(config()))), tmp_path)
    inputs = ggm_inputs(audio=None)
    with torch.inference_mode():
        retriever.get_video_features(inputs["pixel_values_videos"], inputs["frame_mask"])
        assert fused_calls["fused"] >= 2
        before = fused_calls["fused"]
        retriever.get_hashtag_features(inputs["input_ids"], inputs["attention_mask"])
    assert fused_calls["fused"] - before == 2


def test_eager_attention_uses_none(tmp_path, fused_calls):
    """Would fail if what is counted above did not depend on the attention that was asked for."""
    model = reload(ggm_model(), tmp_path, attn_implementation="eager")
    model(**ggm_inputs(), labels=target_ids())
    assert not fused_calls


@pytest.fixture
def other_kernel():
    """A kernel by a name of its own, as flash attention has one, that notes from which module files it is called."""
    callers = Counter()

    def kernel(module, *args, **kwargs):
        callers[type(module).__module__.rpartition(".modeling_")[2]] += 1
        return ALL_ATTENTION_FUNCTIONS["sdpa"](module, *args, **kwargs)

    AttentionInterface.register("counted", kernel)
    yield callers
    ALL_ATTENTION_FUNCTIONS._global_mapping.pop("counted")


@pytest.mark.parametrize("vision", ["vit", "clip"])
def test_a_tower_may_have_a_kernel_of_its_own(tmp_path, other_kernel, vision):
    """Would fail if flash attention that was asked for a tower ran anywhere else, or not at all."""
    plain = ggm_model(vision, "bart", None)
    inputs, labels = ggm_inputs(audio=None), target_ids()
    model = reload(plain, tmp_path, attn_implementation={"vision_config": "counted"})
    with torch.inference_mode():
        logits = model(**inputs, labels=labels).logits
        torch.testing.assert_close(logits, plain(**inputs, labels=labels).logits)
    assert other_kernel == {vision: 2}
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.contract
def test_which_models_may_have_flash_attention():
    """
    Would fail if flash attention were offered to the generator as a whole, whose cross-attention it cannot mask, or
    kept from the retriever.
    """
    assert not GGMForHashtagGeneration._supports_flash_attn
    assert HashtagRetriever._supports_flash_attn
