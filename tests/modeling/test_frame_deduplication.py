"""Frames that carry nothing new are not encoded, and what comes out is as if they had been."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from modeling_samples import (
    RESNET_CONFIG,
    VISION_CONFIGS,
    clip_config,
    ggm_inputs,
    ggm_model,
    randomize,
    siglip_config,
    target_ids,
    text_inputs,
)
from torch.export import export
from transformers.utils import ModelOutput

from transformers_ggm import (
    GGMForHashtagClassification,
    HashtagClassifierConfig,
    HashtagRetriever,
    HashtagRetrieverConfig,
)
from transformers_ggm.modeling.backbones import tower_of
from transformers_ggm.modeling.frame_deduplication import DistinctFrames


class Counting(torch.nn.Linear):
    """A tower that keeps what it was shown."""

    def __init__(self):
        super().__init__(12, 3)
        self.seen = []

    def forward(self, pixel_values):
        self.seen.append(pixel_values)
        return super().forward(pixel_values.flatten(1))


def videos_of(pictures):
    """Rows of numbers as a batch: a number is a picture, None is padding, which holds a picture too."""
    likes = {number: torch.full((3, 2, 2), float(number)) for row in pictures for number in row if number is not None}
    likes[None] = torch.full((3, 2, 2), float(pictures[0][0] or 0))
    videos = torch.stack([torch.stack([likes[number] for number in row]) for row in pictures])
    return videos, torch.tensor([[int(number is not None) for number in row] for row in pictures])


def runs(row):
    """How often a row shows another picture than before, padding between two that are the same being a break."""
    return sum(number is not None and (i == 0 or row[i - 1] != number) for i, number in enumerate(row))


PICTURES = st.integers(1, 5).flatmap(
    lambda length: st.lists(
        st.lists(st.sampled_from([0, 1, 2, None]), min_size=length, max_size=length), min_size=1, max_size=4
    )
)


@given(pictures=PICTURES, is_masked=st.booleans())
@settings(max_examples=60, deadline=None)
def test_all_frames_come_out_and_few_go_in(pictures, is_masked):
    """Would fail if a frame got another's states, padding were encoded, or a repeated frame encoded again."""
    videos, mask = videos_of(pictures)
    mask = mask if is_masked else None
    tower = Counting().eval()
    frames = DistinctFrames.of(videos, mask, tower)
    states = frames.spread(tower(frames.pixel_values))
    expected = tower(videos.flatten(0, 1)).view(*videos.shape[:2], 3)
    wanted = sum(runs(row) for row in pictures)
    if mask is not None:
        expected = expected * mask[..., None]
    else:
        wanted = int((videos[:, 1:, 0, 0, 0] != videos[:, :-1, 0, 0, 0]).sum()) + len(videos)
    torch.testing.assert_close(states, expected)
    assert len(tower.seen[0]) == max(1, wanted)


def test_in_training_all_frames_are_encoded():
    """
    Would fail if dropout were the same in frames that are, or batch statistics forgot how often a frame was shown.
    """
    videos, mask = videos_of([[1, 1, 1], [2, None, None]])
    frames = DistinctFrames.of(videos, mask, torch.nn.Dropout().train())
    assert frames.pixel_values.shape[0] == 6
    assert torch.equal(frames.pixel_values[4:], torch.zeros(2, 3, 2, 2))
    assert frames.spread(frames.pixel_values).shape == videos.shape


def test_gradients_are_those_of_all_frames():
    """Would fail if a picture that is shown three times taught as little as one that is shown once."""
    videos, mask = videos_of([[1, 1, 1, 2], [2, 3, None, None]])
    tower, weights = Counting().eval(), torch.randn(2, 4, 3)
    frames = DistinctFrames.of(videos, mask, tower)
    ((frames.spread(tower(frames.pixel_values)) * weights) ** 2).sum().backward()
    actual, tower.weight.grad = tower.weight.grad.clone(), None
    (((tower(videos.flatten(0, 1)).view(2, 4, 3) * mask[..., None]) * weights) ** 2).sum().backward()
    torch.testing.assert_close(actual, tower.weight.grad)


def test_broken_frames_stay_in_their_row():
    """Would fail if NaN in padding, or in one video's frames, reached another row."""
    videos, mask = videos_of([[1, None], [None, None], [2, 2]])
    videos[0, 1], videos[1] = float("nan"), float("nan")
    videos[2] = float("nan")
    tower = Counting().eval()
    frames = DistinctFrames.of(videos, mask, tower)
    states = frames.spread(tower(frames.pixel_values))
    assert states[:2].isfinite().all() and (states[1] == 0).all() and states[2].isnan().all()
    nothing = DistinctFrames.of(videos[1:2], mask[1:2], tower)
    assert nothing.spread(tower(nothing.pixel_values)).abs().sum() == 0


@pytest.fixture
def stills():
    """Two videos of four frames: one shows two pictures, the other has two different frames and padding."""
    pictures = torch.randn(4, 3, 16, 16)
    videos = torch.stack([pictures[[0, 0, 0, 1]], pictures[[2, 3, 3, 3]]])
    return videos, torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def frames_seen(tower):
    seen = []
    tower.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["pixel_values"] if "pixel_values" in kwargs else args[0])),
        with_kwargs=True,
    )
    return seen


@pytest.mark.parametrize("vision", ["vit", "siglip"])
@torch.no_grad()
def test_the_generator_encodes_pictures_once(vision, stills):
    """Would fail if the encoder of a model gave another result for stills than for frames encoded one by one."""
    videos, mask = stills
    encoder = ggm_model(vision, audio=None).get_encoder()
    words = text_inputs()
    alone = torch.stack([encoder.vision_encoder(video).last_hidden_state for video in videos])
    seen = frames_seen(encoder.vision_encoder)
    actual = encoder(**words, pixel_values_videos=videos, frame_mask=mask).last_hidden_state
    assert seen == [4]
    patch_mask = mask.repeat_interleave(alone.shape[2], dim=1)
    text = encoder.text_encoder(**words).last_hidden_state
    torch.testing.assert_close(
        actual, encoder.video_grounding(text, alone.flatten(1, 2), patch_mask), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("config", [clip_config, siglip_config])
@torch.no_grad()
def test_the_retriever_encodes_pictures_once(config, stills):
    """Would fail if the vector of a still were not the mean over all its frames, or its states had a gap."""
    videos, mask = stills
    retriever = randomize(HashtagRetriever(HashtagRetrieverConfig(config())), 0.3).eval()
    pooled = [retriever.backbone.get_image_features(pixel_values=video).pooler_output for video in videos]
    units = [torch.nn.functional.normalize(vectors, dim=-1) for vectors in pooled]
    means = torch.stack([vectors[: int(of_row.sum())].mean(dim=0) for vectors, of_row in zip(units, mask)])
    seen = frames_seen(tower_of(retriever, "vision"))
    output = retriever.get_video_features(videos, mask)
    assert seen == [4]
    torch.testing.assert_close(output.pooler_output, torch.nn.functional.normalize(means, dim=-1))
    torch.testing.assert_close(retriever.get_query_features(videos, mask).pooler_output, output.pooler_output)
    assert torch.equal(output.last_hidden_state[0, 0], output.last_hidden_state[0, 2])
    assert not torch.equal(output.last_hidden_state[0, 0], output.last_hidden_state[0, 3])


@torch.no_grad()
def test_the_classifier_encodes_pictures_once(stills):
    """Would fail if batch normalisation, or the mean over a still's frames, were not those of all frames."""
    videos, mask = stills
    config = HashtagClassifierConfig(vision_config=RESNET_CONFIG, id2label={0: "snow", 1: "cat"})
    model = randomize(GGMForHashtagClassification(config)).eval()
    vectors = torch.stack([model.vision_encoder(video).pooler_output.flatten(1) for video in videos])
    expected = torch.stack([of_row[: int(kept.sum())].mean(dim=0) for of_row, kept in zip(vectors, mask)])
    seen = frames_seen(model.vision_encoder)
    torch.testing.assert_close(model.get_video_features(videos, mask).pooler_output, expected, atol=1e-5, rtol=1e-5)
    assert seen == [4]


def test_a_frozen_tower_encodes_pictures_once_in_training(stills):
    """Would fail if training on stills paid for each frame of a tower that does not learn."""
    videos, mask = stills
    model = ggm_model(audio=None)
    tower = model.get_encoder("video").requires_grad_(False)
    inputs = {**text_inputs(), "pixel_values_videos": videos, "frame_mask": mask, "labels": target_ids()}
    seen = frames_seen(tower)
    model.train()(**inputs).loss.backward()
    tower.requires_grad_(True)
    model.train()(**inputs).loss.backward()
    assert seen == [4, 8]


@pytest.mark.contract
def test_an_exported_encoder_sees_all_frames(stills):
    """Would fail if a graph that was captured on stills were wrong for videos whose every frame is another."""
    encoder = ggm_model(audio=None).get_encoder()
    still = {**text_inputs(), "pixel_values_videos": stills[0], "frame_mask": stills[1]}
    program = export(encoder, (), still)
    moving = ggm_inputs(2, frames=4, audio=None)
    for inputs in (still, moving):
        torch.testing.assert_close(
            program.module()(**inputs).last_hidden_state, encoder(**inputs).last_hidden_state, atol=1e-5, rtol=1e-5
        )


def test_towers_differ_between_the_pictures(stills):
    """Would fail if the tests above compared states that are the same for all frames."""
    tower = ggm_model(audio=None).get_encoder("video")
    states = tower(stills[0][0]).last_hidden_state
    assert tower.config.hidden_size == VISION_CONFIGS["vit"].hidden_size
    assert (states[0] - states[3]).abs().max() > 1e-2


@pytest.mark.parametrize("has_gradients", [False, True])
def test_a_few_frames_at_a_time(has_gradients):
    """Would fail if frames of one block got the states of another's, or a training lost frames between blocks."""
    videos = torch.rand(3, 15, 3, 2, 2)
    videos[1, 4:9] = videos[1, 4]
    tower = Counting().eval()
    with torch.set_grad_enabled(has_gradients):
        frames = DistinctFrames.of(videos, None, tower)
        states = frames.encoded_by(lambda frames: ModelOutput(last_hidden_state=tower(frames)))["last_hidden_state"]
    assert [len(block) for block in tower.seen] == ([41] if has_gradients else [16, 16, 9])
    torch.testing.assert_close(states, tower(videos.flatten(0, 1)).view(3, 15, 3))
