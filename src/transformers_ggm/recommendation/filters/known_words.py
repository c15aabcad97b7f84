"""Words of many languages with how likely they are, against which terms are weighed."""

from collections.abc import Iterator
from functools import lru_cache

import regex

from ...errors import InputError
from ...utils.hashtag_words import LANGUAGES
from ...utils.unigrams import unigrams_of

_SCRIPTS = {script: regex.compile(rf"\p{{{script}}}") for script in LANGUAGES if script != "Han"} | {
    "Han": regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
}
# How much likelier a word with accents must be for the same letters without them to be that word, in nats.
_LIKELIER = 0.9


def vocabularies(text: str) -> Iterator[dict[str, float]]:
    """
    The words of the scripts that a text has, with their log-probabilities.

    Raises:
        InputError: wordfreq is not installed.
    """
    return (words_of(script) for script, letters in _SCRIPTS.items() if letters.search(text))


@lru_cache(maxsize=len(LANGUAGES))
def words_of(script: str) -> dict[str, float]:
    """
    The words of the languages of a script, each with its log-probability in the language that has it most.

    Raises:
        InputError: wordfreq is not installed.
    """
    try:
        unigrams = unigrams_of(LANGUAGES[script])
    except ImportError as error:
        raise InputError("Reading hashtags needs wordfreq: `pip install transformers-ggm[safety]`.") from error
    return dict(zip(unigrams.rows, unigrams.log_probabilities.max(axis=1).tolist()))


def is_own_word(plain: str, accented: str) -> bool:
    """Whether letters without accents are a word of their own, not one whose accents were left out."""
    words = words_of("Latin")
    return plain in words and words[plain] > words.get(accented, float("-inf")) - _LIKELIER
