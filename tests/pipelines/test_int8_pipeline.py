"""A pipeline in eight bits."""

from pathlib import Path

import pytest
import torch
from transformers import pipeline

from transformers_ggm import GGMForHashtagGeneration, HashtagPool
from transformers_ggm.errors import CheckpointError, InputError, RetrieverMismatchError
from transformers_ggm.modeling import int8_quantization
from transformers_ggm.modeling.backbones import tower_of
from transformers_ggm.modeling.int8_quantization import Int8Linear, has_int8, is_quantized
from transformers_ggm.pipelines import DEMO_CHECKPOINT

WORDS = [{"description": words} for words in ("twelve hours on the highway", "first snow of the year", "my cat naps")]
needs_int8 = pytest.mark.skipif(not has_int8(), reason="this CPU has no int8 dot products")


def load(folder, **kwargs):
    return pipeline("hashtag-generation", model=str(folder), device="cpu", int8=True, **kwargs)


def linears(module):
    return {name for name, part in module.named_modules() if type(part) is torch.nn.Linear}


@needs_int8
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_matrices_are_rounded_and_embeddings_are_not(checkpoint, dtype):
    """Would fail if a part stayed as it was in silence, or the embeddings went with the output layer tied to them."""
    suggest = load(checkpoint, dtype=dtype)
    encoder, head = suggest.model.get_encoder(), suggest.model.lm_head
    rounded = [encoder.vision_encoder, encoder.text_encoder, encoder.video_grounding, suggest.model.get_decoder()]
    for part in [*rounded, tower_of(suggest.retriever, "vision")]:
        assert is_quantized(part) and not linears(part)
    assert isinstance(head, Int8Linear) and not is_quantized(encoder.audio_encoder)
    assert suggest.model.get_decoder().embed_tokens.weight is suggest.model.model.shared.weight
    assert {parameter.dtype for parameter in suggest.model.parameters()} == {getattr(torch, dtype)}


@pytest.mark.contract
@needs_int8
def test_suggests_what_whole_weights_suggest(clips):
    """Would fail if rounded weights were garbled: the first hashtag is a sure one."""
    items = [{"video": clip, "description": words["description"]} for clip, words in zip(clips, WORDS)]
    whole, rounded = (
        pipeline("hashtag-generation", device="cpu", dtype="float32", int8=int8) for int8 in (False, True)
    )
    for arguments in ({}, {"num_beams": 1}, {"batch_size": 3}):
        expected, found = (suggest(items, **arguments) for suggest in (whole, rounded))
        assert [tags[0]["hashtag"] for tags in found] == [tags[0]["hashtag"] for tags in expected]


@needs_int8
def test_a_pool_still_knows_its_retriever(checkpoint, sounding):
    """Would fail if the fingerprint of rounded weights were asked for, or pools of other retrievers were taken."""
    suggest = load(checkpoint, dtype="float32")
    suggest.hashtag_pool = HashtagPool.from_pretrained(checkpoint / "hashtag_pool")
    assert suggest(sounding[0], return_guidance=True)["guidance"]
    suggest.hashtag_pool.add({"aurora": 1}, suggest.retriever, suggest.retriever_processor)
    with pytest.raises(RetrieverMismatchError):
        suggest.hashtag_pool = HashtagPool.from_pretrained(Path(DEMO_CHECKPOINT) / "hashtag_pool")


@needs_int8
def test_saving_is_refused(checkpoint, tmp_path):
    """Would fail if a checkpoint were written that cannot be loaded, or a part of one."""
    suggest = load(checkpoint)
    with pytest.raises(CheckpointError, match="quantise it at each loading"):
        suggest.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    for part in (suggest.model, suggest.retriever):
        with pytest.raises(CheckpointError, match="int8=True"):
            part.save_pretrained(tmp_path / "part")


@pytest.mark.contract
@needs_int8
def test_layers_below_an_adapter(checkpoint, adapter):
    """Would fail if an adapter were rounded too, lost, or broke over what it lies on."""
    suggest = load(adapter, dtype="float32")
    layers = [part for part in suggest.model.modules() if hasattr(part, "base_layer")]
    assert layers and all(isinstance(layer.base_layer, Int8Linear) for layer in layers)
    assert all(".lora_" in name for name in linears(suggest.model.get_decoder()))
    assert suggest(WORDS) != load(checkpoint, dtype="float32")(WORDS)


def test_what_does_not_go_with_it(checkpoint):
    """Would fail if the kernels' own errors came at the first call."""
    with pytest.raises(InputError, match="float16"):
        load(checkpoint, dtype="float16")


def test_other_processors_and_devices(checkpoint, monkeypatch):
    """Would fail if sums overflowed in silence, or a model on a GPU ended in an error of PyTorch's."""
    model = GGMForHashtagGeneration.from_pretrained(checkpoint)
    with pytest.raises(InputError, match="is on meta"):
        int8_quantization.quantize_parts(model.to("meta"), None)
    monkeypatch.setattr(int8_quantization, "has_int8", lambda: False)
    with pytest.raises(InputError, match="AVX512-VNNI"):
        load(checkpoint)
    assert not is_quantized(model)
