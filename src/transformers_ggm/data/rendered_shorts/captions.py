"""Words written over the frames of a clip."""

import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .vocabulary import generator

_CAPTION_STREAM = 9
# Smaller frames have no room for letters that can be read.
MIN_CAPTIONED_SIZE = 160
_LETTERS_A_LINE = 17


def write_caption(frames: np.ndarray, text: str, seed: int) -> np.ndarray:
    """
    Writes a text over all frames of a clip: near the top or the bottom, in white with a dark border.

    Args:
        frames (`np.ndarray`): (f, size, size, 3) uint8; stays as it is.
        text (`str`): A few words.
        seed (`int`): Not negative; decides where it stands.

    Returns:
        `np.ndarray` of shape (f, size, size, 3), uint8.
    """
    size = frames.shape[1]
    top = generator(seed, _CAPTION_STREAM, 0).choice((0.06, 0.72)) * size
    lines = "\n".join(textwrap.wrap(text, _LETTERS_A_LINE))
    layer = Image.new("RGBA", (size, size))
    ImageDraw.Draw(layer).multiline_text(
        (size / 2, top),
        lines,
        font=ImageFont.load_default(size / 10),
        anchor="ma",
        align="center",
        fill="white",
        stroke_width=max(1, size // 100),
        stroke_fill="black",
    )
    written = np.asarray(layer, np.float32)
    share = written[..., 3:] / 255
    return np.rint(frames * (1 - share) + written[..., :3] * share).astype(np.uint8)
