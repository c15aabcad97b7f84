"""Vision backbones that are called, or configured, in a way of their own, from checkpoints in the Hub's format."""

import json
from importlib.util import find_spec

import pytest
import torch
from modeling_samples import TEXT_CONFIGS, ggm_inputs, randomize, same_tensors, target_ids
from transformers import (
    AutoModel,
    BartForConditionalGeneration,
    DINOv3ViTConfig,
    Siglip2Config,
    Siglip2VisionConfig,
    TimmWrapperConfig,
)
from transformers.models.siglip2.image_processing_siglip2 import convert_image_to_patches

from transformers_ggm import GGMForHashtagGeneration, HashtagRetriever
from transformers_ggm.modeling import GGMForHashtagClassification, HashtagClassifierConfig
from transformers_ggm.modeling.vision_inputs import vision_inputs

_TOWER = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_SIGLIP2_VISION = {**_TOWER, "patch_size": 8, "num_patches": 16}
_SIGLIP2_TEXT = {**_TOWER, "vocab_size": 40, "max_position_embeddings": 12, "projection_size": 24}
_TIMM = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}


def configuration(family):
    if family == "siglip2":
        return Siglip2Config(text_config=_SIGLIP2_TEXT, vision_config=_SIGLIP2_VISION)
    if family == "siglip2 vision":
        return Siglip2VisionConfig(**_SIGLIP2_VISION)
    if family == "dinov3":
        return DINOv3ViTConfig(**_TOWER, image_size=16, patch_size=8, num_register_tokens=2)
    if find_spec("timm") is None:
        pytest.skip("timm is not installed")
    return TimmWrapperConfig(architecture=family, model_args=_TIMM, num_features=24)


FAMILIES = ("siglip2", "siglip2 vision", "dinov3", "vit_pe_core_tiny_patch16_384", "vit_tiny_patch16_224")


@pytest.fixture(scope="module")
def bart(tmp_path_factory):
    """Folder of a tiny BART with its head."""
    folder = tmp_path_factory.mktemp("bart")
    BartForConditionalGeneration(TEXT_CONFIGS["bart"]).save_pretrained(folder)
    return str(folder)


@pytest.mark.contract
@pytest.mark.parametrize("family", FAMILIES)
def test_generators_see_with_it(family, bart, tmp_path):
    """Would fail if a family's tower were not found, called or loaded as it wants, learned in part, or got lost."""
    source = randomize(AutoModel.from_config(configuration(family))).eval()
    source.save_pretrained(tmp_path / "vision")
    model = GGMForHashtagGeneration.from_backbones_pretrained(
        str(tmp_path / "vision"), bart, fusion_init="normal", fusion_num_attention_heads=4
    )
    inputs, labels = ggm_inputs(audio=None), target_ids()
    frames = inputs["pixel_values_videos"]
    tower = getattr(source, "vision_model", source)
    with torch.no_grad():
        expected = tower(**vision_inputs(source.config, frames[0])).last_hidden_state
        states = model.eval().get_encoder().encode_frames(frames[:1])
    torch.testing.assert_close(states, expected.flatten(0, 1)[None])
    model.train()
    model(**inputs, labels=labels).loss.backward()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None for parameter in trained) and len(trained) > 100
    model.eval().save_pretrained(tmp_path / "ggm")
    again = GGMForHashtagGeneration.from_pretrained(tmp_path / "ggm")
    assert same_tensors(model, again)
    with torch.no_grad():
        assert torch.equal(model(**inputs, labels=labels).logits, again(**inputs, labels=labels).logits)
    assert json.loads((tmp_path / "ggm" / "config.json").read_text())["vision_config"]["model_type"]


@pytest.mark.parametrize("shape", [(16, 24), (19, 30)])
def test_patches_are_those_of_siglip_2(shape):
    """Would fail if the pixels of a patch stood in another order than the pretrained embedding knows them in."""
    frames = torch.rand(2, 3, *shape)
    inputs = vision_inputs(Siglip2VisionConfig(**_SIGLIP2_VISION), frames)
    whole = frames[:, :, : shape[0] // 8 * 8, : shape[1] // 8 * 8]
    assert torch.equal(inputs["pixel_values"], torch.stack([convert_image_to_patches(frame, 8) for frame in whole]))
    assert inputs["spatial_shapes"].tolist() == [[shape[0] // 8, shape[1] // 8]] * 2


def test_retrievers_and_classifiers_see_with_siglip_2(tmp_path):
    """Would fail if a dual encoder for pictures of any shape could not be searched with, or be trained."""
    source = randomize(AutoModel.from_config(configuration("siglip2"))).eval()
    source.save_pretrained(tmp_path)
    retriever = HashtagRetriever.from_backbone_pretrained(str(tmp_path)).eval()
    frames = torch.rand(1, 3, 3, 16, 16)
    with torch.no_grad():
        vectors = source.get_image_features(**vision_inputs(source.config, frames[0])).pooler_output
        ours = retriever.get_video_features(frames).pooler_output
    mean = torch.nn.functional.normalize(vectors, dim=-1).mean(dim=0)
    torch.testing.assert_close(ours[0], torch.nn.functional.normalize(mean, dim=0))
    config = HashtagClassifierConfig(
        vision_config=configuration("siglip2 vision"), text_config=None, id2label={0: "a", 1: "b"}
    )
    assert GGMForHashtagClassification(config)(pixel_values_videos=frames).logits.shape == (1, 2)
