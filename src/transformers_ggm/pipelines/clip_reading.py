"""What the pipeline reads in clips, where it is asked to: their speech, and their screens."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from transformers.utils import logging

from ..errors import InputError, MediaError
from ..processing.reading import (
    ScreenOptions,
    ScreenReader,
    SpeechReader,
    SpeechThresholds,
    distinct_frames,
    load_speech_reader,
)
from ..recommendation import Clues

logger = logging.get_logger(__name__)

# Speech after this is left out, however much sound the model hears.
SPEECH_SECONDS = 60.0


@dataclass(frozen=True)
class WantedReading:
    """
    What of clips is to be read, as those need to know it who decode them.

    Attributes:
        speech (`bool`): whether speech is.
        screen_frames (`int`): of how many frames, at most, the screen is; 0 for none.
    """

    speech: bool
    screen_frames: int

    def speech_seconds(self, clues: Clues) -> float:
        """How much sound is to be decoded; 0 where the transcript is given."""
        return SPEECH_SECONDS if self.speech and not clues.transcript else 0.0

    def reads_screen(self, clues: Clues) -> bool:
        """Whether the screen is to be read: not where its text is given."""
        return bool(self.screen_frames) and not clues.screen_text

    def frames(self, frames: torch.Tensor) -> torch.Tensor:
        """Those frames of a clip (f, 3, h, w) uint8 that differ."""
        return frames[distinct_frames(frames, self.screen_frames)]


class ClipReading:
    """
    Readers of speech and of the screen, as far as there are any.

    Args:
        speech ([`SpeechReader`], *optional*), screen ([`ScreenReader`], *optional*): these.
    """

    def __init__(self, speech: SpeechReader | None, screen: ScreenReader | None):
        self.speech, self.screen = speech, screen
        self.wanted = WantedReading(speech is not None, 0 if screen is None else screen.options.num_frames)

    @classmethod
    def of(
        cls,
        speech: SpeechReader | str | None,
        screen_text: ScreenReader | bool | None,
        used: Collection[str],
        trained_with: Mapping[str, Any] | None,
        device: str,
        local_files_only: bool,
    ) -> "ClipReading | None":
        """
        The readers that the arguments of a pipeline tell of; `None` for none.

        Args:
            speech ([`SpeechReader`] or `str`, *optional*), screen_text ([`ScreenReader`] or `bool`, *optional*): those
                arguments.
            used (`Collection[str]`): the clues that anything goes by.
            trained_with (`Mapping[str, Any]`, *optional*): the settings that texts to train with were read by, as
                `GGMProcessor.text_reading` has them: those of a reader that is made here.
            device (`str`), local_files_only (`bool`): of the speech model.

        Raises:
            InputError: something is to be read that nothing goes by.
            CheckpointError: there is no such speech model.
            ImportError: a package of the extra `speech` or `ocr` is missing.
        """
        if speech is None and not screen_text:
            return None
        asked = {"speech": (speech, "transcript"), "screen_text": (screen_text, "screen_text")}
        unused = [f"`{name}`" for name, (reader, clue) in asked.items() if reader and clue not in used]
        if unused:
            raise InputError(
                "Nothing in this checkpoint goes by what is said or shown (it has no recommendation.json, and"
                f" none of its models reads it): leave {' and '.join(unused)} out."
            )
        settings = {} if trained_with is None else trained_with
        if isinstance(speech, str):
            speech = load_speech_reader(
                speech,
                device=device,
                thresholds=SpeechThresholds(**_known(settings, SpeechThresholds)),
                voice_activity=settings.get("voice_activity", True),
                local_files_only=local_files_only,
            )
        if screen_text is True:
            names = {"screen_frames": "num_frames", "min_screen_confidence": "min_confidence"}
            renamed = {names.get(name, name): value for name, value in settings.items()}
            screen_text = ScreenReader(ScreenOptions(**_known(renamed, ScreenOptions)))
        return cls(speech, screen_text or None)

    def reads(self, clue: str) -> bool:
        """Whether a text is read here: `"transcript"` or `"screen_text"`."""
        return (self.speech if clue == "transcript" else self.screen) is not None

    def read(self, rows: Sequence[Clues], to_read: Sequence[Mapping[str, Any]], on_error: str) -> list[Clues]:
        """
        The clues of a batch with what was read; what is given stays.

        Args:
            rows (`list[Clues]`): the clips.
            to_read (`list[dict]`): of each its `speech` (n,) float32 at 16 kHz and its `screen` (f, 3, h, w) uint8,
                both `None` where there is nothing to be read.
            on_error (`str`): `"skip"` warns of a screen that cannot be read, and goes on.

        Raises:
            MediaError: a screen cannot be read.
        """
        rows = list(rows)
        if self.speech is not None:
            sounds: list[np.ndarray | None] = [material["speech"] for material in to_read]
            transcripts = self.speech.read(sounds, [row.language for row in rows])
            rows = [
                row if sound is None else replace(row, transcript=transcript.believed)
                for row, sound, transcript in zip(rows, sounds, transcripts)
            ]
        for number, material in enumerate(to_read):
            if self.screen is not None and material["screen"] is not None:
                try:
                    rows[number] = replace(rows[number], screen_text=self.screen.read(material["screen"]))
                except MediaError as error:
                    if on_error == "raise":
                        raise
                    logger.warning(str(error))
        return rows


def missing_text(name: str, trained_with: Mapping[str, Any] | None) -> str:
    """
    A warning of a text that a generator was trained with and does not get.

    Args:
        name (`str`): `"transcript"` or `"screen_text"`.
        trained_with (`Mapping[str, Any]`, *optional*): as of [`ClipReading.of`].
    """
    model = (trained_with or {}).get("read_speech") or "a speech model"
    reader = f"speech={model!r}" if name == "transcript" else "screen_text=True"
    return (
        f"This checkpoint was trained with {name}s, and the clips come without any: give them as `{name}`, or have"
        f" them read, pipeline(..., {reader})."
    )


def _known(settings: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Those settings that a dataclass has."""
    return {field.name: settings[field.name] for field in fields(kind) if field.name in settings}
