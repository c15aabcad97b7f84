"""Hashtags that are not fit to be shown."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from ...errors import InputError
from ...utils.hashtag_words import split_hashtag
from .hashtag_filter import HashtagFilter, Removed
from .term_finder import TermFinder
from .term_lists import CATEGORIES, Term, allowed_phrases, check_categories, safety_terms

# Labels by which models of moderation say that there is nothing wrong.
_FINE = frozenset({"neutral", "safe", "ok", "non-toxic", "nontoxic", "not_toxic", "label_0", "normal", "clean"})
_SENTENCE = "A video about {words}. #{hashtag}"


class SafetyFilter(HashtagFilter):
    """
    Leaves out hashtags that say something hateful, sexual, violent or rude, or that speak of self-harm and disordered
    eating, drugs or scams, also where it is disguised (`#th1nspoo`, `#pro_ana`), and not those that only have the
    letters of it (`#Scunthorpe`, `#therapist`). See docs/safety.md for how well it does, and what it cannot do.

    Args:
        categories (`Iterable[str]`, *optional*): Of `"hate"`, `"self-harm"`, `"sexual"`, `"violence"`, `"drugs"`,
            `"scams"` and `"profanity"` those that count. All by default.
        min_severity (`int`, defaults to 1): Only terms at least so severe, from 1 (rude) to 3 (harmful).
        terms (`Iterable[Term]`, defaults to none): Further ones, see [`read_terms`]; they count in any category.
        allowed (`Iterable[str]`, defaults to none): Phrases that may be shown although a term stands in them, besides
            our own list of places, names, and words of help and advice.
        model (`str` or callable, *optional*): A text classifier of transformers, by its name, or the pipeline itself:
            it reads each hashtag in a sentence, and what it is sure of (`model_score`) is left out, too.
        model_score (`float`, defaults to 0.8): From 0 to 1.

    Raises:
        InputError: A category is not known, or a severity or score is out of range; ahocorasick-rs or wordfreq is
            not installed; or the model cannot be loaded.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import SafetyFilter

    >>> filter_ = SafetyFilter()
    >>> [found and found.category for found in filter_.removed(["th1nspoo", "scunthorpe", "c0caineparty"])]
    ['self-harm', None, 'drugs']

    ```
    """

    name = "unsafe"

    def __init__(
        self,
        categories: Iterable[str] | None = None,
        min_severity: int = 1,
        terms: Iterable[Term] = (),
        allowed: Iterable[str] = (),
        model: str | Callable[..., Any] | None = None,
        model_score: float = 0.8,
    ):
        if isinstance(categories, str):
            raise InputError(f"categories={categories!r} is one string: give a list, [{categories!r}].")
        counting = CATEGORIES if categories is None else tuple(categories)
        check_categories(counting)
        if min_severity not in (1, 2, 3):
            raise InputError(f"min_severity={min_severity!r}: give 1 (rude), 2 or 3 (harmful).")
        if not 0 <= model_score <= 1:
            raise InputError(f"model_score={model_score}: give a number from 0 to 1.")
        own = [term for term in safety_terms() if term.category in counting and term.severity >= min_severity]
        self._finder = TermFinder([*own, *terms], allowed_phrases() | frozenset(allowed))
        self._model = _text_classifier(model) if isinstance(model, str) else model
        self._model_score = model_score

    def removed(self, hashtags: Sequence[str]) -> list[Removed | None]:
        reasons = [self._reason(hashtag) for hashtag in hashtags]
        if self._model is None:
            return reasons
        left = [hashtag for hashtag, reason in zip(hashtags, reasons) if reason is None]
        judged = dict(zip(left, self._judged(left)))
        return [judged[tag] if reason is None else reason for tag, reason in zip(hashtags, reasons)]

    def _reason(self, hashtag: str) -> Removed | None:
        found = self._finder.find(hashtag)
        return None if found is None else Removed(hashtag, self.name, found.term.category, found.term.text)

    def _judged(self, hashtags: Sequence[str]) -> list[Removed | None]:
        if not hashtags:
            return []
        sentences = [_SENTENCE.format(words=" ".join(split_hashtag(tag)), hashtag=tag) for tag in hashtags]
        # Labels of their own each (a sigmoid), as most models of moderation have; the surest is told.
        answers = self._model(sentences, top_k=None)
        return [self._by_model(hashtag, labels) for hashtag, labels in zip(hashtags, answers)]

    def _by_model(self, hashtag: str, labels: Sequence[dict[str, Any]]) -> Removed | None:
        bad = [label for label in labels if label["label"].lower() not in _FINE]
        surest = max(bad, key=lambda label: label["score"], default=None)
        if surest is None or surest["score"] < self._model_score:
            return None
        return Removed(hashtag, self.name, surest["label"], "model")


@lru_cache(maxsize=4)
def shared_safety_filter(model: str | None = None) -> SafetyFilter:
    """
    The [`SafetyFilter`] of all categories, which is made once, since its words take seconds to read.

    Args:
        model (`str`, *optional*): See [`SafetyFilter`].

    Returns:
        [`SafetyFilter`]: The same for all calls.
    """
    return SafetyFilter(model=model)


def _text_classifier(name: str) -> Callable[..., Any]:
    from transformers import pipeline

    try:
        return pipeline("text-classification", model=name)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"safety_model={name!r} cannot be loaded as a text classifier: {error}. Give a folder or the id of a model"
            " for text-classification, or leave it out."
        ) from error
