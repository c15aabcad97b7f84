"""The hashtags that are on the rise."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ...retrieval.hashtag_pool import HashtagPool
from ...retrieval.hashtag_uses import EVERYWHERE, HALF_LIVES, HashtagUses, UseCounters, halved, scopes_of
from ...retrieval.times import microseconds, parse_time
from ...utils.checkpoint_layout import POOL_FOLDER
from ..candidates import Candidate, CandidateSource, best_candidates, register_source
from ..checkpoint_parts import CheckpointParts
from ..clues import Clues

# So many uses that fit the long-term rate are taken for granted: few uses say little.
PRIOR_USES = 1.0
# The 5% quantile of the standard normal distribution.
_LOW = -1.645
_DAY, _MONTH = list(HALF_LIVES).index("day"), list(HALF_LIVES).index("month")
_MICROSECONDS_OF_A_DAY = 86_400 * 10**6
_MICROSECONDS_OF_A_MONTH = 30 * _MICROSECONDS_OF_A_DAY


@register_source("trends")
class TrendsSource(CandidateSource):
    """
    The hashtags on the rise at a row's time, by the uses that a pool was told of ([`HashtagPool.observe`]); those that
    the pool has no vector of yet, too. A hashtag is scored by its uses of the last day or so (decayed) times the rise:
    their number over what its uses of the last months let expect. Of that the lower 5% bound counts, by a
    gamma-Poisson model (EB05; DuMouchel, The American Statistician 1999), so that two uses of a new hashtag are no
    trend. The scores everywhere, in the row's language and in its country are added, as far as these are known.

    Nothing at or after a row's time is used: hashtags whose last use is later are left out. A row without a time is
    one after all that was observed. It costs a few milliseconds for each different time of a batch.

    Evidence: `hour`, `day`, `week`, `month`, the logarithms of the decayed uses; `rise`, the lower bound; `language`
    and `country`, as `day` but in those of the row; `age`, the logarithm of the days since the first use.

    Args:
        pool ([`HashtagPool`]): Its uses; what it observes later counts from then on.
        posts (iterable of `dict`, *optional*): What the pool observed, for
            [`~CandidateSource.training_candidates`]: rows with `hashtags`, `time`, and `language` and `country` where
            known.

    Raises:
        InputError: One of `posts` has no time, or one without zone.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm import HashtagPool
    >>> from transformers_ggm.recommendation import Clues, TrendsSource

    >>> pool = HashtagPool(["snow", "lake"], torch.eye(2))
    >>> pool.observe([(["lake"], f"2026-01-{day:02}T08:00:00Z") for day in range(1, 30)])
    {'lake': 29}
    >>> pool.observe([(["heatwave"], f"2026-01-30T{hour:02}:00:00Z") for hour in range(8, 20)])
    {'heatwave': 12}
    >>> row = Clues("so hot", time="2026-01-30T21:00:00Z")
    >>> [candidate.hashtag for candidate in TrendsSource(pool).candidates([row], k=2)[0]]
    ['heatwave', 'lake']

    ```
    """

    evidence = ("hour", "day", "week", "month", "rise", "language", "country", "age")

    def __init__(self, pool: HashtagPool, posts: Iterable[Mapping[str, Any]] | None = None):
        self.pool = pool
        self._posts = None if posts is None else _by_time(posts)
        self._times = np.array([time for time, _ in self._posts or ()], np.int64)
        self._replayed = HashtagUses(), 0

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        found: dict[tuple, list[Candidate]] = {}
        for row in rows:
            if (key := _key(row)) not in found:
                found[key] = _rising(self.pool.uses, row, k)
        return [found[_key(row)] for row in rows]

    def training_candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        """
        By the uses before each row, from `posts`; without these as [`~CandidateSource.candidates`]. Posts are gone
        through once, for rows of later calls too as long as these come in the order of their times.
        """
        if self._posts is None:
            return self.candidates(rows, k)
        uses, start = self._replayed
        found: list[list[Candidate]] = [[] for _ in rows]
        timed = [number for number, row in enumerate(rows) if row.time is not None]
        for number in sorted(timed, key=lambda number: rows[number].time):
            end = int(np.searchsorted(self._times, microseconds(rows[number].time), side="left"))
            if end < start:
                uses, start = HashtagUses(), 0
            if end > start:
                uses.observe([post for _, post in self._posts[start:end]])
                start = end
            found[number] = _rising(uses, rows[number], k)
        self._replayed = uses, start
        return found

    def remove_hashtags(self, hashtags: Collection[str]) -> None:
        """Forgets their uses."""
        self.pool.uses.remove(hashtags)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], parts: CheckpointParts) -> "TrendsSource":
        """Of the checkpoint's `hashtag_pool/`, or of `word_pool/` where there is none."""
        has_pool = "hashtag_pool" in vars(parts) or (parts.folder / POOL_FOLDER).is_dir()
        return cls(parts.hashtag_pool if has_pool else parts.word_pool, **settings)


def _by_time(posts: Iterable[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    timed = []
    for number, post in enumerate(posts):
        time = parse_time(post.get("time"))
        if time is None:
            raise InputError(f"post {number} has no time: leave it out, or give it its time with zone.")
        timed.append((microseconds(time), post))
    return sorted(timed, key=lambda pair: pair[0])


def _key(row: Clues) -> tuple:
    return row.time, row.language, row.country


def _rising(uses: HashtagUses, row: Clues, k: int) -> list[Candidate]:
    earliest, latest = uses.earliest, uses.latest
    if earliest is None or latest is None:
        return []
    # A row without a time comes after everything.
    time = latest + 1 if row.time is None else microseconds(row.time)
    scores: dict[int, float] = {}
    found: dict[str, UseCounters] = {}
    # The first of all: a language that was never used before is on the rise.
    observed = time - earliest
    for scope in scopes_of(row.language, row.country):
        # After a month without use nothing is left that could rise.
        counters = uses.used_between(time - _MICROSECONDS_OF_A_MONTH, time, scope)
        decayed = counters.at(time)
        scored = np.log1p(decayed[:, _DAY]) * rises(decayed, observed)
        best = np.argsort(-scored, kind="stable")[: 4 * k]
        for number, score in zip(counters.hashtags[best].tolist(), scored[best].tolist()):
            scores[number] = scores.get(number, 0.0) + score
        found[scope.partition("=")[0]] = counters
    chosen = dict(sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k])
    found = {scope: counters.taken(np.isin(counters.hashtags, list(chosen))) for scope, counters in found.items()}
    # What was forgotten in between has no name any more.
    hashtags = uses.hashtags
    names = {number: hashtags[number] for number in chosen if number in hashtags}
    evidence = _evidence(found, time, observed)
    return best_candidates(
        {name: chosen[number] for number, name in names.items()},
        k,
        {name: evidence[number] for number, name in names.items() if number in evidence},
    )


def _evidence(found: Mapping[str, UseCounters], time: int, observed: int) -> dict[int, dict[str, float]]:
    counters = found[EVERYWHERE]
    decayed = counters.at(time)
    of_scope = {
        scope: dict(zip(part.hashtags.tolist(), np.log1p(part.at(time)[:, _DAY]).tolist()))
        for scope, part in found.items()
    }
    ages = np.log1p((time - counters.first) / _MICROSECONDS_OF_A_DAY).tolist()
    rows = zip(counters.hashtags.tolist(), np.log1p(decayed).tolist(), rises(decayed, observed).tolist(), ages)
    return {
        number: {
            **dict(zip(HALF_LIVES, values)),
            "rise": rise,
            "language": of_scope.get("language", {}).get(number, 0.0),
            "country": of_scope.get("country", {}).get(number, 0.0),
            "age": age,
        }
        for number, values, rise, age in rows
    }


def rises(decayed: np.ndarray, observed: int) -> np.ndarray:
    """
    By how much hashtags are used more than before, at least: the lower 5% bound of the rate of the last day over that
    of the last month, 1 for no change.

    Args:
        decayed (`np.ndarray` of shape `(n, 4)`): As [`UseCounters.at`] gives them.
        observed (`int`): For how long there have been observations, in microseconds.

    Returns:
        `np.ndarray` of shape `(n,)`.
    """
    # Uses of constant rate add up to this, over as long as there are observations.
    seconds = np.array([half_life.total_seconds() for half_life in HALF_LIVES.values()])
    windows = seconds * (1 - halved(np.array([observed]), np.array([0]))[0])
    expected = decayed[:, _MONTH] * (windows[_DAY] / max(windows[_MONTH], 1e-9))
    shape, rate = PRIOR_USES + decayed[:, _DAY], PRIOR_USES + expected
    # The quantile of a gamma distribution, by Wilson and Hilferty.
    return shape / rate * np.maximum(1 - 1 / (9 * shape) + _LOW / (3 * np.sqrt(shape)), 0.0) ** 3
