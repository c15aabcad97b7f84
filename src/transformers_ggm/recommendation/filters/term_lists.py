"""Terms that make a hashtag unsafe, by category: our own lists in six languages, and lists of others."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ...errors import InputError
from .folded_hashtag import fold_hashtag
from .packaged_table import packaged_rows

CATEGORIES = ("hate", "self-harm", "sexual", "violence", "drugs", "scams", "profanity")
LANGUAGES = ("en", "es", "de", "fr", "pt", "zh")
_FOLDER = Path(__file__).with_name("terms")
_ALLOWED = Path(__file__).with_name("allowed_phrases.tsv")


@dataclass(frozen=True)
class Term:
    """
    A word or phrase that is not to be shown.

    Attributes:
        text (`str`): as people write it, words apart by spaces.
        category (`str`): such as `"drugs"`.
        severity (`int`): 1 (rude), 2 (not for all), 3 (harmful).
    """

    text: str
    category: str
    severity: int = 3


@lru_cache(maxsize=8)
def safety_terms(languages: tuple[str, ...] = LANGUAGES) -> tuple[Term, ...]:
    """
    Our own lists. They were written for this package, are small, and say what the terms of other lists do not:
    categories and severity. Native readers have not gone over them yet.

    Args:
        languages (`tuple[str, ...]`, defaults to all): Of `"en"`, `"es"`, `"de"`, `"fr"`, `"pt"` and `"zh"`.

    Returns:
        `tuple[Term, ...]`: Each once.

    Raises:
        InputError: There is no list in one of the languages.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import safety_terms

    >>> sorted({term.category for term in safety_terms(("en",))})
    ['drugs', 'hate', 'profanity', 'scams', 'self-harm', 'sexual', 'violence']

    ```
    """
    unknown = sorted(set(languages) - set(LANGUAGES))
    if unknown:
        raise InputError(f"there is no list of unsafe terms in {unknown[0]!r}, only in {', '.join(LANGUAGES)}.")
    found = {}
    for language in languages:
        for row in packaged_rows(_FOLDER / f"{language}.tsv"):
            for text in row["terms"].split(", "):
                found.setdefault(text, Term(text, row["category"], int(row["severity"])))
    return tuple(found.values())


def read_terms(file: str | os.PathLike, category: str = "listed", severity: int = 3) -> tuple[Term, ...]:
    r"""
    Reads a list of terms: a text file of one term a line, as those of LDNOOBW (https://github.com/LDNOOBW) are, or
    one in the form of our own, whose first line is `category`, `severity` and `terms`, apart by tabs.

    Args:
        file (`str` or `os.PathLike`): In UTF-8. Empty lines and those that begin with `#` and a space are passed over.
        category (`str`, defaults to `"listed"`): Of terms without one.
        severity (`int`, defaults to 3): Of terms without one.

    Returns:
        `tuple[Term, ...]`: Each once.

    Raises:
        InputError: The file cannot be read, or has no terms, or a line has no severity from 1 to 3.

    Example:

    ```python
    >>> import pathlib, tempfile
    >>> from transformers_ggm.recommendation.filters import read_terms

    >>> file = pathlib.Path(tempfile.mkdtemp(), "en.txt")
    >>> _ = file.write_text("secret project\nacme\n")
    >>> [term.text for term in read_terms(file, category="ours")]
    ['secret project', 'acme']

    ```
    """
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as a list of terms in UTF-8: {error}") from error
    lines = [line.strip() for line in lines]
    if lines and lines[0].split("\t") == ["category", "severity", "terms"]:
        terms = [term for number, line in enumerate(lines[1:], 2) if line for term in _of_row(file, number, line)]
    else:
        terms = [Term(line, category, severity) for line in lines if line and not line.startswith("# ")]
    terms = [term for term in terms if fold_hashtag(term.text).letters]
    if not terms:
        raise InputError(f"{file} has no terms: give a file of one term a line, or leave it out.")
    return tuple({term.text: term for term in terms}.values())


def allowed_phrases() -> frozenset[str]:
    """Innocent words and phrases that an unsafe term stands in: places, names, help and advice."""
    return frozenset(row["phrase"] for row in packaged_rows(_ALLOWED))


def folded_phrases(phrases: Iterable[str]) -> frozenset[str]:
    """Phrases as folded letters."""
    return frozenset(fold_hashtag(phrase).letters for phrase in phrases) - {""}


def check_categories(categories: Sequence[str], known: Iterable[str] = CATEGORIES) -> None:
    """
    Raises:
        InputError: One of them is not known.
    """
    unknown = sorted(set(categories) - set(known))
    if unknown:
        raise InputError(f"there is no category {unknown[0]!r}, only {', '.join(known)}.")


def _of_row(file: str | os.PathLike, number: int, line: str) -> list[Term]:
    parts = line.split("\t")
    if len(parts) != 3 or parts[1] not in ("1", "2", "3"):
        raise InputError(f"{file}, line {number}: give category, severity (1 to 3) and terms, apart by tabs.")
    return [Term(text.strip(), parts[0], int(parts[1])) for text in parts[2].split(",") if text.strip()]
