"""The twelve shapes as sprites: antialiased masks of their body, fill and details, drawn once and then scaled."""

import functools

import numpy as np
from PIL import Image, ImageDraw

# A sprite's side in units of the shape's width: leaves room for the corners of a shape that turns.
SPRITE_MARGIN = 1.5
_SPRITE_PIXELS = 384
_SUPERSAMPLING = 4
_OUTLINE_WIDTH = 0.045


def _circle(radius: float, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def _star() -> np.ndarray:
    angles = np.arange(10) * np.pi / 5 - np.pi / 2
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.44)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3, -y], axis=1)


def _moon() -> np.ndarray:
    """A disc of radius 1 with a disc of radius 0.85, set off by 0.62, cut out of it."""
    shift, cut = 0.62, 0.85
    corner = np.arccos((1 + shift**2 - cut**2) / (2 * shift))
    outer = np.linspace(corner, 2 * np.pi - corner, 90)
    inner_corner = np.arctan2(np.sin(corner), np.cos(corner) - shift)
    inner = np.linspace(2 * np.pi - inner_corner, inner_corner, 90)[1:-1]
    outer_points = np.stack([np.cos(outer), np.sin(outer)], axis=1)
    return np.concatenate([outer_points, np.stack([shift + cut * np.cos(inner), cut * np.sin(inner)], axis=1)])


def _flower() -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    radii = 0.5 + 0.5 * np.abs(np.cos(2.5 * angles)) ** 0.8
    return np.stack([radii * np.sin(angles), -radii * np.cos(angles)], axis=1)


_OUTLINES: dict[str, np.ndarray] = {
    "ball": _circle(1.0),
    "square": np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]),
    "triangle": np.array([(0, -1), (1.1, 0.9), (-1.1, 0.9)]),
    "star": _star(),
    "heart": _heart(),
    "cross": np.array(
        [(-3, -1), (-1, -1), (-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1), (1, 3), (-1, 3), (-1, 1), (-3, 1)]
    ),
    "ring": _circle(1.0),
    "moon": _moon(),
    "arrow": np.array([(-10, -3.4), (0, -3.4), (0, -8.5), (10, 0), (0, 8.5), (0, 3.4), (-10, 3.4)]),
    "bolt": np.array([(0, -10), (-8, 2), (-1.5, 2), (-5, 10), (8, -3.5), (2, -3.5), (7, -10)]),
    "flower": _flower(),
    "house": np.array(
        [
            (0, -10),
            (5, -5),
            (5, -8.5),
            (7.6, -8.5),
            (7.6, -2.4),
            (10, 0),
            (7.6, 0),
            (7.6, 9),
            (-7.6, 9),
            (-7.6, 0),
            (-10, 0),
        ]
    ),
}
_HOLES: dict[str, np.ndarray] = {"ring": _circle(0.22)}
# Small marks: they tell a house and a flower better, and show that a ball or a ring spins.
_DETAILS: dict[str, np.ndarray] = {
    "ball": _circle(0.11, -0.2, -0.22),
    "ring": _circle(0.075, 0.0, -0.35),
    "flower": _circle(0.13),
    "house": np.array([(-0.1, 0.46), (-0.1, 0.14), (0.1, 0.14), (0.1, 0.46)]),
}


@functools.cache
def sprite(shape: str) -> Image.Image:
    """The masks of a shape, upright, as the channels of one image.

    Returns:
        An RGB image of side `SPRITE_MARGIN` shape widths: red is the body with its outline, green the fill without
        it, blue the details; 255 inside, 0 outside.
    """
    outline = _fit(_OUTLINES[shape])
    body, fill, details = (Image.new("L", (_SPRITE_PIXELS * _SUPERSAMPLING,) * 2) for _ in range(3))
    for mask in (body, fill):
        ImageDraw.Draw(mask).polygon(_pixels(outline), fill=255)
    edges = [outline]
    if shape in _HOLES:
        edges.append(_HOLES[shape])
        for mask in (body, fill):
            ImageDraw.Draw(mask).polygon(_pixels(_HOLES[shape]), fill=0)
    for edge in edges:
        _stroke(body, edge, 255)
        _stroke(fill, edge, 0)
    if shape in _DETAILS:
        ImageDraw.Draw(details).polygon(_pixels(_DETAILS[shape]), fill=255)
    return Image.merge("RGB", [mask.reduce(_SUPERSAMPLING) for mask in (body, fill, details)])


def _fit(points: np.ndarray) -> np.ndarray:
    """Centres the points' bounding box and scales its longer side, outline included, to 1."""
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - (low + high) / 2) / (high - low).max() * (1 - _OUTLINE_WIDTH)


def _pixels(points: np.ndarray) -> list[tuple[float, float]]:
    side = _SPRITE_PIXELS * _SUPERSAMPLING
    return [tuple(point) for point in (points / SPRITE_MARGIN + 0.5) * side]


def _stroke(mask: Image.Image, points: np.ndarray, value: int) -> None:
    """Draws the closed line through the points, with round corners."""
    pixels = _pixels(points)
    width = round(_OUTLINE_WIDTH / SPRITE_MARGIN * mask.width)
    # The line goes on to the second point, so that the first corner is joined too.
    ImageDraw.Draw(mask).line([*pixels, *pixels[:2]], fill=value, width=width, joint="curve")
