"""Frames of a clip: a shape with an outline on a muted background."""

import colorsys

import numpy as np
from PIL import Image

from .motion import Pose, sample_poses
from .recipes import ClipRecipe
from .shapes import SPRITE_MARGIN, sprite
from .vocabulary import COLOURS, generator

_PICTURE_STREAM = 1
# Least distance in RGB (0 to 1 each) between the fill and either tone of the background.
_MIN_DISTANCE = 0.45
_DARK, _LIGHT = np.array([0.1, 0.1, 0.1]), np.array([0.96, 0.96, 0.96])
_LUMA = np.array([0.299, 0.587, 0.114])


def draw_frames(recipe: ClipRecipe, size: int = 96) -> np.ndarray:
    """Draws all frames of a clip.

    Args:
        recipe ([`ClipRecipe`]): What to draw.
        size (`int`, defaults to 96): Width and height in pixels.

    Returns:
        `np.ndarray` of shape (num_frames, size, size, 3), uint8 RGB.
    """
    rng = generator(recipe.seed, _PICTURE_STREAM, 0)
    poses = sample_poses(recipe.movement, recipe.num_frames, rng)
    fill = _jitter(np.array(COLOURS[recipe.colour]) / 255, rng)
    outline = _DARK if fill @ _LUMA > 0.45 else _LIGHT
    background = draw_background(fill, size, rng)
    frames = np.empty((len(poses), size, size, 3), dtype=np.uint8)
    previous = None
    for i, pose in enumerate(poses):
        if pose == previous:
            frames[i] = frames[i - 1]
        else:
            frames[i] = _compose(background, recipe.shape, pose, fill, outline)
        previous = pose
    return frames


def draw_background(fill: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A muted picture of two tones, both far from `fill` (3,) 0 to 1. Returns (size, size, 3) float32, 0 to 1."""
    first, second = _muted_tone(fill, rng), _muted_tone(fill, rng)
    # The pattern stays fainter than the shape.
    second = first + (second - first) * 0.7
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
    share = pattern(size, rng)[..., None]
    return (first + (second - first) * share).astype(np.float32)


def _jitter(colour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(colour * rng.uniform(0.92, 1.04) + rng.uniform(-0.015, 0.015, size=3), 0, 1)


def _muted_tone(fill: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    while True:
        hue, saturation, value = rng.random(), rng.uniform(0, 0.18), rng.uniform(0.3, 0.95)
        tone = np.array(colorsys.hsv_to_rgb(hue, saturation, value))
        if np.linalg.norm(tone - fill) >= _MIN_DISTANCE:
            return tone


def _plain(size: int, rng: np.random.Generator) -> np.ndarray:
    return np.zeros((size, size))


def _ramp(size: int, rng: np.random.Generator) -> np.ndarray:
    """Runs from -0.7 to 0.7 at most, 0 in the middle, in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    axis = (np.arange(size) + 0.5) / size - 0.5
    return np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]


def _gradient(size: int, rng: np.random.Generator) -> np.ndarray:
    return np.clip(_ramp(size, rng) / 1.4 + 0.5, 0, 1)


def _soft_square_wave(phase: np.ndarray) -> np.ndarray:
    """A wave of period 1 between 0 and 1 with slightly soft edges."""
    return np.clip(0.5 + 3 * np.sin(2 * np.pi * phase), 0, 1)


def _stripes(size: int, rng: np.random.Generator) -> np.ndarray:
    return _soft_square_wave(_ramp(size, rng) * rng.uniform(3, 7) + rng.random())


def _checks(size: int, rng: np.random.Generator) -> np.ndarray:
    axis = (np.arange(size) + 0.5) / size * rng.uniform(2, 4.5)
    rows, columns = _soft_square_wave(axis + rng.random()), _soft_square_wave(axis + rng.random())
    return rows[:, None] * columns[None, :] + (1 - rows[:, None]) * (1 - columns[None, :])


def _blobs(size: int, rng: np.random.Generator) -> np.ndarray:
    axis = (np.arange(size) + 0.5) / size
    total = np.zeros((size, size))
    for _ in range(rng.integers(4, 9)):
        x, y, radius = rng.random(), rng.random(), rng.uniform(0.08, 0.2)
        total += np.exp(-((axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2) / radius**2)
    return np.clip(total, 0, 1)


def _soft_noise(size: int, rng: np.random.Generator) -> np.ndarray:
    cells = int(rng.integers(5, 12))
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells)).astype(np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC)) / 255


_PATTERNS = (_plain, _gradient, _stripes, _checks, _blobs, _soft_noise)


def _compose(background: np.ndarray, shape: str, pose: Pose, fill: np.ndarray, outline: np.ndarray) -> np.ndarray:
    picture = background
    if pose.visible:
        body, inner, details = np.moveaxis(_place_sprite(shape, pose, background.shape[0]), 2, 0)[..., None]
        for mask, colour in ((body, outline), (inner, fill), (details, 0.4 * fill + 0.6 * outline)):
            picture = picture + mask * (colour.astype(np.float32) - picture)
    return np.rint(picture * 255).astype(np.uint8)


def _place_sprite(shape: str, pose: Pose, size: int) -> np.ndarray:
    """The shape's masks in a frame of this size: (size, size, 3) float32, 0 to 1."""
    wanted = SPRITE_MARGIN * pose.width * size
    side = int(np.ceil(wanted))
    # First the antialiased shrinking to whole pixels, then place, angle and the rest of the scale in one step.
    small = sprite(shape).resize((side, side), Image.Resampling.BOX)
    cos, sin = np.cos(np.radians(pose.angle)) * side / wanted, np.sin(np.radians(pose.angle)) * side / wanted
    x, y = pose.x * size, pose.y * size
    affine = (cos, sin, side / 2 - cos * x - sin * y, -sin, cos, side / 2 + sin * x - cos * y)
    placed = small.transform((size, size), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
    return np.asarray(placed, dtype=np.float32) / 255
