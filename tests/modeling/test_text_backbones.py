"""Encoder-decoders beside BART: each is exactly itself without a video, learns, and comes back as it was."""

import copy

import pytest
import torch
from modeling_samples import (
    TEXT_CONFIGS,
    VISION_CONFIGS,
    ggm_inputs,
    ggm_model,
    randomize,
    same_tensors,
    target_ids,
    text_inputs,
)
from transformers import AutoModelForSeq2SeqLM, T5Config, T5ForConditionalGeneration, ViTModel

from transformers_ggm import GGMConfig, GGMForHashtagGeneration
from transformers_ggm.generation.search_selection import search_arguments
from transformers_ggm.modeling.configuration_ggm import TEXT_BACKBONES

FAMILIES = [family for family in TEXT_BACKBONES if family not in ("bart", "mbart")]


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """Folder of a tiny ViT."""
    folder = tmp_path_factory.mktemp("vit")
    ViTModel(VISION_CONFIGS["vit"]).save_pretrained(folder)
    return str(folder)


def pretrained(family, vit, folder):
    """A generator put together from a checkpoint in the Hub's format, and the model that the checkpoint holds."""
    source = randomize(AutoModelForSeq2SeqLM.from_config(copy.deepcopy(TEXT_CONFIGS[family]))).eval()
    source.save_pretrained(folder)
    return GGMForHashtagGeneration.from_backbones_pretrained(vit, str(folder)).eval(), source


def test_every_family_is_tried():
    """Would fail if a family were let in that no test has put together."""
    assert set(TEXT_BACKBONES) == set(TEXT_CONFIGS)


@pytest.mark.contract
@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_exactly_its_text_backbone(family, vit, tmp_path):
    """Would fail if a row without a video, or an untrained fusion, were read by another model than the pretrained."""
    model, source = pretrained(family, vit, tmp_path)
    inputs, labels = text_inputs(), target_ids()
    inputs["attention_mask"][1, 4:] = 0
    theirs = source(**inputs, labels=labels)
    ours = model(**inputs, labels=labels)
    torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.loss, theirs.loss, atol=1e-5, rtol=0)
    frames = ggm_inputs(audio=None)["pixel_values_videos"]
    torch.testing.assert_close(
        model(**inputs, pixel_values_videos=frames, labels=labels).logits, theirs.logits, atol=1e-5, rtol=0
    )
    start = model.config.decoder_start_token_id
    kept = {"max_length": 8, "num_beams": 3, "no_repeat_ngram_size": 0, "decoder_start_token_id": start}
    assert torch.equal(model.generate(**inputs, **kept), source.generate(**inputs, **kept))


@pytest.mark.parametrize("family", FAMILIES)
def test_it_learns_and_comes_back_as_it_was(family, tmp_path):
    """Would fail if a part got no gradient, or were lost or drawn anew by saving and loading."""
    model = ggm_model(text=family)
    inputs, labels = ggm_inputs(), target_ids()
    model.train()
    model(**inputs, labels=labels).loss.backward()
    learning = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    without = {name for name, parameter in model.named_parameters() if parameter.requires_grad} - learning
    assert not without
    model.eval().save_pretrained(tmp_path)
    again = GGMForHashtagGeneration.from_pretrained(tmp_path)
    assert same_tensors(model, again)
    assert again.lm_head.weight is again.model.shared.weight is again.get_decoder().embed_tokens.weight
    with torch.no_grad():
        assert torch.equal(model(**inputs, labels=labels).logits, again(**inputs, labels=labels).logits)


@pytest.mark.contract
@pytest.mark.parametrize("family", FAMILIES)
def test_cache_and_padding_change_nothing(family):
    """Would fail if decoding step by step, or beside longer rows, wrote anything else."""
    model = ggm_model(text=family)
    inputs = ggm_inputs()
    decoding = {"max_length": 9, "do_sample": False, "eos_token_id": None, "num_beams": 2}
    # T5Gemma masks what it wrote where that is padding, if it has no cache.
    decoding["suppress_tokens"] = [model.config.pad_token_id]
    written = model.generate(**inputs, **decoding)
    assert torch.equal(written, model.generate(**inputs, **decoding, use_cache=False))
    alone = [
        model.generate(**{name: value[row : row + 1] for name, value in inputs.items()}, **decoding) for row in (0, 1)
    ]
    assert torch.equal(written, torch.cat(alone))


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_reaches_it(family):
    """Would fail if the presets found no layers to adapt in encoder and decoder."""
    peft = pytest.importorskip("peft")
    from transformers_ggm.modeling import make_lora_config

    model = ggm_model(text=family)
    adapted = peft.get_peft_model(model, make_lora_config(model, r=2))
    names = [name for name, parameter in adapted.named_parameters() if "lora_" in name and parameter.requires_grad]
    assert any("text_encoder" in name for name in names) and any("model.decoder" in name for name in names)
    adapted(**ggm_inputs(), labels=target_ids()).loss.backward()
    assert all(adapted.get_parameter(name).grad is not None for name in names)


@pytest.mark.parametrize("family", FAMILIES)
def test_searches_that_it_cannot_run_are_left_to_transformers(family):
    """Would fail if the searches over trees of tokens, which know where BART keeps its layers, were run with it."""
    model = ggm_model(text=family)
    model.generation_config.num_beams = 4
    assert search_arguments(model, None, [[]], {}) == {}


def test_a_head_that_is_not_tied(vit, tmp_path):
    """Would fail if T5 1.1, whose head has weights of its own, got the word embeddings for one, or a scale."""
    config = T5Config.from_dict({**TEXT_CONFIGS["t5"].to_dict(), "tie_word_embeddings": False})
    config.scale_decoder_outputs = False
    source = randomize(T5ForConditionalGeneration(config)).eval()
    source.lm_head.weight = torch.nn.Parameter(torch.randn_like(source.lm_head.weight))
    source.all_tied_weights_keys.pop("lm_head.weight")
    source.save_pretrained(tmp_path / "t5")
    model = GGMForHashtagGeneration.from_backbones_pretrained(vit, str(tmp_path / "t5")).eval()
    inputs, labels = text_inputs(), target_ids()
    expected = source(**inputs, labels=labels).logits
    model.save_pretrained(tmp_path / "ggm")
    again = GGMForHashtagGeneration.from_pretrained(tmp_path / "ggm")
    for each in (model, again):
        assert torch.equal(each.lm_head.weight, source.lm_head.weight)
        assert each.get_decoder().embed_tokens.weight is each.model.shared.weight
        torch.testing.assert_close(each(**inputs, labels=labels).logits, expected, atol=1e-5, rtol=0)


def test_embeddings_of_their_own(tmp_path):
    """Would fail if T5Gemma's encoder, which has word embeddings of its own, shared the decoder's, or those did not
    grow together."""
    model = ggm_model(text="t5gemma")
    own, shared = model.get_encoder().text_encoder.embed_tokens, model.model.shared
    assert own.weight is not shared.weight and shared.weight is model.lm_head.weight
    model.resize_token_embeddings(43)
    assert len(model.get_encoder().text_encoder.embed_tokens.weight) == len(model.lm_head.weight) == 43
    inputs, labels = text_inputs(), target_ids()
    inputs["input_ids"][0, 0] = 42
    expected = model(**inputs, labels=labels).logits
    assert expected.shape[-1] == 43
    model.save_pretrained(tmp_path)
    again = GGMForHashtagGeneration.from_pretrained(tmp_path)
    assert torch.equal(again(**inputs, labels=labels).logits, expected)
    with pytest.raises(ValueError, match="tie it"):
        GGMConfig(text_config={**TEXT_CONFIGS["t5gemma"].to_dict(), "tie_word_embeddings": False})
