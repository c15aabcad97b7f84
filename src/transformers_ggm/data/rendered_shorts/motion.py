"""Where the shape is in each frame: its place, width and angle, and whether it shows at all."""

from dataclasses import dataclass

import numpy as np

from .recipes import FRAMES_PER_SECOND
from .vocabulary import REVERSED_MOVEMENTS


@dataclass(frozen=True)
class Pose:
    """Centre `x`, `y` and `width` as fractions of the frame's width (y points down), `angle` in degrees clockwise."""

    x: float
    y: float
    width: float
    angle: float
    visible: bool = True


def sample_poses(movement: str | None, num_frames: int, rng: np.random.Generator) -> list[Pose]:
    """One pose a frame. A movement of `REVERSED_MOVEMENTS` gives exactly its partner's poses, last one first."""
    if movement in REVERSED_MOVEMENTS:
        return sample_poses(REVERSED_MOVEMENTS[movement], num_frames, rng)[::-1]
    angle = rng.uniform(-15, 15)
    progress = np.linspace(0, 1, num_frames)
    if movement in ("movingright", "rising"):
        return _travel(movement == "rising", progress, angle, rng)
    if movement == "growing":
        return _grow(progress, angle, rng)
    width = rng.uniform(0.46, 0.6)
    x, y = _place(width, rng), _place(width, rng)
    seconds = np.arange(num_frames) / FRAMES_PER_SECOND
    if movement == "spinning":
        # At two frames per second a step of 25 to 54 degrees: less than any shape's symmetry (72 degrees: flower,
        # star) except the square's and cross's, whose steps stay well off 90 degrees.
        turns_per_second = rng.choice((-1, 1)) * rng.uniform(0.14, 0.3)
        return [Pose(x, y, width, angle + 360 * turns_per_second * s) for s in seconds]
    if movement == "blinking":
        # Off for at least half a second at a time, so that two frames per second cannot miss it.
        period = rng.uniform(1.1, 1.5)
        start = rng.uniform(0, 0.3) * period
        return [Pose(x, y, width, angle, (s + start) % period < 0.54 * period) for s in seconds]
    return [Pose(x, y, width, angle)] * num_frames


def _travel(upwards: bool, progress: np.ndarray, angle: float, rng: np.random.Generator) -> list[Pose]:
    width, length = rng.uniform(0.42, 0.52), rng.uniform(0.42, 0.48)
    along = rng.uniform(0.46, 0.54) + length * (progress - 0.5)
    across = _place(width, rng)
    if upwards:
        return [Pose(across, 1 - place, width, angle) for place in along]
    return [Pose(place, across, width, angle) for place in along]


def _grow(progress: np.ndarray, angle: float, rng: np.random.Generator) -> list[Pose]:
    largest, factor = rng.uniform(0.66, 0.74), rng.uniform(1.85, 2.05)
    x, y = rng.uniform(0.44, 0.56, size=2)
    return [Pose(x, y, width, angle) for width in largest / factor + (largest - largest / factor) * progress]


def _place(width: float, rng: np.random.Generator) -> float:
    """A centre that keeps a shape of this width inside the frame."""
    room = (1 - width) / 2
    return 0.5 + rng.uniform(-room, room)
