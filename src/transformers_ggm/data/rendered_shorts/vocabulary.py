"""The hashtags that rendered shorts can carry, cause by cause, and which compounds are held out of training."""

import numpy as np

from ...errors import InputError

# Name -> RGB. Any two lie at least 100 apart in RGB space, so that they stay apart after H.264 and colour jitter.
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 26, 34),
    "orange": (250, 128, 8),
    "yellow": (252, 228, 24),
    "green": (32, 152, 48),
    "teal": (16, 186, 184),
    "blue": (28, 66, 224),
    "purple": (136, 36, 186),
    "pink": (255, 124, 192),
    "brown": (116, 66, 28),
    "white": (248, 248, 248),
    "black": (18, 18, 18),
}
SHAPES: tuple[str, ...] = (
    "ball",
    "square",
    "triangle",
    "star",
    "heart",
    "cross",
    "ring",
    "moon",
    "arrow",
    "bolt",
    "flower",
    "house",
)
MOVEMENTS: tuple[str, ...] = (
    "movingleft",
    "movingright",
    "rising",
    "falling",
    "growing",
    "shrinking",
    "spinning",
    "blinking",
)
# A movement on the left is drawn as the one on the right with its frames in reverse: only frame order tells them
# apart.
REVERSED_MOVEMENTS: dict[str, str] = {"movingleft": "movingright", "falling": "rising", "shrinking": "growing"}
SOUNDS: tuple[str, ...] = (
    "birdsong",
    "siren",
    "drums",
    "bells",
    "rain",
    "buzzing",
    "whistle",
    "applause",
    "beeps",
    "waves",
)
NOISE: tuple[str, ...] = ("fyp", "viral", "foryou", "trending", "explore", "shorts")
CAUSES: tuple[str, ...] = ("seen", "movement", "heard", "words", "noise")
# Two causes more, of clips in which words are spoken or shown.
READ_CAUSES: tuple[str, ...] = ("spoken", "written")

_HELD_OUT_FRACTION = 0.2
# Caps a colour's and a shape's share of the held-out compounds, so that each keeps at least eight partners in
# training.
_MAX_HELD_OUT_PER_PART = 3
_HELD_OUT_STREAM = 3


def compounds() -> list[str]:
    """All colour+shape hashtags, colour by colour.

    Returns:
        `list[str]`: 132 compounds.

    Example:

    ```python
    >>> from transformers_ggm.data.rendered_shorts import compounds

    >>> len(compounds()), compounds()[:3]
    (132, ['redball', 'redsquare', 'redtriangle'])

    ```
    """
    return [colour + shape for colour in COLOURS for shape in SHAPES]


def held_out_compounds(seed: int = 0) -> list[str]:
    """The fifth of the compounds that occur only in the test split.

    At most three per colour and three per shape, so every colour stays in training with at least nine shapes and
    every shape with at least eight colours.

    Args:
        seed (`int`, defaults to 0): The data set's seed, not negative.

    Returns:
        `list[str]`: 26 compounds, in the order of [`compounds`].

    Raises:
        InputError: `seed` is negative.

    Example:

    ```python
    >>> from transformers_ggm.data.rendered_shorts import held_out_compounds

    >>> len(held_out_compounds(seed=0))
    26

    ```
    """
    rng = generator(seed, _HELD_OUT_STREAM, 0)
    pairs = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    taken: dict[str, int] = dict.fromkeys((*COLOURS, *SHAPES), 0)
    chosen = set()
    # Never runs dry: were every cell below both caps taken already, more than 26 would be.
    for i in rng.permutation(len(pairs)):
        colour, shape = pairs[i]
        if len(chosen) < int(len(pairs) * _HELD_OUT_FRACTION) and max(taken[colour], taken[shape]) < (
            _MAX_HELD_OUT_PER_PART
        ):
            chosen.add(colour + shape)
            taken[colour] += 1
            taken[shape] += 1
    return [compound for compound in compounds() if compound in chosen]


def generator(seed: int, stream: int, index: int) -> np.random.Generator:
    """A random generator of its own for each (seed, stream, index), all of them not negative.

    Raises:
        InputError: `seed` is negative.
    """
    if seed < 0:
        raise InputError(f"`seed` is {seed}: give 0 or more.")
    return np.random.default_rng([seed, stream, index])
