"""How hashtags are split into words, by name. ROUGE is computed on such words (Yu et al., ACL 2023, section 4.2)."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import packages_distributions, version

import regex

from .hashtag_words import split_hashtag

WordSplitter = Callable[[str], Sequence[str]]


@lru_cache(maxsize=65_536)
def split_words(hashtag: str) -> tuple[str, ...]:
    """
    The words that a hashtag is made of, by wordninja. A hashtag outside ASCII is kept as one word: wordninja drops
    every other letter.

    Args:
        hashtag (`str`): without '#'.

    Returns:
        `tuple[str, ...]`: the words, at least one.

    Raises:
        ImportError: wordninja is not installed.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import split_words
    >>> split_words("bluesquare")
    ('blue', 'square')
    >>> split_words("münchen")
    ('münchen',)

    ```
    """
    if not hashtag.isascii():
        return (hashtag,)
    try:
        import wordninja
    except ImportError as error:
        raise ImportError("Splitting hashtags into words needs `pip install transformers-ggm[eval]`.") from error
    return tuple(wordninja.split(hashtag)) or (hashtag,)


def split_characters(hashtag: str) -> tuple[str, ...]:
    """Every letter as a word, for scripts without spaces; accents and other marks stay with their letter."""
    return tuple(regex.findall(r"\X", hashtag))


def keep_whole(hashtag: str) -> tuple[str, ...]:
    """The hashtag as one word."""
    return (hashtag,)


WORD_SPLITTERS: dict[str, WordSplitter] = {
    "wordninja": split_words,
    "characters": split_characters,
    "whole": keep_whole,
    "wordfreq": split_hashtag,
}


def get_word_splitter(word_splitter: str | WordSplitter) -> WordSplitter:
    """
    The function that splits a hashtag into words.

    Args:
        word_splitter (`str` or callable): `"wordninja"` (the paper's; English, hashtags outside ASCII stay whole),
            `"characters"` (every letter is a word), `"whole"` (a hashtag is one word), `"wordfreq"` (many languages,
            see [`~processing.split_hashtag`]), or any function from a hashtag to its words, for instance
            `wordninja.LanguageModel("french.txt.gz").split`.

    Returns:
        callable: from a hashtag (`str`) to its words (`tuple[str, ...]`).

    Raises:
        ValueError: there is no splitter of that name.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import get_word_splitter
    >>> get_word_splitter("characters")("東京")
    ('東', '京')

    ```
    """
    if callable(word_splitter):
        return word_splitter
    if word_splitter not in WORD_SPLITTERS:
        names = ", ".join(map(repr, WORD_SPLITTERS))
        raise ValueError(f"`word_splitter` is {word_splitter!r}: give one of {names}, or a function.")
    return WORD_SPLITTERS[word_splitter]


def word_splitter_name(word_splitter: str | WordSplitter) -> str:
    """
    Name of a splitter for reports: that of the choice, or of the function with its module; and the version of the
    distribution it comes from, where there is one.

    Args:
        word_splitter (`str` or callable): see [`get_word_splitter`].

    Returns:
        `str`: such as `"wordninja 2.0.0"`.

    Raises:
        ValueError: there is no splitter of that name.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import word_splitter_name
    >>> word_splitter_name("wordninja")
    'wordninja 2...'

    ```
    """
    splitter = get_word_splitter(word_splitter)
    choice = next((name for name, function in WORD_SPLITTERS.items() if function is splitter), None)
    if choice in ("wordninja", "wordfreq"):
        return f"{choice} {version(choice)}"
    if choice is not None:
        from ..version import __version__  # the package's last name to be set, so not at import

        return f"{choice} (transformers-ggm {__version__})"
    # A bound method is named by the class that it belongs to, an object that can be called by its own class.
    named = splitter if hasattr(splitter, "__qualname__") else type(splitter)
    module = getattr(named, "__module__", None) or "builtins"
    distributions = packages_distributions().get(module.partition(".")[0])
    suffix = f" ({distributions[0]} {version(distributions[0])})" if distributions else ""
    return f"{module}.{named.__qualname__}{suffix}"
