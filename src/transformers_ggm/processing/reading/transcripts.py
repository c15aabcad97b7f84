"""What was heard of a clip's speech, and whether it is believed."""

import zlib
from dataclasses import dataclass

from ...errors import InputError


@dataclass(frozen=True)
class Transcript:
    """
    What a model wrote down of the speech in a clip.

    Attributes:
        text (`str`): All that it wrote, `""` where there is nothing.
        language (`str` or `None`): Code of the language that was given or found; `None` where the model tells none.
        mean_log_probability (`float` or `None`): Of the tokens, by the model; `None` where it wrote nothing.
        no_speech_probability (`float` or `None`): That nobody speaks, by the model; `None` where it tells none.
        doubt (`str` or `None`): Why the text is not believed; `None` where it is.

    Example:

    ```python
    >>> from transformers_ggm.processing.reading import Transcript

    >>> Transcript("first snow", "en", -0.2).believed
    'first snow'
    >>> Transcript("the the the", "en", -1.4, doubt="the model was not sure of it").believed
    ''

    ```
    """

    text: str = ""
    language: str | None = None
    mean_log_probability: float | None = None
    no_speech_probability: float | None = None
    doubt: str | None = None

    @property
    def believed(self) -> str:
        """The text, `""` where there is a doubt about it."""
        return self.text if self.doubt is None else ""


@dataclass(frozen=True)
class SpeechThresholds:
    """
    From where on a transcript is not believed. Models write fluent nonsense where they hear music, noise, or a
    language that they do not know.

    The compression ratio and the probability of no speech are Whisper's own thresholds. Its mean log-probability of
    -1 is where it tries again with sampling; a quarter of the German sentences given to an English-only model pass
    there, and none at -0.7 (docs/reading.md).

    Args:
        min_log_probability (`float`, defaults to -0.7): Least mean log-probability of the tokens.
        max_compression_ratio (`float`, defaults to 2.4): How much smaller zlib may make the text: more for a phrase
            that is written over and over.
        max_no_speech_probability (`float`, defaults to 0.6): Largest probability that nobody speaks, where the model
            tells one.

    Raises:
        `InputError`: A log-probability above 0, a ratio below 0, or a probability outside [0, 1].

    Example:

    ```python
    >>> from transformers_ggm.processing.reading import SpeechThresholds

    >>> thresholds = SpeechThresholds()
    >>> thresholds.doubt("snow in toronto", -0.3), thresholds.doubt("snow in toronto", -0.9)
    (None, 'the mean log-probability is -0.90, below -0.7')

    ```
    """

    min_log_probability: float = -0.7
    max_compression_ratio: float = 2.4
    max_no_speech_probability: float = 0.6

    def __post_init__(self):
        if self.min_log_probability > 0:
            raise InputError(f"`min_log_probability` is {self.min_log_probability}: give 0 or less.")
        if self.max_compression_ratio < 0:
            raise InputError(f"`max_compression_ratio` is {self.max_compression_ratio}: give 0 or more.")
        if not 0 <= self.max_no_speech_probability <= 1:
            raise InputError(
                f"`max_no_speech_probability` is {self.max_no_speech_probability}: give a number from 0 to 1."
            )

    def doubt(self, text: str, mean_log_probability: float, no_speech_probability: float | None = None) -> str | None:
        """
        Why a text is not believed, `None` where it is.

        Args:
            text (`str`): What the model wrote.
            mean_log_probability (`float`): Of its tokens.
            no_speech_probability (`float`, *optional*): As the model tells it.
        """
        if not text:
            return "nothing was understood"
        if mean_log_probability < self.min_log_probability:
            return f"the mean log-probability is {mean_log_probability:.2f}, below {self.min_log_probability:g}"
        if (ratio := compression_ratio(text)) > self.max_compression_ratio:
            return f"the compression ratio is {ratio:.1f}, above {self.max_compression_ratio:g}: it repeats itself"
        if (no_speech_probability or 0) > self.max_no_speech_probability:
            limit = self.max_no_speech_probability
            return f"the probability that nobody speaks is {no_speech_probability:.2f}, above {limit:g}"
        return None


def compression_ratio(text: str) -> float:
    """How much smaller zlib makes a text: Whisper's measure of a phrase that is written over and over."""
    encoded = text.encode("utf-8")
    return len(encoded) / len(zlib.compress(encoded))
