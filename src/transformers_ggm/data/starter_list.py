"""A list of hashtags to begin with, where there are no tagged posts yet."""

import csv
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from ..errors import InputError

_FILE = Path(__file__).with_name("starter_hashtags.tsv")


def starter_hashtags(languages: Iterable[str] | None = None, topics: Iterable[str] | None = None) -> list[str]:
    """
    Hashtags that are good in any year, about what people show in short videos: food, animals, sports, travel, music,
    crafts, feelings, seasons, jobs and so on. More than 5,000 are English; Spanish, French, German, Portuguese and
    Russian have more than 450 each. Brands, people and politics are not among them. The list was written for this
    package and has its licence.

    Args:
        languages (`Iterable[str]`, *optional*): codes, of `"en"`, `"es"`, `"fr"`, `"de"`, `"pt"` and `"ru"`. All by
            default.
        topics (`Iterable[str]`, *optional*): such as `"food"`, see [`starter_topics`]. All by default.

    Returns:
        `list[str]`: each once, without '#', with capitals where words begin.

    Raises:
        InputError: there is no such language or topic; the message names those there are.

    Example:

    ```python
    >>> from transformers_ggm.data import starter_hashtags

    >>> starter_hashtags(["de"], ["weather"])[:3]
    ['Regen', 'Regentag', 'Regenwetter']

    ```
    """
    rows = _rows()
    languages = _chosen(languages, dict.fromkeys(row["language"] for row in rows), "language")
    topics = _chosen(topics, starter_topics(), "topic")
    found = [row["hashtag"] for row in rows if row["language"] in languages and row["topic"] in topics]
    # Some words are the same in two languages.
    return list({hashtag.lower(): hashtag for hashtag in reversed(found)}.values())[::-1]


def starter_topics() -> list[str]:
    """
    The topics of [`starter_hashtags`].

    Returns:
        `list[str]`: their names, in the order of the list.

    Example:

    ```python
    >>> from transformers_ggm.data import starter_topics

    >>> starter_topics()[:4]
    ['food', 'dishes', 'baking', 'drinks']

    ```
    """
    return list(dict.fromkeys(row["topic"] for row in _rows()))


@lru_cache(maxsize=1)
def _rows() -> list[dict[str, str]]:
    with _FILE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def _chosen(asked: Iterable[str] | None, there: Iterable[str], kind: str) -> set[str]:
    if isinstance(asked, str):
        raise InputError(f"give a list of {kind}s, [{asked!r}], instead of the string {asked!r}.")
    chosen = set(there if asked is None else asked)
    if unknown := chosen - set(there):
        raise InputError(f"there is no starter list for the {kind} {min(unknown)!r}, only for {', '.join(there)}.")
    return chosen
