"""Candidates for the hashtags of a clip, and what gives them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from transformers.utils import logging

from ..errors import InputError, SourceError
from ..processing.hashtags import is_valid_hashtag, normalize_hashtag
from .checkpoint_parts import CheckpointParts
from .clues import Clues

logger = logging.get_logger(__name__)

ON_ERROR = ("raise", "skip")
# The source that is told apart from those that retrieve: it is guided by them, and knows hashtags that nobody used.
GENERATOR = "generator"


@dataclass(frozen=True)
class Candidate:
    """
    A hashtag that a source proposes.

    Attributes:
        hashtag (`str`): normalised, without `#`.
        score (`float`): the source's own: more is better, 0 is as good as not proposed.
        evidence (`Mapping[str, float]`, defaults to `{}`): further scores by the names that the source's `evidence`
            lists; a ranker takes 0 for those that it lacks.

    Example:

    ```python
    >>> from transformers_ggm import Candidate

    >>> Candidate("snow", 0.5, {"posts": 3.0})
    Candidate(hashtag='snow', score=0.5, evidence={'posts': 3.0})

    ```
    """

    hashtag: str
    score: float
    evidence: Mapping[str, float] = field(default_factory=dict)


class CandidateSource(ABC):
    """
    Proposes hashtags. Batched: one call for many rows. A source sees neither the hashtags of the row itself nor
    anything that is later than its `time`.

    One of your own is a class with `candidates`; [`register_source`] gives it a name:

    ```python
    >>> from transformers_ggm.recommendation import Candidate, CandidateSource, Clues, register_source

    >>> @register_source("question")
    ... class QuestionSource(CandidateSource):
    ...     def candidates(self, rows, k):
    ...         return [[Candidate("question", 1.0)][:k] if "?" in row.text else [] for row in rows]

    >>> QuestionSource().candidates([Clues("snow?"), Clues("snow")], k=5)
    [[Candidate(hashtag='question', score=1.0, evidence={})], []]

    ```

    Attributes:
        name (`str`): by which its scores are known to a ranker.
        evidence (`tuple[str, ...]`): the names of further scores that its candidates have.
    """

    name: str = ""
    evidence: tuple[str, ...] = ()

    @abstractmethod
    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        """
        Args:
            rows (`Sequence[Clues]`): Clips.
            k (`int`): How many at most.

        Returns:
            `list[list[Candidate]]`: For each row its candidates, best first, each hashtag once; fewer, or none, where
            the source knows of no more.
        """

    def training_candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        """
        [`~CandidateSource.candidates`] of rows that the source learned from itself: as if it had not, so that a model
        that learns from them finds them as good, and as bad, as those of new rows. By default the same.

        Args:
            rows (`Sequence[Clues]`): Clips that the source learned from.
            k (`int`): How many at most.

        Returns:
            `list[list[Candidate]]`: As [`~CandidateSource.candidates`].
        """
        return self.candidates(rows, k)

    def add_hashtags(self, counts: Mapping[str, int]) -> None:  # noqa: B027
        """
        Takes in hashtags that are known from now on. By default nothing changes.

        Args:
            counts (`Mapping[str, int]`): Normalised hashtags, with how many more uses of each there are.
        """

    def remove_hashtags(self, hashtags: Collection[str]) -> None:  # noqa: B027
        """
        Forgets hashtags. By default nothing changes.

        Args:
            hashtags (`Collection[str]`): Normalised.
        """

    def settings(self) -> dict[str, Any]:
        """
        What a checkpoint's `recommendation.json` keeps of the source, beside its name: the arguments of
        [`~CandidateSource.from_settings`], as JSON has them. None by default.
        """
        return {}

    def parts(self) -> dict[str, Any]:
        """
        What is saved in folders of the checkpoint: by folder, an object with `save_pretrained(folder)`. By default
        nothing, and nothing that is the checkpoint's own (model, retriever, pool) in any case.
        """
        return {}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], parts: CheckpointParts) -> "CandidateSource":
        """
        The source of a checkpoint. By default the class is called with its settings.

        Args:
            settings (`Mapping[str, Any]`): As [`~CandidateSource.settings`] gave them.
            parts ([`CheckpointParts`]): Of the checkpoint.
        """
        return cls(**settings)


SOURCES: dict[str, type[CandidateSource]] = {}


_Source = TypeVar("_Source", bound=CandidateSource)


def register_source(name: str) -> Callable[[type[_Source]], type[_Source]]:
    """
    Gives a source its name, by which [`source_class`] finds it.

    Args:
        name (`str`): One that no source has yet. A class of the same module and qualified name replaces the one before
            it, so that a cell of a notebook can run again.

    Returns:
        `Callable[[type[CandidateSource]], type[CandidateSource]]`: A decorator of the class, which it gives back with
        its `name` set.

    Raises:
        SourceError: Another source has the name; raised when the class is decorated.
    """

    def register(source: type[_Source]) -> type[_Source]:
        known = SOURCES.setdefault(name, source)
        if (known.__module__, known.__qualname__) != (source.__module__, source.__qualname__):
            raise SourceError(f"there is a source {name!r} already ({known.__qualname__}): give another name.")
        SOURCES[name] = source
        source.name = name
        return source

    return register


def source_class(name: str) -> type[CandidateSource]:
    """
    The source that was registered under a name.

    Args:
        name (`str`): As given to [`register_source`], such as `"history"`. Those of this package are registered.

    Returns:
        `type[CandidateSource]`: The class, to be made with its own arguments.

    Raises:
        SourceError: There is none; the message lists those that there are.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import source_class

    >>> source_class("history")
    <class 'transformers_ggm.recommendation.sources.history.HistorySource'>

    ```
    """
    if name not in SOURCES:
        raise SourceError(f"there is no source {name!r}: use one of {', '.join(map(repr, sorted(SOURCES)))}.")
    return SOURCES[name]


def source_name(source: CandidateSource) -> str:
    """The name under which a source's class was registered, else the source's own."""
    return next((name for name, kind in SOURCES.items() if kind is type(source)), source.name)


Found = dict[str, list[list[Candidate]]]


def gather_candidates(
    sources: Sequence[CandidateSource],
    rows: Sequence[Clues],
    k: int = 50,
    *,
    on_error: str = "raise",
    training: bool = False,
) -> Found:
    """
    The candidates of several sources.

    Args:
        sources (`Sequence[CandidateSource]`): Of different names.
        rows (`Sequence[Clues]`): Clips.
        k (`int`, defaults to 50): How many candidates of each source for each row.
        on_error (`str`, defaults to `"raise"`): `"skip"` goes on without a source that fails, and warns.
        training (`bool`, defaults to `False`): Whether the sources learned from these very rows.

    Returns:
        `dict[str, list[list[Candidate]]]`: By the source's name; each hashtag of a row once, normalised.

    Raises:
        InputError: A row is not [`Clues`], or `k` is below 1.
        SourceError: Two sources have one name, or one has none; `on_error` is neither `"raise"` nor `"skip"`; a source
            failed, gave lists for another number of rows, or proposed what is no hashtag or has a score that is no
            finite number, and the message names it.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import Clues, FrequentSource, gather_candidates

    >>> found = gather_candidates([FrequentSource({"snow": 3, "lake": 1})], [Clues("a walk")], k=1)
    >>> [candidate.hashtag for candidate in found["frequent"][0]]
    ['snow']

    ```
    """
    names = [source.name for source in sources]
    if "" in names or len(set(names)) < len(names):
        raise SourceError(f"the sources are called {names}: give each one a name of its own.")
    if on_error not in ON_ERROR:
        raise SourceError(f"on_error={on_error!r}: use one of {', '.join(map(repr, ON_ERROR))}.")
    check_number("k", k)
    strange = [row for row in rows if not isinstance(row, Clues)]
    if strange:
        raise InputError(f"a row is a {type(strange[0]).__name__}: make Clues of data rows by clues_of(rows).")
    found = {}
    for source in sources:
        propose = source.training_candidates if training else source.candidates
        try:
            found[source.name] = _checked(propose(rows, k), len(rows), k)
        except Exception as error:
            message = f"the source {source.name!r} failed ({type(error).__name__}: {error})"
            if on_error == "raise":
                raise SourceError(f"{message}: mend it, leave it out, or pass on_error='skip'.") from error
            logger.warning(f"{message}; the others go on.")
            found[source.name] = [[] for _ in rows]
    return found


def check_number(name: str, value: int) -> None:
    """
    Raises:
        InputError: The argument called `name` is no whole number, or below 1.
    """
    if not isinstance(value, int) or value < 1:
        raise InputError(f"{name}={value!r}: give a whole number of 1 or more.")


def check_counts(counts: Mapping[str, int]) -> None:
    """
    Raises:
        InputError: A count is below 0, or no number.
    """
    wrong = next((hashtag for hashtag, count in counts.items() if not count >= 0), None)
    if wrong is not None:
        raise InputError(f"counts has {counts[wrong]} for {wrong!r}: give 0 or more.")


def _checked(rows: list[list[Candidate]], size: int, k: int) -> list[list[Candidate]]:
    if len(rows) != size:
        raise SourceError(f"it answered {len(rows)} lists of candidates for {size} rows")
    return [_each_once(row)[:k] for row in rows]


def _each_once(row: list[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for candidate in row:
        if not is_valid_hashtag(candidate.hashtag):
            raise SourceError(f"it proposed {candidate.hashtag!r}, which is no hashtag")
        if not all(map(math.isfinite, (candidate.score, *candidate.evidence.values()))):
            raise SourceError(f"its scores of {candidate.hashtag!r} are not all finite: {candidate}")
        hashtag = normalize_hashtag(candidate.hashtag)
        if hashtag not in best:
            same = hashtag == candidate.hashtag
            best[hashtag] = candidate if same else Candidate(hashtag, candidate.score, candidate.evidence)
    return list(best.values())


def best_candidates(
    scored: Mapping[str, float], k: int, evidence: Mapping[str, dict] | None = None
) -> list[Candidate]:
    """The `k` candidates with the best scores above 0; of equal ones the first in alphabetical order."""
    evidence = evidence or {}
    best = sorted((item for item in scored.items() if item[1] > 0), key=lambda item: (-item[1], item[0]))[:k]
    return [Candidate(hashtag, float(score), evidence.get(hashtag, {})) for hashtag, score in best]
