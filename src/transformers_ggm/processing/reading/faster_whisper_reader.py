"""Whisper by CTranslate2, which is several times as fast on CPUs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import CheckpointError
from ...utils.opening import foreign
from .extras import import_faster_whisper
from .speech_reader import Heard, SpeechReader
from .transcripts import SpeechThresholds


class FasterWhisperReader(SpeechReader):
    """
    Reads speech with a Whisper in CTranslate2's format.

    Args:
        folder (`str` or `Path`): With `model.bin`, `config.json` and `tokenizer.json`.
        device (`str`, *optional*): Such as `"cpu"` or `"cuda:1"`; a GPU by default, where there is one.
        compute_type (`str`, defaults to `"auto"`): CTranslate2's; the fastest one of the device by default (eight bits
            on CPUs).
        thresholds ([`SpeechThresholds`], *optional*), voice_activity (`bool`, defaults to `True`): As for
            [`SpeechReader`].

    Raises:
        ImportError: faster-whisper is not installed.
        CheckpointError: The folder has no model that it can read.
    """

    def __init__(
        self,
        folder: str | Path,
        device: str | None = None,
        compute_type: str = "auto",
        thresholds: SpeechThresholds | None = None,
        voice_activity: bool = True,
    ):
        super().__init__(thresholds, voice_activity)
        faster_whisper = import_faster_whisper()
        name, _, index = (device or "auto").partition(":")
        with foreign(str(folder), CheckpointError):
            self.model = faster_whisper.WhisperModel(
                str(folder),
                device=name,
                device_index=int(index or 0),
                compute_type=compute_type,
                local_files_only=True,
            )
        self.languages = frozenset(self.model.supported_languages)

    def hear(self, pieces: Sequence[np.ndarray], languages: Sequence[str | None]) -> list[Heard]:
        """See [`SpeechReader.hear`]. CTranslate2 has all cores work on one piece, so that there are no batches."""
        return [self._hear_one(piece, language) for piece, language in zip(pieces, languages)]

    def _hear_one(self, piece: np.ndarray, language: str | None) -> Heard:
        segments, info = self.model.transcribe(
            piece,
            language=language,
            beam_size=1,
            # No second try by sampling: what the first one is not sure of is not believed.
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        segments = list(segments)
        if not segments:
            return Heard("", 0.0, None, info.language)
        lengths = [max(segment.end - segment.start, 1e-3) for segment in segments]
        return Heard(
            text=" ".join(segment.text.strip() for segment in segments).strip(),
            mean_log_probability=float(np.average([segment.avg_logprob for segment in segments], weights=lengths)),
            no_speech_probability=float(np.average([segment.no_speech_prob for segment in segments], weights=lengths)),
            language=info.language,
        )
