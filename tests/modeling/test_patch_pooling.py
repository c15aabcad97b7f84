"""Means of patches in their place: less to look at, in the same places and behind the same masks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from modeling_samples import (
    TEXT_CONFIGS,
    VISION_CONFIGS,
    as_batch,
    ggm_inputs,
    ggm_model,
    mixed_rows,
    randomize,
    target_ids,
)
from torch import nn
from transformers import (
    AutoModel,
    Dinov2WithRegistersConfig,
    ResNetConfig,
    SwinConfig,
    ViTConfig,
)

from transformers_ggm import GGMConfig, GGMForHashtagGeneration
from transformers_ggm.errors import InputError
from transformers_ggm.modeling.patch_pooling import patch_grid, pool_patches


@given(
    rows=st.integers(1, 6), columns=st.integers(1, 6), before=st.integers(0, 2), size=st.integers(1, 7),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_means_by_hand(rows, columns, before, size, seed):
    """
    Would fail if patches of two rows were mixed, those at the edges counted zeros, or class tokens were averaged.
    """
    states = torch.randn(2, 3, before + rows * columns, 4, generator=torch.Generator().manual_seed(seed))
    config = ViTConfig(image_size=(rows * 8, columns * 8), patch_size=8)
    grid = states[:, :, before:].view(2, 3, rows, columns, 4)
    means = [
        grid[:, :, top : top + size, left : left + size].mean(dim=(2, 3))
        for top in range(0, rows, size)
        for left in range(0, columns, size)
    ]
    expected = torch.cat([states[:, :, :before], torch.stack(means, dim=2)], dim=2)
    torch.testing.assert_close(pool_patches(states, config, size), expected)


@pytest.mark.parametrize("size", [2, 4])
def test_pooling_is_that_of_torch(size):
    """Would fail if the grid were read column by column."""
    maps = torch.randn(6, 5, 8, 8)
    states = maps.flatten(2).mT.unflatten(0, (2, 3))
    expected = nn.functional.avg_pool2d(maps, size).flatten(2).mT.unflatten(0, (2, 3))
    torch.testing.assert_close(pool_patches(states, ResNetConfig(), size), expected)


SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 48, "patch_size": 16}
TOWERS = {
    "class token": (ViTConfig(**SMALL, intermediate_size=16), 1),
    "registers": (Dinov2WithRegistersConfig(**SMALL, mlp_ratio=1, num_register_tokens=6), 7),
    "convolutional": (ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"), 0),
    "hierarchical": (
        SwinConfig(image_size=48, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=3), 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TOWERS)
def test_tokens_before_the_patches(kind):
    """Would fail if register tokens were taken for patches, or a backbone's first patches for a class token."""
    config, before = TOWERS[kind]
    states = AutoModel.from_config(config).eval()(torch.randn(1, 3, 48, 48)).last_hidden_state
    tokens = states.flatten(2).mT if states.ndim == 4 else states
    found, rows, columns = patch_grid(config, tokens.shape[1])
    assert (found, rows) == (before, columns)
    assert found + rows * columns == tokens.shape[1]


def test_frames_that_are_not_square():
    """Would fail if the map of an oblong frame were taken for a square with a class token."""
    with pytest.raises(InputError, match=r"50 tokens.*resnet.*square"):
        patch_grid(ResNetConfig(), 50)


@pytest.mark.parametrize("audio", [None, "ast"])
@torch.no_grad()
def test_encoder_looks_at_the_means(audio):
    """Would fail if sound or text were grounded in all patches, or frame positions were not added to the means."""
    model = ggm_model(audio=audio, patch_pooling=2, frame_position_embedding="learned")
    encoder, inputs = model.get_encoder(), ggm_inputs(audio=audio)
    text = encoder.text_encoder(inputs["input_ids"]).last_hidden_state
    states = encoder.vision_encoder(inputs["pixel_values_videos"].flatten(0, 1)).last_hidden_state.unflatten(0, (2, 3))
    # Of 2 x 2 patches and a class token, one mean and the class token are left.
    video = torch.stack([states[:, :, 0], states[:, :, 1:].mean(dim=2)], dim=2)
    video = (video + encoder.frame_positions.weight[:3, None]).flatten(1, 2)
    if audio is not None:
        video = encoder.audio_grounding(video, encoder.audio_encoder(inputs["input_features"]).last_hidden_state)
    expected = encoder.video_grounding(text, video)
    torch.testing.assert_close(encoder(**inputs).last_hidden_state, expected, atol=1e-5, rtol=1e-5)
    shared = {**inputs, "video_states": states}
    del shared["pixel_values_videos"]
    torch.testing.assert_close(encoder(**shared).last_hidden_state, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("fusion", ["grounding", "decoder"])
@torch.no_grad()
def test_rows_do_not_depend_on_their_batch(fusion):
    """Would fail if the mask of the frames did not fit their fewer tokens."""
    model = ggm_model(patch_pooling=2, fusion=fusion)
    rows, labels = mixed_rows(), target_ids(4)
    together = model(**as_batch(rows, 1e4), labels=labels).logits
    for index, row in enumerate(rows):
        alone = model(**row, labels=labels[index : index + 1]).logits
        torch.testing.assert_close(together[index], alone[0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_decoder_gets_fewer_states():
    """Would fail if fusion in the decoder still paid for every patch."""
    inputs = ggm_inputs(frames=3, length=7)
    for size, tokens in ((1, 5), (2, 2)):
        encoded = ggm_model(patch_pooling=size, fusion="decoder").get_encoder()(**inputs)
        assert encoded.last_hidden_state.shape[1] == encoded.attention_mask.shape[1] == 7 + 3 * tokens


def test_convolutional_vision():
    """Would fail if a map, which has no class token, could not be pooled in a whole model."""
    vision = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    config = GGMConfig(
        vision, TEXT_CONFIGS["bart"], fusion_num_attention_heads=2, fusion_init="normal", patch_pooling=2
    )
    model = randomize(GGMForHashtagGeneration(config)).eval()
    videos = torch.randn(1, 2, 3, 32, 32)
    maps = model.get_encoder("video")(videos[0]).last_hidden_state
    expected = nn.functional.avg_pool2d(maps, 2, ceil_mode=True).flatten(2).mT.reshape(1, -1, 16)
    torch.testing.assert_close(model.get_encoder().encode_frames(videos), expected, atol=1e-5, rtol=1e-5)


def test_configuration(tmp_path):
    """Would fail if the choice were lost in saving, older checkpoints read otherwise, or nonsense taken."""
    GGMConfig(patch_pooling=3).save_pretrained(tmp_path)
    assert GGMConfig.from_pretrained(tmp_path).patch_pooling == 3
    assert GGMConfig().patch_pooling == 1
    for wrong in (0, 1.5, "2"):
        with pytest.raises(ValueError, match="patch_pooling"):
            GGMConfig(vision_config=VISION_CONFIGS["vit"], patch_pooling=wrong)
