"""Saving and loading GGM: no weight may be lost, drawn anew or cut loose from the one it is tied to."""

import pytest
import torch
from modeling_samples import ggm_config, ggm_inputs, ggm_model, same_tensors, target_ids
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

from transformers_ggm import GGMConfig, GGMForHashtagGeneration, GGMModel

FAMILIES = [("vit", "bart", None), ("clip", "mbart", "clap"), ("dinov2", "bart", "whisper"), ("siglip", "bart", "ast")]


@pytest.mark.contract
@pytest.mark.parametrize("vision, text, audio", FAMILIES)
def test_generator_comes_back_as_it_was(tmp_path, vision, text, audio):
    """Else a trained model would be silently initialised anew, in part or whole, when it is loaded."""
    model = ggm_model(vision, text, audio, fusion_init="zero", frame_position_embedding="learned")
    model.save_pretrained(tmp_path)
    for loader in (GGMForHashtagGeneration, AutoModelForSeq2SeqLM):
        loaded, info = loader.from_pretrained(tmp_path, output_loading_info=True)
        assert type(loaded) is GGMForHashtagGeneration
        assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
        assert same_tensors(loaded, model)
        inputs, labels = ggm_inputs(audio=audio), target_ids()
        expected = model(**inputs, labels=labels).logits
        torch.testing.assert_close(loaded(**inputs, labels=labels).logits, expected, atol=0, rtol=0)


def test_model_without_head_comes_back_as_it_was(tmp_path):
    """Else `GGMModel` and `AutoModel` would lose weights, from a checkpoint of their own or of the whole model."""
    whole = ggm_model(audio="clap")
    whole.model.save_pretrained(tmp_path / "body")
    whole.save_pretrained(tmp_path / "whole")
    for folder in ("body", "whole"):
        for loader in (GGMModel, AutoModel):
            loaded = loader.from_pretrained(tmp_path / folder)
            assert type(loaded) is GGMModel
            assert same_tensors(loaded, whole.model)


@pytest.mark.contract
def test_head_of_a_checkpoint_without_one_is_tied(tmp_path):
    """Else a generator made from a body would write with random words, or be told to lack what it need not have."""
    body = ggm_model().model
    body.save_pretrained(tmp_path)
    loaded, info = GGMForHashtagGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert same_tensors(loaded.model, body)
    assert loaded.lm_head.weight is loaded.model.shared.weight
    assert not loaded.final_logits_bias.any()


@pytest.mark.contract
def test_trained_zero_init_is_not_reset(tmp_path):
    """Else loading would blind the model: its output projections would be back at zero."""
    model = GGMForHashtagGeneration(ggm_config(fusion_init="zero"))
    assert not model.model.encoder.video_grounding.out_proj.weight.any()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        model(**ggm_inputs(), labels=target_ids()).loss.backward()
        optimizer.step()
    assert model.model.encoder.video_grounding.out_proj.weight.any()
    assert model.model.encoder.audio_grounding.out_proj.weight.any()
    model.save_pretrained(tmp_path)
    assert same_tensors(GGMForHashtagGeneration.from_pretrained(tmp_path), model)


@pytest.mark.contract
@pytest.mark.parametrize("text", ["bart", "mbart"])
def test_embeddings_stay_tied(tmp_path, text):
    """Else encoder, decoder and head would train apart after loading, and the file would hold them thrice."""
    model = ggm_model(text=text)
    model.save_pretrained(tmp_path)
    for each in (model, GGMForHashtagGeneration.from_pretrained(tmp_path)):
        shared = each.model.shared.weight
        assert each.model.encoder.text_encoder.embed_tokens.weight is shared
        assert each.model.decoder.embed_tokens.weight is shared
        assert each.lm_head.weight is shared
        assert sum(parameter.shape == shared.shape for parameter in each.parameters()) == 1


def test_types_of_all_parts_agree(tmp_path):
    """Else a model loaded in half precision, or made of backbones that were saved in it, would mix types and fail."""
    config = ggm_config("clip", audio="whisper")
    for part in (config.vision_config, config.text_config, config.audio_config):
        part.dtype = torch.float16
    model = GGMForHashtagGeneration(config)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    model.save_pretrained(tmp_path)
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        loaded = GGMForHashtagGeneration.from_pretrained(tmp_path, dtype=dtype)
        assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}
        loaded.save_pretrained(tmp_path / str(dtype))
        again = GGMForHashtagGeneration.from_pretrained(tmp_path / str(dtype))
        assert again.dtype == dtype
        assert same_tensors(again, loaded)


@pytest.mark.contract
def test_auto_config(tmp_path):
    """Else "ggm" checkpoints could not be recognised."""
    ggm_config().save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), GGMConfig)


@pytest.mark.contract
def test_generation_settings_are_kept_apart(tmp_path):
    """Else saving would fail in transformers 5, or the published decoding would be lost on the way."""
    model = ggm_model()
    model.use_published_decoding(max_length=17)
    model.save_pretrained(tmp_path)
    settings = GGMForHashtagGeneration.from_pretrained(tmp_path).generation_config
    assert (settings.num_beams, settings.no_repeat_ngram_size, settings.max_length) == (5, 3, 17)
    assert "num_beams" not in (tmp_path / "config.json").read_text()


@pytest.mark.contract
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_attention_implementation_reaches_every_part(tmp_path, implementation):
    """Else a choice of kernel would hold for a part of the model only."""
    ggm_model("dinov2", audio="whisper").save_pretrained(tmp_path)
    loaded = GGMForHashtagGeneration.from_pretrained(tmp_path, attn_implementation=implementation)
    switched = GGMForHashtagGeneration.from_pretrained(tmp_path)
    switched.set_attn_implementation(implementation)
    for model in (loaded, switched):
        parts = [module.config for module in model.modules() if hasattr(module, "config")]
        assert {part._attn_implementation for part in parts} == {implementation}


@pytest.mark.contract
def test_attention_implementation_that_clap_lacks(tmp_path):
    """Else the default audio backbone could not be loaded with `attn_implementation="sdpa"`."""
    ggm_model(audio="clap").save_pretrained(tmp_path)
    model = GGMForHashtagGeneration.from_pretrained(tmp_path, attn_implementation="sdpa")
    encoder = model.get_encoder()
    assert encoder.audio_encoder.config._attn_implementation == "eager"
    assert encoder.config._attn_implementation == encoder.vision_encoder.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("vision, text, audio", FAMILIES)
def test_eager_and_sdpa_agree(tmp_path, vision, text, audio):
    """Else results would depend on the kernel."""
    model = ggm_model(vision, text, audio)
    inputs, labels = ggm_inputs(audio=audio), target_ids()
    inputs["frame_mask"][0, 2:] = 0
    inputs["attention_mask"][1, 5:] = 0
    model.save_pretrained(tmp_path)
    logits = [
        GGMForHashtagGeneration.from_pretrained(tmp_path, attn_implementation=name)(**inputs, labels=labels).logits
        for name in ("eager", "sdpa")
    ]
    torch.testing.assert_close(*logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("text", ["bart", "mbart"])
def test_untied_embeddings_stay_apart(tmp_path, text):
    """
    Would fail if the text backbone tied what the configuration wants apart: one would be saved for all, and the others
    drawn anew.
    """
    model = ggm_model(text=text, tie_word_embeddings=False)
    embeddings = {
        name: weight for name, weight in model.named_parameters() if weight.shape == model.model.shared.weight.shape
    }
    assert len(embeddings) == 4
    model.save_pretrained(tmp_path)
    loaded, info = GGMForHashtagGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and same_tensors(loaded, model)
    inputs, labels = ggm_inputs(), target_ids()
    torch.testing.assert_close(loaded(**inputs, labels=labels).logits, model(**inputs, labels=labels).logits)
    with torch.no_grad():
        loaded.model.decoder.embed_tokens.weight.zero_()
    assert loaded.lm_head.weight.any() and loaded.model.encoder.text_encoder.embed_tokens.weight.any()


def test_missing_embeddings_are_told_and_drawn(tmp_path):
    """Would fail if a checkpoint without word embeddings loaded as complete, with embeddings that have no values."""
    model = ggm_model()
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.shared.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded, info = GGMForHashtagGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert "model.shared.weight" in info["missing_keys"]
    assert loaded.model.shared is loaded.model.decoder.embed_tokens
    assert loaded.lm_head.weight is loaded.model.shared.weight
    drawn = loaded.model.shared.weight
    assert drawn.device.type == "cpu" and 0.1 < drawn.std() < 0.3  # initializer_range is 0.2
    assert loaded(**ggm_inputs(), labels=target_ids()).logits.isfinite().all()


def test_embeddings_by_another_of_their_names(tmp_path):
    """Would fail if embeddings that a checkpoint has as the decoder's were taken for missing, and drawn anew."""
    model = ggm_model()
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.decoder.embed_tokens.weight"] = weights.pop("model.shared.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded, info = GGMForHashtagGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and same_tensors(loaded, model)
