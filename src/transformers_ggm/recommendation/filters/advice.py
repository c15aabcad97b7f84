"""Help, warnings and remembrance: hashtags that name something harmful to speak against it."""

from functools import lru_cache
from pathlib import Path

from .folded_hashtag import Folded, fold_hashtag, plain_letter
from .packaged_table import packaged_rows
from .term_matcher import Occurrence

_FILE = Path(__file__).with_name("advice.tsv")
# Who warns writes plainly: in nats.
_PLAINLY = 0.9


def is_advice(folded: Folded, occurrence: Occurrence) -> bool:
    """
    Whether a hashtag speaks against what it names: #suicideprevention, #nodrogas.

    Args:
        folded ([`Folded`]): The hashtag.
        occurrence ([`Occurrence`]): The term in it.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import SafetyFilter

    >>> [found is None for found in SafetyFilter().removed(["drugawarenessweek", "stopsuicide", "suicidegoals"])]
    [True, True, False]

    ```
    """
    if occurrence.cost > _PLAINLY:
        return False
    before, after = (_plain(part) for part in (folded.letters[: occurrence.start], folded.letters[occurrence.end :]))
    for words, firsts in _advice().get(_plain(fold_hashtag(occurrence.term.text).letters), ()):
        if before in firsts or any(word in before or word in after for word in words):
            return True
    return False


@lru_cache(maxsize=1)
def _advice() -> dict[str, list[tuple[tuple[str, ...], frozenset[str]]]]:
    """By term the words that stand anywhere, and those that a hashtag begins with."""
    found: dict[str, list[tuple[tuple[str, ...], frozenset[str]]]] = {}
    for row in packaged_rows(_FILE):
        words, firsts = (tuple(filter(None, (row[column] or "").split(", "))) for column in ("words", "before"))
        for term in row["terms"].split(", "):
            found.setdefault(_plain(fold_hashtag(term).letters), []).append((words, frozenset(firsts)))
    return found


def _plain(letters: str) -> str:
    return "".join(map(plain_letter, letters))
