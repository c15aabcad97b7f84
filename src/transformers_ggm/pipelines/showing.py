"""What of all candidates a call of the pipeline shows: its filters, in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..errors import InputError
from ..recommendation.candidates import Candidate
from ..recommendation.filters.blocked_filter import BlockedFilter
from ..recommendation.filters.capitals import display_spelling
from ..recommendation.filters.hashtag_filter import HashtagFilter, Removed, filter_hashtags
from ..recommendation.filters.near_duplicate_filter import NearDuplicateFilter
from ..recommendation.filters.platform_filter import NumberFilter, PlatformFilter, get_platform
from ..recommendation.filters.pool_filter import NovelFilter
from ..recommendation.filters.reach_filter import ReachFilter
from ..recommendation.filters.safety_filter import shared_safety_filter
from ..retrieval import HashtagPool

# The arguments of a call that say what is shown.
SHOWING = ("safe", "safety_model", "blocked", "platform", "prefer_pool", "near_duplicates", "reach_calls", "filters")
_PREFER_POOL = ("only", "prefer", "free")
# Row by row, the hashtags that were left out.
RemovedHashtags = dict[str, Removed]


@dataclass(frozen=True)
class UsedHashtags:
    """
    The hashtags that somebody is known to have used.

    Attributes:
        pool ([`HashtagPool`], *optional*): of the pipeline.
        counts (`dict[str, int]`): how often others were used.
        others (`tuple[HashtagPool, ...]`): the pools of a recommender's sources, which know spellings too.
    """

    pool: HashtagPool | None
    counts: Mapping[str, int]
    others: tuple[HashtagPool, ...] = ()

    def __contains__(self, hashtag: str) -> bool:
        return bool(self.counts.get(hashtag)) or (self.pool is not None and hashtag in self.pool)

    def spelling(self, hashtag: str) -> str:
        """Its commonest spelling, as far as it is known."""
        spellings = (pool.spelling(hashtag) for pool in (self.pool, *self.others) if pool is not None)
        return next((spelling for spelling in spellings if spelling != hashtag), hashtag)


@dataclass(frozen=True)
class Showing:
    """
    The filters of a call.

    Attributes:
        of_each (`tuple[HashtagFilter, ...]`): those that look at each hashtag alone: what they leave out guides no
            generator, and is not counted where a ranker chooses how many are shown.
        of_list (`tuple[HashtagFilter, ...]`): those that look at what is ranked.
        prefer_pool (`str`): see [`~HashtagGenerationPipeline.__call__`].
        with_capitals (`bool`): whether words begin with capitals.
        known_calls (`bool`): whether the calls for reach that the recommender knows are left out.
    """

    of_each: tuple[HashtagFilter, ...]
    of_list: tuple[HashtagFilter, ...]
    prefer_pool: str
    with_capitals: bool
    known_calls: bool

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "Showing":
        """
        The filters that some arguments ask for.

        Args:
            arguments (`dict`): Those of [`SHOWING`] that a call has.

        Raises:
            `InputError`: One of them has no such value, or a library is not installed.
        """
        prefer_pool, platform = arguments.get("prefer_pool", "free"), arguments.get("platform")
        if prefer_pool not in _PREFER_POOL:
            raise InputError(f"prefer_pool={prefer_pool!r}: use one of {', '.join(map(repr, _PREFER_POOL))}.")
        for name in ("safe", "near_duplicates"):
            if not isinstance(arguments.get(name, False), bool):
                raise InputError(f"{name}={arguments[name]!r}: use True or False.")
        known_calls = arguments.get("reach_calls") is True
        own = tuple(arguments.get("filters") or ())
        if not all(isinstance(each, HashtagFilter) for each in own):
            raise InputError("`filters` is a list of HashtagFilter objects.")
        of_each = [*_first(arguments), *(each for each in own if not each.looks_at_list)]
        of_list = [each for each in own if each.looks_at_list]
        if platform is not None:
            of_each.append(PlatformFilter(platform))
        if arguments.get("near_duplicates", platform is not None):
            of_list.insert(0, NearDuplicateFilter())
        if platform is not None:
            of_list.append(NumberFilter(get_platform(platform).most))
        return cls(tuple(of_each), tuple(of_list), prefer_pool, platform is not None, known_calls)

    def screen(self, pool: Any, recommender: Any, blocks: frozenset[str] = frozenset()) -> "Screen":
        """
        What looks at the candidates of a batch.

        Args:
            pool ([`HashtagPool`], *optional*), recommender ([`Recommender`], *optional*): Of the pipeline.
            blocks (`frozenset[str]`, defaults to none): Patterns that are blocked besides.

        Raises:
            `InputError`: What is asked for needs a pool, or known calls for reach, and there are none.
        """
        of_each = (_blocked_by_owner(blocks), *self.of_each) if blocks else self.of_each
        if self.known_calls:
            of_each = (*of_each, ReachFilter(_known_calls(recommender)))
        known = _used_hashtags(pool, recommender)
        if self.prefer_pool == "free":
            return Screen(of_each, known)
        if pool is None and not known.counts:
            raise InputError(f"prefer_pool={self.prefer_pool!r} needs a pool, which there is not: leave it out.")
        return Screen((*of_each, NovelFilter(known)) if self.prefer_pool == "only" else of_each, known)

    def shown(self, answers: list[dict[str, Any]], known: Any, top_n: int | None) -> tuple[list, RemovedHashtags]:
        """
        What is shown of ranked answers, and what is left out.

        Args:
            answers (`list[dict]`): The best first.
            known ([`UsedHashtags`]): Those that somebody has used.
            top_n (`int`, *optional*): How many are shown at most.
        """
        by_hashtag = {answer["hashtag"][1:]: answer for answer in answers}
        tags = list(by_hashtag)
        if self.prefer_pool == "prefer":
            tags.sort(key=lambda tag: tag not in known)
        kept, removed = filter_hashtags(tags, self.of_list)
        shown = [by_hashtag[tag] for tag in kept[:top_n]]
        if self.with_capitals:
            shown = [
                {**answer, "hashtag": "#" + _with_capitals(tag, known.spelling(tag))}
                for tag, answer in zip(kept, shown)
            ]
        return shown, {each.hashtag: each for each in removed}


class Screen:
    """
    Looks at the candidates of a batch, each hashtag once.

    Args:
        filters (`Sequence[HashtagFilter]`): In this order.
        known (`Container[str]`): The hashtags that somebody has used.
    """

    def __init__(self, filters: Sequence[HashtagFilter], known: Any):
        self.known = known
        self._filters = filters
        self._reasons: dict[str, Removed | None] = {}

    def keep(self, row: Mapping[str, float], removed: RemovedHashtags) -> dict[str, float]:
        """Scores of hashtags without those that are left out, which are noted."""
        self._look_at(list(row))
        removed.update({tag: self._reasons[tag] for tag in row if self._reasons[tag] is not None})
        return {tag: score for tag, score in row.items() if self._reasons[tag] is None}

    def keep_candidates(self, row: Sequence[Candidate], removed: RemovedHashtags) -> list[Candidate]:
        """Candidates without those that are left out, which are noted."""
        kept = self.keep({candidate.hashtag: 0.0 for candidate in row}, removed)
        return [candidate for candidate in row if candidate.hashtag in kept]

    def _look_at(self, hashtags: list[str]) -> None:
        new = [hashtag for hashtag in hashtags if hashtag not in self._reasons]
        kept, removed = filter_hashtags(new, self._filters)
        self._reasons.update({**dict.fromkeys(kept), **{each.hashtag: each for each in removed}})


# Asks for nothing: what a store blocks is left out all the same.
SHOWING_ALL = Showing((), (), "free", False, False)


@lru_cache(maxsize=1)
def _blocked_by_owner(blocks: frozenset[str]) -> BlockedFilter:
    # Who blocked everything has confirmed it to the store.
    return BlockedFilter(sorted(blocks), everything=True)


def _used_hashtags(pool: HashtagPool | None, recommender: Any) -> UsedHashtags:
    if recommender is None:
        return UsedHashtags(pool, {})
    of_sources = (getattr(source, "pool", None) for source in recommender.sources)
    return UsedHashtags(pool, recommender.counts, tuple(each for each in of_sources if isinstance(each, HashtagPool)))


def _known_calls(recommender: Any) -> frozenset[str]:
    calls = None if recommender is None else recommender.reach_calls
    if calls is None:
        raise InputError(
            "reach_calls=True: this checkpoint does not know any. Learn them with Recommender.learn_reach_calls(...),"
            " or give them: reach_calls=[...]."
        )
    return calls


def told(removed: RemovedHashtags) -> list[dict[str, Any]]:
    """What was left out, as the pipeline tells it."""
    return [
        {"hashtag": f"#{tag}", "reason": each.reason, "category": each.category, "because": each.because}
        for tag, each in removed.items()
    ]


def _first(arguments: Mapping[str, Any]) -> list[HashtagFilter]:
    model, blocked, calls = (arguments.get(name) for name in ("safety_model", "blocked", "reach_calls"))
    filters: list[HashtagFilter] = []
    if blocked is not None:
        filters.append(blocked if isinstance(blocked, BlockedFilter) else BlockedFilter(blocked))
    if arguments.get("safe", model is not None):
        filters.append(shared_safety_filter(model))
    if isinstance(calls, str):
        raise InputError(
            "`reach_calls` are the hashtags to be left out, as learn_reach_calls(...) gives them, or True."
        )
    if calls is not None and not isinstance(calls, bool):
        filters.append(ReachFilter(frozenset(calls)))
    return filters


def _with_capitals(hashtag: str, commonest: str) -> str:
    try:
        return display_spelling(hashtag, {hashtag: commonest})
    except ImportError as error:
        raise InputError(str(error)) from error
