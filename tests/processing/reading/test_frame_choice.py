"""Which frames show different things."""

import pytest
import torch

from transformers_ggm.errors import InputError
from transformers_ggm.processing.reading import distinct_frames


def scene(seed, caption=None, side=192):
    """A frame of soft noise with, where told, a white bar as a line of a caption would be."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 6, generator=generator) * 255
    frame = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")[0]
    if caption is not None:
        frame[:, caption : caption + side // 12, side // 4 : side * 3 // 4] = 255
    return frame.round().to(torch.uint8)


def test_scenes_and_captions():
    """Would fail if a frame were chosen twice, a new scene passed over, or a new caption over the same scene."""
    frames = torch.stack([scene(0), scene(0), scene(1), scene(1, 150), scene(1)])
    assert distinct_frames(frames) == [0, 2, 3]


def test_noise_is_no_difference():
    """Would fail if compression made every frame a new one, and each were read."""
    noise = torch.randint(-6, 7, (8, 3, 192, 192), generator=torch.Generator().manual_seed(0))
    frames = (scene(3).int() + noise).clamp(0, 255).to(torch.uint8)
    assert distinct_frames(frames) == [0]


def test_the_most_different_come_first():
    """Would fail if the first frames were taken where later ones show more."""
    frames = torch.stack([scene(0), scene(0, 20), *(scene(seed) for seed in range(1, 4))])
    chosen = distinct_frames(frames, num_frames=2)
    assert chosen[0] == 0 and chosen[1] > 1
    assert distinct_frames(frames, num_frames=9) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (3, 8, 8), (2, 1, 8, 8)])
def test_wrong_shapes(shape):
    """Would fail if something else than frames ended in an error of PyTorch."""
    with pytest.raises(InputError, match=r"\(frames, 3, height, width\)"):
        distinct_frames(torch.zeros(shape, dtype=torch.uint8))
