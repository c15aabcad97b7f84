"""Splitting hashtags of many languages into words, as people read them."""

from functools import lru_cache

import regex

from .unigrams import Unigrams, known_languages, unigrams_of

# The languages that a hashtag of each script may be in. Another one in Latin letters is looked at where it is named.
LANGUAGES = {
    "Latin": ("en", "es", "pt", "fr", "de", "it", "id", "tr"),
    "Cyrillic": ("ru", "uk", "bg", "mk"),
    "Arabic": ("ar", "fa", "ur"),
    "Greek": ("el",),
    "Hebrew": ("he",),
    "Devanagari": ("hi",),
    "Bengali": ("bn",),
    "Tamil": ("ta",),
    "Hangul": ("ko",),
    "Han": ("ja", "zh"),
}
_LETTERS = {script: rf"\p{{{script}}}" for script in LANGUAGES} | {"Han": r"\p{Han}\p{Hiragana}\p{Katakana}ー"}
# Letters of one script, with the digits among and behind them; other letters, and digits alone, as they come.
_RUNS = regex.compile(
    "|".join(rf"(?P<{script}>\p{{Nd}}*[{letters}][{letters}\p{{M}}\p{{Nd}}]*)" for script, letters in _LETTERS.items())
    + rf"|(?P<other>(?:(?![{''.join(_LETTERS.values())}])[\p{{L}}\p{{M}}\p{{Nd}}])+)"
)
_NO_SPACES = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
# Signs between letters are read as spaces.
_PARTS = regex.compile(r"[\p{L}\p{M}\p{Nd}]+")
# Where capitals show that a word begins: schönesWetter, DIYProject.
_WORD_BEGINS = regex.compile(r"(?<=[\p{Ll}\p{Lo}]\p{M}*)(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})")
# What an unknown word costs at least, and each letter of it: more than words that are known but rare.
_UNKNOWN_WORD, _UNKNOWN_LETTER = -10.0, -2.5
# How much likelier a language is that the hashtag is said to be in, and English, which most are in.
_SAID, _ENGLISH = 3.0, 1.0
_LONGEST_WORD = 24
# As wordfreq counts numbers.
_NUMBER = regex.compile(r"\d{2,}")


@lru_cache(maxsize=262_144)
def split_hashtag(hashtag: str, language: str = "") -> tuple[str, ...]:
    """
    The words of a hashtag in any language. Capitals within it say where words begin. Where there are none, the
    likeliest words are sought, as if each were drawn by itself as often as it is used (Viterbi's algorithm, with the
    frequencies of wordfreq), in all languages of its script, and those of the likeliest language are taken. Of scripts
    without a list of words, each character is a word if they are written without spaces, else the hashtag is.

    Args:
        hashtag (`str`): without '#', in any spelling.
        language (`str`, defaults to `""`): the code of a language that it is probably in, such as `"sv"`.

    Returns:
        `tuple[str, ...]`: the words in lower case, at least one.

    Raises:
        ImportError: wordfreq is not installed.

    Example:

    ```python
    >>> from transformers_ggm.utils.hashtag_words import split_hashtag

    >>> split_hashtag("feliznavidad"), split_hashtag("schönesWetter"), split_hashtag("первыйснег")
    (('feliz', 'navidad'), ('schönes', 'wetter'), ('первый', 'снег'))

    ```
    """
    words: list[str] = []
    for part in _PARTS.findall(hashtag):
        pieces = _WORD_BEGINS.split(part)
        for piece in pieces:
            if len(pieces) > 1 and piece[0].lower() != piece[0].upper():
                words.append(piece.lower())
            else:
                words += [word for run in _RUNS.finditer(piece.lower()) for word in _words_of(run, language)]
    return tuple(words) or (hashtag,)


def shows_words(hashtag: str) -> bool:
    """
    Whether capitals inside a hashtag show where its words begin.

    Example:

    ```python
    >>> from transformers_ggm.utils.hashtag_words import shows_words

    >>> shows_words("FirstSnow"), shows_words("Firstsnow"), shows_words("NASA")
    (True, False, False)

    ```
    """
    return _WORD_BEGINS.search(hashtag) is not None


def _words_of(run: regex.Match, language: str) -> list[str]:
    script, text = run.lastgroup, run[0]
    if script == "other":
        return regex.findall(r"\X", text) if _NO_SPACES.search(text) else [text]
    languages = LANGUAGES[script]
    if script == "Latin" and language not in languages and language in _other_latin_languages():
        languages = ("en", language)
    return _likeliest_words(text, unigrams_of(languages), language)


@lru_cache(maxsize=1)
def _other_latin_languages() -> frozenset[str]:
    return known_languages() - {language for languages in LANGUAGES.values() for language in languages}


def _likeliest_words(text: str, unigrams: Unigrams, language: str) -> list[str]:
    """The words that a text is made of in its likeliest language."""
    by_end, scores = _known_words(text, unigrams)
    found = []
    for code, of_language in zip(unigrams.languages, scores):
        likely = _SAID if code == language else _ENGLISH if code == "en" else 0.0
        score, begins = _best_words(by_end, of_language)
        found.append((score + likely, begins))
    begins, words, end = max(found, key=lambda pair: pair[0])[1], [], len(text)
    while end:
        words.append(text[begins[end] : end])
        end = begins[end]
    return words[::-1]


def _known_words(text: str, unigrams: Unigrams) -> tuple[list[list[int]], list[list[float]]]:
    """For every end the starts of known words, and of each language the log-probabilities of all of them in turn."""
    text = _NUMBER.sub(lambda number: "0" * len(number[0]), text)
    by_end: list[list[int]] = []
    rows: list[int] = []
    for end in range(1, len(text) + 1):
        starts = []
        for start in range(max(0, end - _LONGEST_WORD), end):
            row = unigrams.rows.get(text[start:end])
            if row is not None:
                starts.append(start)
                rows.append(row)
        by_end.append(starts)
    return by_end, unigrams.log_probabilities[rows].T.tolist()


def _best_words(by_end: list[list[int]], log_probabilities: list[float]) -> tuple[float, list[int]]:
    """The score of the likeliest words, and for every end where the last of them begins (Viterbi's algorithm)."""
    best, begins, values = [0.0], [0], iter(log_probabilities)
    unknown, unknown_begins = float("-inf"), 0  # of an unknown word that has not ended
    for end, starts in enumerate(by_end, start=1):
        if best[-1] + _UNKNOWN_WORD > unknown:
            unknown, unknown_begins = best[-1] + _UNKNOWN_WORD, end - 1
        unknown += _UNKNOWN_LETTER
        top, begin = unknown, unknown_begins
        for start in starts:
            score = best[start] + next(values)
            if score > top:
                top, begin = score, start
        best.append(top)
        begins.append(begin)
    return best[-1], begins
