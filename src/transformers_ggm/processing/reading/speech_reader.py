"""What all readers of speech share: pieces with voices in, one transcript a clip out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ..media.audio import resample
from .transcripts import SpeechThresholds, Transcript
from .voice_activity import SPEECH_RATE, equal_pieces, spoken_pieces


@dataclass(frozen=True)
class Heard:
    """
    What a model wrote of one piece of a sound.

    Attributes:
        text (`str`): may be empty.
        mean_log_probability (`float`): of its tokens.
        no_speech_probability (`float`, *optional*): that nobody speaks.
        language (`str`, *optional*): given or found.
    """

    text: str
    mean_log_probability: float
    no_speech_probability: float | None = None
    language: str | None = None


class SpeechReader(ABC):
    """
    Writes down what is spoken in clips. [`load_speech_reader`] makes one of a checkpoint.

    Args:
        thresholds ([`SpeechThresholds`], *optional*): from where on a transcript is not believed.
        voice_activity (`bool`, defaults to `True`): whether only those parts are read in which Silero VAD hears a
            voice; `False` reads all of a sound, singing over music too, and needs no extra.
    """

    # Codes of the languages that the model knows; `None` where it does not tell.
    languages: frozenset[str] | None = None

    def __init__(self, thresholds: SpeechThresholds | None = None, voice_activity: bool = True):
        self.thresholds = thresholds or SpeechThresholds()
        self.voice_activity = voice_activity

    @abstractmethod
    def hear(self, pieces: Sequence[np.ndarray], languages: Sequence[str | None]) -> list[Heard]:
        """
        Writes down some pieces of sounds.

        Args:
            pieces (`list[np.ndarray]`): each (n,) float32, mono, at 16 kHz, of at most 30 s.
            languages (`list[str]`): of each the code of its language, one of `languages`; `None` has it found.

        Returns:
            `list[Heard]`: one for each piece.
        """

    def read(
        self,
        sounds: Sequence[np.ndarray | None],
        languages: Sequence[str | None] | None = None,
        sampling_rate: int = SPEECH_RATE,
    ) -> list[Transcript]:
        """
        Reads the speech of some clips.

        Args:
            sounds (`list[np.ndarray]`): of each clip (n,) float32, mono; `None` for a clip without sound.
            languages (`list[str]`, *optional*): of each clip the code of its language, such as `"en"` or `"pt-BR"`;
                `None` where it is not known. Models that know of languages use it.
            sampling_rate (`int`, defaults to 16000): of the sounds, in Hz.

        Returns:
            `list[Transcript]`: one for each clip.

        Raises:
            InputError: there are not as many languages as sounds.
            ImportError: voices are to be found, and faster-whisper is not installed.
        """
        codes = [None] * len(sounds) if languages is None else [_code(language) for language in languages]
        if len(codes) != len(sounds):
            raise InputError(
                f"There are {len(sounds)} sounds, but {len(codes)} languages: give one for each, or None."
            )
        find = spoken_pieces if self.voice_activity else equal_pieces
        pieces: list[list[np.ndarray]] = [[] for _ in sounds]
        for number, (sound, code) in enumerate(zip(sounds, codes)):
            if sound is not None and len(sound) and self.knows(code):
                pieces[number] = find(resample(np.asarray(sound, np.float32), sampling_rate, SPEECH_RATE))
        flat = [(piece, codes[number]) for number, of_clip in enumerate(pieces) for piece in of_clip]
        heard = iter(self.hear([piece for piece, _ in flat], [code for _, code in flat]) if flat else [])
        return [
            self._transcript(sound, code, of_clip, [next(heard) for _ in of_clip])
            for sound, code, of_clip in zip(sounds, codes, pieces)
        ]

    def knows(self, code: str | None) -> bool:
        """Whether the model may know a language, by its code."""
        return code is None or self.languages is None or code in self.languages

    def _transcript(
        self, sound: np.ndarray | None, code: str | None, pieces: list[np.ndarray], heard: list[Heard]
    ) -> Transcript:
        if sound is None or not len(sound):
            return Transcript(language=code, doubt="there is no sound")
        if not self.knows(code):
            return Transcript(language=code, doubt=f"the model does not know the language {code!r}")
        if not pieces:
            return Transcript(language=code, doubt="nobody speaks")
        weights = [len(piece) for piece in pieces]
        text = " ".join(filter(None, (piece.text for piece in heard)))
        log_probability = float(np.average([piece.mean_log_probability for piece in heard], weights=weights))
        silence = [piece.no_speech_probability for piece in heard]
        no_speech = None if None in silence else float(np.average(silence, weights=weights))
        language = heard[int(np.argmax(weights))].language or code
        doubt = self.thresholds.doubt(text, log_probability, no_speech)
        return Transcript(text, language, log_probability, no_speech, doubt)


def _code(language: str | None) -> str | None:
    """The language alone of a code with a country or a script: `"pt"` of `"pt-BR"`."""
    return language.replace("_", "-").split("-")[0].lower() if language else None
