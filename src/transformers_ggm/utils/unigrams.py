"""How often words are used in the languages of a script, by the lists of wordfreq (Speer, 2022)."""

import math
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from types import ModuleType

import numpy as np
import regex

# Of each language, so many of its commonest spellings: rarer ones are names and slips as often as words.
MOST_WORDS = 100_000
# People leave accents out of hashtags: such a spelling counts as a third of the right one.
_WITHOUT_ACCENTS = math.log(1 / 3)
# English words stand in hashtags of every language in Latin letters: one word in ten, say.
_ENGLISH = math.log(1 / 10)
_MARKS = regex.compile(r"\p{Mn}+")


class Unigrams:
    """
    The logarithms of how often words are used, in several languages at once.

    Args:
        languages (`Sequence[str]`): The `l` codes of languages that wordfreq knows. Where English is among them, its
            words count in the others too.

    Attributes:
        languages (`tuple[str, ...]`): As given.
        rows (`dict[str, int]`): The row of each known spelling in lower case. Of a number that has two digits or more
            it has as many zeros.
        log_probabilities (`np.ndarray` of shape `(n, l)`): float32.

    Raises:
        ImportError: wordfreq is not installed.

    Example:

    ```python
    >>> from transformers_ggm.utils.unigrams import Unigrams

    >>> unigrams = Unigrams(["en", "es"])
    >>> int(unigrams.log_probabilities[unigrams.rows["navidad"]].argmax())
    1

    ```
    """

    def __init__(self, languages: Sequence[str]):
        self.languages = tuple(languages)
        lists = [_spellings(language) for language in self.languages]
        self.rows = {word: row for row, word in enumerate(dict.fromkeys(chain.from_iterable(lists)))}
        self.log_probabilities = np.full((len(self.rows), len(lists)), -np.inf, np.float32)
        for column, words in enumerate(lists):
            rows = np.fromiter(map(self.rows.__getitem__, words), np.int64, len(words))
            self.log_probabilities[rows, column] = np.fromiter(words.values(), np.float32, len(words))
        if "en" in self.languages:
            english = self.log_probabilities[:, [self.languages.index("en")]]
            self.log_probabilities = np.maximum(self.log_probabilities, english + _ENGLISH)


@lru_cache(maxsize=8)
def unigrams_of(languages: tuple[str, ...]) -> Unigrams:
    """The [`Unigrams`] of some languages, which take a second or two to read and are kept."""
    return Unigrams(languages)


def known_languages() -> frozenset[str]:
    """
    The codes of all languages that have a list.

    Raises:
        ImportError: wordfreq is not installed.
    """
    return frozenset(_wordfreq().available_languages())


def _spellings(language: str) -> dict[str, float]:
    """The commonest words of a language, as hashtags have them, each with its log-probability."""
    # Read by ourselves, since `get_frequency_list` would keep the rare words in memory, too.
    file = _wordfreq().available_languages()[language]
    found: dict[str, float] = {}
    # Words come in classes of equal frequency, each a hundredth of a decibel below the last.
    for centibels, words in enumerate(_wordfreq().read_cBpack(file)):
        if not words:
            continue
        log_probability = -centibels / 100 * math.log(10)
        for word, plain in zip(_in_hashtags(words), _without_accents(words)):
            found.setdefault(word, log_probability)
            found.setdefault(plain, log_probability + _WITHOUT_ACCENTS)
        if len(found) >= MOST_WORDS:
            break
    return found


def _in_hashtags(words: Sequence[str]) -> list[str]:
    return "\n".join(words).replace("'", "").split("\n")


def _without_accents(words: Sequence[str]) -> list[str]:
    """Words without their accents, with ss for ß and, as inside longer hashtags, without a final sigma."""
    text = "\n".join(_in_hashtags(words))
    if not text.isascii():
        text = unicodedata.normalize("NFD", text).replace("ß", "ss").replace("ς", "σ")
        text = unicodedata.normalize("NFC", _MARKS.sub("", text))
    return text.split("\n")


def _wordfreq() -> ModuleType:
    try:
        import wordfreq
    except ImportError as error:
        raise ImportError(
            "Splitting hashtags of many languages into words needs `pip install transformers-ggm[recommend]`."
        ) from error
    return wordfreq
