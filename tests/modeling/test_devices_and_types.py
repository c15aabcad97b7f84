"""Models in half precision, spread over devices, and with chosen attention: through `from_pretrained`."""

import pytest
import torch
from accelerate import infer_auto_device_map
from modeling_samples import clip_config, ggm_inputs, ggm_model, randomize, target_ids

from transformers_ggm import GGMForHashtagGeneration, HashtagRetriever, HashtagRetrieverConfig
from transformers_ggm.pipelines import DEMO_CHECKPOINT

# Layers that add to what they are given: their parts must lie on one device.
RESIDUAL = (
    "BartEncoderLayer", "BartDecoderLayer", "ViTLayer", "CLIPEncoderLayer", "ClapAudioLayer", "WhisperEncoderLayer",
    "CrossModalAttention",
)  # fmt: skip


@pytest.fixture(params=["generator", "retriever"])
def saved(request, tmp_path):
    """A folder of a model, its class, its inputs, and the name of its output that is compared."""
    torch.manual_seed(0)
    if request.param == "generator":
        ggm_model(audio="whisper").save_pretrained(tmp_path)
        return tmp_path, GGMForHashtagGeneration, {**ggm_inputs(audio="whisper"), "labels": target_ids()}, "logits"
    randomize(HashtagRetriever(HashtagRetrieverConfig(clip_config()))).save_pretrained(tmp_path)
    return tmp_path, HashtagRetriever, ggm_inputs(audio=None), "video_embeds"


def output_of(saved, **arguments):
    folder, model_class, inputs, name = saved
    with torch.inference_mode():
        return model_class.from_pretrained(folder, **arguments).eval()(**inputs)[name]


def test_bfloat16_is_close_to_float32(saved):
    """Would fail if a part stayed in another type than the rest, or lost more than rounding does."""
    half = output_of(saved, dtype="bfloat16")
    assert half.dtype == torch.bfloat16
    whole = output_of(saved)
    assert torch.nn.functional.cosine_similarity(half.float(), whole, dim=-1).min() > 0.99


@pytest.mark.contract
@pytest.mark.parametrize("arguments", [{"device_map": "auto"}, {"device_map": {"": "cpu"}}])
def test_device_map_on_the_processor(saved, arguments):
    """Would fail if a model could not be placed by accelerate, or computed otherwise then."""
    torch.testing.assert_close(output_of(saved, **arguments), output_of(saved))


@pytest.mark.contract
def test_weights_on_disk(saved, tmp_path):
    """
    Would fail if a model whose weights do not all fit into memory computed otherwise: a part called round its hooks
    would find its weights missing.
    """
    folder, model_class, inputs, name = saved
    model = model_class.from_pretrained(folder)
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    arguments = {
        "device_map": "auto", "max_memory": {"cpu": size // 3}, "offload_folder": str(tmp_path / "offloaded"),
    }  # fmt: skip
    spread = model_class.from_pretrained(folder, **arguments).eval()
    assert {"cpu", "disk"} <= {str(device) for device in spread.hf_device_map.values()}
    with torch.inference_mode():
        torch.testing.assert_close(spread(**inputs)[name], model.eval()(**inputs)[name])


@pytest.mark.contract
@pytest.mark.parametrize(
    ("vision", "audio"), [("vit", "clap"), ("clip", "whisper"), ("vit", None)], ids=lambda name: name or "no-audio"
)
def test_layers_stay_whole_on_several_devices(vision, audio):
    """
    Would fail if a layer that adds to its input were cut in two, whose halves lie on different devices, or if a layer
    were named that the model does not have, which FSDP refuses.
    """
    model = ggm_model(vision, "bart", audio)
    names = {type(module).__name__ for module in model.modules()}
    assert set(model._no_split_modules) <= names
    assert names & set(RESIDUAL) <= set(model._no_split_modules)
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    memory = dict.fromkeys(range(4), size // 3) | {"cpu": 4 * size}
    places = infer_auto_device_map(model, memory, no_split_module_classes=model._no_split_modules)
    assert len(set(places.values())) > 2, "must be spread"
    for name, module in model.named_modules():
        if type(module).__name__ in RESIDUAL:
            weights = [f"{name}.{weight}" for weight, _ in module.named_parameters()]
            assert len({_place_of(weight, places) for weight in weights}) == 1, name


def _place_of(weight, places):
    return next(place for part, place in places.items() if weight == part or weight.startswith(f"{part}."))


def test_embeddings_are_one_module():
    """
    Would fail if FSDP found the word embeddings, which are tied, in several of its units; or if untied ones had become
    one.
    """
    model = ggm_model()
    assert model.model.shared is model.model.decoder.embed_tokens is model.model.encoder.text_encoder.embed_tokens
    untied = ggm_model(tie_word_embeddings=False)
    assert untied.model.shared is not untied.model.decoder.embed_tokens


def test_eager_and_sdpa_agree(saved):
    """Would fail if results depended on the kernel."""
    eager, sdpa = (output_of(saved, attn_implementation=name) for name in ("eager", "sdpa"))
    torch.testing.assert_close(eager, sdpa, atol=1e-5, rtol=1e-5)


@pytest.mark.contract
@pytest.mark.parametrize("name", ["flash_attention_2", "flex_attention", "nothing"])
def test_attention_that_is_not_there_is_refused(saved, name):
    """Would fail if another attention than the one asked for were taken without a word."""
    with pytest.raises((ValueError, ImportError), match=r"(?i)attention|attn|flash"):
        output_of(saved, attn_implementation=name)


def test_sdpa_with_backbones_that_have_no_attention():
    """
    Would fail if convolutional backbones, alone or in a dual encoder, kept the rest from the attention asked for.
    """
    for name, subfolder in ((GGMForHashtagGeneration, ""), (HashtagRetriever, "retriever")):
        model = name.from_pretrained(DEMO_CHECKPOINT, subfolder=subfolder, attn_implementation="sdpa")
        assert model.config._attn_implementation == "sdpa"
        kinds = {
            type(part).__name__: part.config._attn_implementation
            for part in model.modules()
            if hasattr(part, "config") and type(part).__name__ in ("ResNetModel", "BertModel", "BartEncoder")
        }
        assert len(kinds) == 2 and kinds.pop("ResNetModel") == "eager" and set(kinds.values()) == {"sdpa"}
