"""Words on the screen, by RapidOCR."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...errors import InputError, MediaError
from ...utils.opening import foreign
from .extras import import_rapidocr
from .frame_choice import distinct_frames
from .screen_lines import ScreenLine, is_watermark, letters_of, merge_lines, without_user_names


@dataclass(frozen=True)
class ScreenOptions:
    """
    What is read on the screen.

    Args:
        num_frames (`int`, defaults to 3): Frames of a clip that are read at most; they take a second or so each.
        min_confidence (`float`, defaults to 0.7): Of a line, from 0 to 1.
        keep_user_names (`bool`, defaults to `False`): Whether `@names` stay.
        keep_watermarks (`bool`, defaults to `False`): Whether lines stay that an app puts onto clips saved from it.

    Raises:
        InputError: A number is out of range.
    """

    num_frames: int = 3
    min_confidence: float = 0.7
    keep_user_names: bool = False
    keep_watermarks: bool = False

    def __post_init__(self):
        if self.num_frames < 1:
            raise InputError(f"`num_frames` is {self.num_frames}: give 1 or more.")
        if not 0 <= self.min_confidence <= 1:
            raise InputError(f"`min_confidence` is {self.min_confidence}: give a number from 0 to 1.")


class ScreenReader:
    """
    Reads what stands on the screen, with RapidOCR and the small models that lie in its package.

    Args:
        options ([`ScreenOptions`], *optional*): What is read.
        engine (`dict[str, Any]`, *optional*): Settings of RapidOCR, as its `params`, such as `{"Rec.lang_type":
            LangRec.CYRILLIC}`. Other models than its own are fetched by RapidOCR.

    Raises:
        ImportError: rapidocr or onnxruntime is not installed.

    Example:

    ```python
    from transformers_ggm import GGMVideoProcessor
    from transformers_ggm.processing.reading import ScreenReader

    ScreenReader().read(GGMVideoProcessor().decode("clip.mp4").frames)
    ```
    """

    def __init__(self, options: ScreenOptions | None = None, engine: Mapping[str, Any] | None = None):
        rapidocr = import_rapidocr()
        self.options = options or ScreenOptions()
        self.engine = rapidocr.RapidOCR(params={"Global.log_level": "error", **(engine or {})})
        # It keeps what it was called with in itself.
        self._lock = threading.Lock()

    def read(self, frames: torch.Tensor) -> str:
        """
        Reads the frames of a clip that show different things.

        Args:
            frames (`torch.Tensor`): (f, 3, h, w) uint8, RGB; the larger, the smaller the text may be.

        Returns:
            `str`: one line of the screen a line, `""` where nothing stands there.

        Raises:
            InputError: `frames` has another shape or type, or no frame.
            MediaError: RapidOCR failed.
        """
        chosen = distinct_frames(frames, self.options.num_frames)
        return "\n".join(merge_lines([self.lines(frames[number]) for number in chosen]))

    def lines(self, frame: torch.Tensor) -> list[ScreenLine]:
        """The lines of one frame (3, h, w) uint8 that count, from top to bottom."""
        picture = np.ascontiguousarray(frame.permute(1, 2, 0).numpy()[:, :, ::-1])  # BGR
        with self._lock, foreign("The screen", MediaError):
            found = self.engine(picture)
        lines = [ScreenLine(*line) for line in zip(found.txts or (), found.scores or ())]
        return [counted for line in lines if (counted := self._counted(line)) is not None]

    def _counted(self, line: ScreenLine) -> ScreenLine | None:
        """The line as far as it counts."""
        text = " ".join(line.text.split())
        if line.confidence < self.options.min_confidence:
            return None
        if not self.options.keep_watermarks and is_watermark(text):
            return None
        if not self.options.keep_user_names:
            text = without_user_names(text)
        return ScreenLine(text, float(line.confidence)) if letters_of(text) else None
