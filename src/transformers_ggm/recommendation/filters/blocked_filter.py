"""What its owner does not want to be shown."""

from collections.abc import Iterable, Sequence
from fnmatch import translate

import regex

from ...errors import InputError
from .folded_hashtag import Folded, fold_hashtag
from .hashtag_filter import HashtagFilter, Removed
from .known_words import words_of
from .safety_filter import SafetyFilter
from .term_finder import TermFinder
from .term_lists import Term, check_categories

_WILDCARDS = regex.compile(r"[*?]")
_SOMETHING = regex.compile(r"[\p{L}\p{Nd}]")


class BlockedFilter(HashtagFilter):
    """
    Leaves out what its owner blocks: never shown joined with other words, split by signs, or disguised.

    Args:
        blocked (`Iterable[str]`, defaults to none): Hashtags or phrases (`"acme"` blocks `#acme`, `#BuyAcme2024`,
            `#ac_me` and `#4cme`, but not `#placement`), and patterns with wildcards over the whole hashtag, `*` for
            any letters and `?` for one (`"*sale*"` blocks `#summersale` and `#wholesale`). Nothing is blocked by none.
        categories (`Iterable[str]`, defaults to none): Those of [`SafetyFilter`] that are blocked as a whole.
        everything (`bool`, defaults to `False`): Confirms a pattern that matches all hashtags, and so blocks all.

    Raises:
        InputError: One of them has no letters or digits, or matches everything and `everything` is not set; a
            category is not known; or a library is not installed.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import BlockedFilter

    >>> found = BlockedFilter(["acme", "*sale*"]).removed(["acmeshop", "summersale", "placement"])
    >>> [each and each.because for each in found]
    ['acme', '*sale*', None]

    ```
    """

    name = "blocked"

    def __init__(self, blocked: Iterable[str] = (), categories: Iterable[str] = (), everything: bool = False):
        if isinstance(blocked, str) or isinstance(categories, str):
            raise InputError("blocked and categories are lists of strings: give [...] instead of one string.")
        entries, categories = list(dict.fromkeys(blocked)), tuple(categories)
        check_categories(categories)
        for entry in entries:
            _check_entry(entry, everything)
        self._patterns = [(entry, _Pattern(entry)) for entry in entries if _WILDCARDS.search(entry)]
        words = [entry for entry in entries if not _WILDCARDS.search(entry)]
        self._whole = {fold_hashtag(word).letters: word for word in words}
        self._finder = TermFinder([Term(word, self.name) for word in words]) if words else None
        self._categories = SafetyFilter(categories) if categories else None

    def removed(self, hashtags: Sequence[str]) -> list[Removed | None]:
        reasons = [self._reason(hashtag) for hashtag in hashtags]
        if self._categories is None:
            return reasons
        unsafe = self._categories.removed(hashtags)
        return [
            reason or (found and Removed(found.hashtag, self.name, found.category, found.because))
            for reason, found in zip(reasons, unsafe)
        ]

    def _reason(self, hashtag: str) -> Removed | None:
        folded = fold_hashtag(hashtag)
        because = self._whole.get(folded.letters)
        for entry, pattern in () if because else self._patterns:
            if pattern.matches(folded):
                because = entry
                break
        if because is None and self._finder is not None:
            found = self._finder.find(hashtag)
            because = None if found is None else found.term.text
        return None if because is None else Removed(hashtag, self.name, None, because)


class _Pattern:
    """A pattern with wildcards, over letters and over skeletons."""

    def __init__(self, entry: str):
        parts = _WILDCARDS.split(entry)
        signs = [*_WILDCARDS.findall(entry), ""]
        folded = [fold_hashtag(part) for part in parts]
        self._letters = regex.compile(translate("".join(each.letters + sign for each, sign in zip(folded, signs))))
        self._skeleton = regex.compile(translate("".join(each.skeleton + sign for each, sign in zip(folded, signs))))

    def matches(self, folded: Folded) -> bool:
        if self._letters.match(folded.letters):
            return True
        # Skeletons of innocent words can match, too.
        is_word = folded.letters.isalpha() and folded.letters.isascii() and folded.letters in words_of("Latin")
        return not is_word and self._skeleton.match(folded.skeleton) is not None


def _check_entry(entry: str, everything: bool) -> None:
    if not isinstance(entry, str) or not (_SOMETHING.search(entry) or _WILDCARDS.search(entry)):
        raise InputError(f"blocked has {entry!r}, which has no letters: give hashtags, phrases or patterns.")
    if "*" in entry and not _SOMETHING.search(entry) and not everything:
        raise InputError(
            f"blocked has {entry!r}, which matches every hashtag, so that nothing would be shown: give a narrower"
            " one, or confirm it by BlockedFilter([...], everything=True)."
        )
