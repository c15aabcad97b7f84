"""Frames that are close to the one before them are made that one, so that models need not see them again."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.errors import InputError
from transformers_ggm.processing import GGMVideoProcessor
from transformers_ggm.processing.still_frames import hold_still


def difference(first, second):
    """The mean absolute difference of two pictures, in another library's arithmetic."""
    return np.abs(first.numpy().astype(np.float64) - second.numpy().astype(np.float64)).mean()


@st.composite
def clips(draw):
    """Frames of 4 x 4 that wander about a grey, now little, now much."""
    steps = draw(st.lists(st.integers(-12, 12), min_size=1, max_size=12))
    noise = np.random.default_rng(draw(st.integers(0, 999))).integers(-2, 3, (len(steps), 3, 4, 4))
    greys = 128 + np.cumsum(steps)[:, None, None, None]
    return torch.from_numpy(np.clip(greys + noise, 0, 255).astype(np.uint8))


@given(frames=clips(), tolerance=st.floats(0, 20))
@settings(max_examples=80, deadline=None)
def test_held_frames(frames, tolerance):
    """Would fail if a frame were held past the tolerance, let go within it, or compared with one not held."""
    held = hold_still(frames, tolerance)
    assert held.dtype == torch.uint8 and held.shape == frames.shape
    assert torch.equal(held[0], frames[0])
    for index in range(1, len(frames)):
        distance = difference(frames[index], held[index - 1])
        if abs(distance - tolerance) > 1e-4:
            is_held = distance <= tolerance and tolerance > 0
            assert torch.equal(held[index], held[index - 1] if is_held else frames[index])
    assert torch.equal(hold_still(held, tolerance), held)
    assert torch.equal(hold_still(frames, 0), frames)


def test_a_slow_pan_does_not_become_one_picture():
    """Would fail if each frame were compared with the one before it, which a pan never leaves far behind."""
    frames = (torch.arange(0, 40, 2, dtype=torch.uint8))[:, None, None, None].expand(20, 3, 4, 4)
    assert hold_still(frames, 5)[:, 0, 0, 0].unique().tolist() == [0, 6, 12, 18, 24, 30, 36]


def test_the_video_processor_holds_resized_frames(tmp_path):
    """Would fail if the setting were lost in saving, not taken for one call, or compared before resizing."""
    # Checks of one pixel are 255 apart in full size, and the same grey once they are half as large.
    checks = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    clip = np.stack([checks, 255 - checks, np.full_like(checks, 200)])[..., None].repeat(3, axis=-1)
    processor = GGMVideoProcessor(size={"height": 16, "width": 16}, still_tolerance=3.0)
    processor.save_pretrained(tmp_path)
    for each in (processor, GGMVideoProcessor.from_pretrained(tmp_path)):
        frames = each([clip])["pixel_values_videos"][0]
        assert torch.equal(frames[0], frames[1]) and not torch.equal(frames[1], frames[2])
    plain = GGMVideoProcessor(size={"height": 16, "width": 16})
    expected = plain([clip])["pixel_values_videos"][0]
    assert torch.equal(plain([clip], still_tolerance=255)["pixel_values_videos"][0], expected[[0, 0, 0]])
    assert torch.equal(
        processor(list(processor.frames_of(clip)[None]))["pixel_values_videos"],
        processor([clip])["pixel_values_videos"],
    )
    assert torch.equal(processor([clip], still_tolerance=0)["pixel_values_videos"][0], expected)
    assert torch.equal(processor.resize_frames(torch.from_numpy(clip).permute(0, 3, 1, 2)).float(),
                       plain([clip], do_rescale=False, do_normalize=False)["pixel_values_videos"][0])  # fmt: skip


def test_a_negative_tolerance_is_refused():
    """Would fail if a wrong setting were taken for none."""
    with pytest.raises(InputError, match="still_tolerance"):
        GGMVideoProcessor()([np.zeros((2, 8, 8, 3), np.uint8)], still_tolerance=-1)
