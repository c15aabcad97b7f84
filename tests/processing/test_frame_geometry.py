"""Which video processors make the same frames."""

import json

import numpy as np
import pytest
import torch

from transformers_ggm.processing import GGMVideoProcessor
from transformers_ggm.processing.frame_geometry import frame_geometry, same_frames, same_geometry

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 24, 40, 3), dtype=np.uint8)
BASE = {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}}


@pytest.mark.parametrize(
    ("options", "is_geometry", "are_frames"),
    [
        ({}, True, True),
        ({"size": 16, "crop_size": 16}, True, True),
        ({"image_mean": [0.1, 0.2, 0.3], "do_normalize": False}, True, True),
        ({"size": {"shortest_edge": 20}}, False, False),
        ({"size": {"height": 16, "width": 16}}, False, False),
        ({"crop_size": {"height": 8, "width": 8}}, False, False),
        ({"resample": 2}, False, False),
        ({"do_center_crop": False}, False, False),
        ({"num_frames": 3}, True, False),
    ],
)
def test_same_pixels_where_it_says_so(options, is_geometry, are_frames):
    """Would fail if frames that differ counted as the same, or frames were decoded twice for nothing."""
    base, other = GGMVideoProcessor(**BASE), GGMVideoProcessor(**{**BASE, **options})
    assert (same_geometry(base, other), same_frames(base, other)) == (is_geometry, are_frames)
    pictures = torch.from_numpy(FRAMES).permute(0, 3, 1, 2)
    assert torch.equal(*_alike(base.resize_frames(pictures), other.resize_frames(pictures))) == is_geometry
    assert torch.equal(*_alike(base.frames_of(FRAMES), other.frames_of(FRAMES))) == are_frames


def _alike(first, second):
    return (first, second) if first.shape == second.shape else (torch.zeros(1), torch.ones(1))


def test_geometry_can_be_saved():
    """Would fail if what is noted of decoded clips could not be compared with a processor later."""
    geometry = frame_geometry(GGMVideoProcessor(**BASE))
    assert json.loads(json.dumps(geometry)) == geometry
    assert geometry["size"] == {"shortest_edge": 16}
