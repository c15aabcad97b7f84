"""How much each hashtag is used, lately and in the long run: decayed counters, which do not grow with the uses."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

import numpy as np

from ..errors import HashtagError, InputError
from .hashtag_table import pool_key
from .times import microseconds, parse_time

HALF_LIVES = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
}
_MICROSECONDS = np.array([half_life / timedelta(microseconds=1) for half_life in HALF_LIVES.values()])
# The clocks of machines differ by seconds; what is further ahead has a wrong zone, or is no time of a use.
_AHEAD = timedelta(minutes=10)
EVERYWHERE = ""
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class UseCounters:
    """
    Uses at one moment: one row for each hashtag in each scope. Never written into.

    Attributes:
        hashtags, scopes (`np.ndarray` of int32): by the numbers that [`HashtagUses`] gave them.
        uses (`np.ndarray` of int64): how many there were.
        decayed (`np.ndarray` of float64, shape `(n, 4)`): how many, each one counting half as much after every
            half-life, as of the last use.
        first, last (`np.ndarray` of int64): microseconds since 1970.
    """

    hashtags: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    scopes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    uses: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    decayed: np.ndarray = field(default_factory=lambda: np.zeros((0, len(HALF_LIVES))))
    first: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    last: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.uses)

    def taken(self, rows: np.ndarray) -> "UseCounters":
        """Some rows, by number or by mask."""
        return UseCounters(*(value[rows] for value in vars(self).values()))

    def grown(self, hashtags: np.ndarray, scopes: np.ndarray) -> "UseCounters":
        """With rows at the end that have no uses yet."""
        size = len(hashtags)
        empty = UseCounters(
            hashtags.astype(np.int32),
            scopes.astype(np.int32),
            np.zeros(size, np.int64),
            np.zeros((size, len(HALF_LIVES))),
            np.full(size, np.iinfo(np.int64).max),
            np.full(size, _NEVER),
        )
        return UseCounters(*(np.concatenate(pair) for pair in zip(vars(self).values(), vars(empty).values())))

    def counted(self, rows: np.ndarray, times: np.ndarray) -> "UseCounters":
        """With one more use for each of `rows` (int, `(m,)`), at `times` (microseconds, `(m,)`), in any order."""
        touched, places = np.unique(rows, return_inverse=True)
        last = self.last[touched]
        new_last = last.copy()
        np.maximum.at(new_last, places, times)
        first = self.first[touched]
        np.minimum.at(first, places, times)
        # What was counted before, and each new use, as of the later of the two times: so no order matters.
        decayed = self.decayed[touched] * halved(new_last, last)
        weights = halved(new_last[places], times)
        for column in range(len(HALF_LIVES)):
            decayed[:, column] += np.bincount(places, weights[:, column], len(touched))
        after = replace(self, **{name: getattr(self, name).copy() for name in ("uses", "decayed", "first", "last")})
        after.uses[touched] += np.bincount(places, minlength=len(touched))
        after.decayed[touched], after.first[touched], after.last[touched] = decayed, first, new_last
        return after

    def at(self, time: int) -> np.ndarray:
        """The decayed counters `(n, 4)` as of a time (microseconds) after the last use."""
        return self.decayed * halved(np.full(len(self), time), self.last)


def halved(later: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """What is left of a use for each half-life: `(n, 4)`; nothing of one that never was."""
    ages = np.where(earlier == _NEVER, np.inf, later.astype(np.float64) - earlier)
    return np.exp2(-ages[:, None] / _MICROSECONDS)


def scopes_of(language: str, country: str) -> list[str]:
    """What a use counts in: everywhere, and among those of its language and its country where they are known."""
    named = [f"{name}={value}" for name, value in (("language", language), ("country", country)) if value]
    return [EVERYWHERE, *named]


class HashtagUses:
    """
    The uses of hashtags over time, in memory that grows with the hashtags and not with their uses: for each hashtag,
    everywhere and by language and country, counters that halve every hour, day, week and 30 days (exponential decay,
    as in Cormode et al., "Forward Decay", ICDE 2009), its first and last use, and how often each of its spellings was
    written. The order in which uses come does not matter.

    Several threads may use one object; [`HashtagPool.observe`] counts into that of a pool.

    Example:

    ```python
    >>> from transformers_ggm.retrieval import HashtagUses

    >>> uses = HashtagUses()
    >>> uses.observe([
    ...     {"hashtags": ["#FirstSnow", "lake"], "time": "2026-01-01T08:00:00Z", "language": "en"},
    ...     {"hashtags": ["#firstsnow"], "time": "2026-01-01T09:00:00Z"},
    ...     {"hashtags": ["#FirstSnow"], "time": "2026-01-01T09:00:00Z"},
    ... ])
    {'firstsnow': 3, 'lake': 1}
    >>> uses.spellings("firstsnow")
    {'FirstSnow': 2, 'firstsnow': 1}
    >>> {name: round(count, 2) for name, count in uses.decayed("firstsnow", "2026-01-01T10:00:00Z").items()}
    {'hour': 1.25, 'day': 2.89, 'week': 2.98, 'month': 3.0}

    ```
    """

    def __init__(self):
        # By their numbers, which are never given twice, so that what was read before stays right.
        self.hashtags: dict[int, str] = {}
        self.scopes: list[str] = [EVERYWHERE]
        self._numbers: dict[str, int] = {}
        self._next_number = 0
        self._scope_numbers: dict[str, int] = {EVERYWHERE: 0}
        self._rows: dict[tuple[int, int], int] = {}
        self._spellings: dict[int, dict[str, int]] = {}
        self.counters = UseCounters()
        # Whether a copy has the same lists and dictionaries.
        self._is_shared = False
        self._changing = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        # A lock can be neither copied nor sent to another process.
        return {name: value for name, value in vars(self).items() if name != "_changing"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._changing = threading.RLock()

    def copy(self) -> "HashtagUses":
        """The same uses, changed apart from these; it costs nothing until one of the two is changed."""
        same = HashtagUses()
        with self._changing:
            self._is_shared = True
            same.__setstate__(self.__getstate__())
        return same

    def _own(self) -> None:
        """To be called before a change."""
        if self._is_shared:
            self.hashtags, self.scopes, self._rows = dict(self.hashtags), list(self.scopes), dict(self._rows)
            self._numbers, self._scope_numbers = dict(self._numbers), dict(self._scope_numbers)
            self._spellings = {number: dict(counts) for number, counts in self._spellings.items()}
            self._is_shared = False

    def observe(self, posts: Iterable[Mapping[str, Any]], now: datetime | None = None) -> dict[str, int]:
        """
        Counts the hashtags of posts; of one post each hashtag once. On any error nothing is counted.

        Args:
            posts (iterable of `dict`): With `hashtags` (with or without `#`; their capitals are remembered), `time`
                (ISO 8601 or `datetime`, with its zone), and `language` and `country` where they are known; in any
                order. Or tuples of these in this order.
            now (`datetime`, *optional*): What counts as the present; by default the clock's.

        Returns:
            `dict[str, int]`: How many uses of which hashtags were counted.

        Raises:
            InputError: A post is no `dict` of this kind, has no time or one without zone, or is later than now by more
                than ten minutes.
            HashtagError: A post has what is no hashtag.
        """
        read = _read_posts(posts, now)
        with self._changing:
            self._own()
            return self._count(read)

    def _count(self, posts: "list[_Post]") -> dict[str, int]:
        rows: list[int] = []
        times: list[int] = []
        counted: dict[str, int] = {}
        for post in posts:
            scopes = [self._scope(scope) for scope in scopes_of(post.language, post.country)]
            for hashtag, spelling in post.hashtags.items():
                number = self._number(hashtag)
                counted[hashtag] = counted.get(hashtag, 0) + 1
                spellings = self._spellings.setdefault(number, {})
                spellings[spelling] = spellings.get(spelling, 0) + 1
                for scope in scopes:
                    rows.append(self._rows.setdefault((number, scope), len(self._rows)))
                    times.append(post.time)
        self._grow()
        self.counters = self.counters.counted(np.array(rows, np.int64), np.array(times, np.int64))
        return counted

    def _number(self, hashtag: str) -> int:
        number = self._numbers.setdefault(hashtag, self._next_number)
        if number == self._next_number:
            self.hashtags[number] = hashtag
            self._next_number += 1
        return number

    def _scope(self, scope: str) -> int:
        number = self._scope_numbers.setdefault(scope, len(self.scopes))
        if number == len(self.scopes):
            self.scopes.append(scope)
        return number

    def _grow(self) -> None:
        missing = len(self._rows) - len(self.counters)
        if missing:
            new = list(islice(reversed(self._rows), missing))[::-1]
            self.counters = self.counters.grown(*np.array(new).T)

    def remove(self, hashtags: Iterable[str]) -> None:
        """
        Forgets the uses of hashtags.

        Args:
            hashtags (`Iterable[str]`): Normalised; those that were never used are passed over.
        """
        with self._changing:
            gone = [self._numbers[hashtag] for hashtag in hashtags if hashtag in self._numbers]
            if gone:
                self._own()
                self._keep(~np.isin(self.counters.hashtags, gone))

    def prune(self, below: float = 0.1, now: datetime | None = None) -> int:
        """
        Forgets hashtags that are hardly used any more, with their first uses and spellings, and gives back the memory.

        Args:
            below (`float`, defaults to 0.1): Those whose uses, halved every 30 days, are fewer. By default what was
                used once is forgotten after 100 days, what was used ten times after 200.
            now (`datetime`, *optional*): What counts as the present; by default the clock's.

        Returns:
            `int`: How many were forgotten.

        Raises:
            InputError: `below` is not above 0, or `now` has no zone.

        Example:

        ```python
        >>> uses = HashtagUses()
        >>> uses.observe([(["snow"], "2026-01-01T08:00:00Z"), (["lake"], "2026-05-01T08:00:00Z")])
        {'snow': 1, 'lake': 1}
        >>> uses.prune(now=datetime(2026, 5, 2, tzinfo=timezone.utc)), "snow" in uses, "lake" in uses
        (1, False, True)

        ```
        """
        if not below > 0:
            raise InputError(f"below={below!r}: give a number of uses above 0.")
        time = microseconds(parse_time(now) or datetime.now(timezone.utc))
        with self._changing:
            everywhere = self.counters.taken(np.flatnonzero(self.counters.scopes == 0))
            gone = everywhere.hashtags[everywhere.at(time)[:, -1] < below]
            if len(gone):
                self._own()
                self._keep(~np.isin(self.counters.hashtags, gone))
        return len(gone)

    def _keep(self, rows: np.ndarray) -> None:
        # All of it is made anew: others may be reading what was there.
        kept = self.counters.taken(rows)
        numbers = set(kept.hashtags.tolist())
        self.hashtags = {number: hashtag for number, hashtag in self.hashtags.items() if number in numbers}
        self._numbers = {hashtag: number for number, hashtag in self.hashtags.items()}
        self._spellings = {number: counts for number, counts in self._spellings.items() if number in numbers}
        self._rows = {pair: row for row, pair in enumerate(zip(kept.hashtags.tolist(), kept.scopes.tolist()))}
        self.counters = kept

    def put(self, entries: Sequence[tuple[str, str, int, Sequence[float], int, int]]) -> None:
        """
        Sets what is known of hashtags, such as what was saved.

        Args:
            entries (`Sequence[tuple]`): As [`~HashtagUses.entries`] gives them.
        """
        if not entries:
            return
        hashtags, scopes, uses, decayed, first, last = zip(*entries)
        with self._changing:
            self._own()
            pairs = [(self._number(hashtag), self._scope(scope)) for hashtag, scope in zip(hashtags, scopes)]
            rows = np.array([self._rows.setdefault(pair, len(self._rows)) for pair in pairs])
            self._grow()
            names = ("uses", "decayed", "first", "last")
            after = replace(self.counters, **{name: getattr(self.counters, name).copy() for name in names})
            for name, values in zip(names, (uses, decayed, first, last)):
                getattr(after, name)[rows] = np.array(values)
            self.counters = after

    def merge(self, other: "HashtagUses") -> None:
        """
        Counts uses that were counted elsewhere, as if they had been observed here.

        Args:
            other ([`HashtagUses`]): Stays as it is.
        """
        theirs = list(other.entries())
        with self._changing:
            missing = [(*entry[:2], 0, [0.0] * len(HALF_LIVES), np.iinfo(np.int64).max, _NEVER) for entry in theirs]
            self.put([entry for entry in missing if self._row(*entry[:2]) is None])
            rows = np.array([self._row(*entry[:2]) for entry in theirs], np.int64)
            mine, counters = self.counters.taken(rows), other.counters
            last = np.maximum(mine.last, counters.last)
            decayed = mine.decayed * halved(last, mine.last) + counters.decayed * halved(last, counters.last)
            uses, first = mine.uses + counters.uses, np.minimum(mine.first, counters.first)
            columns = (column.tolist() for column in (uses, decayed, first, last))
            self.put([(*entry[:2], *values) for entry, *values in zip(theirs, *columns)])
            for hashtag, counts in other.all_spellings().items():
                known = self.spellings(hashtag)
                added = {spelling: known.get(spelling, 0) + count for spelling, count in counts.items()}
                self.put_spellings(hashtag, known | added)

    def replace(self, hashtags: Iterable[str], other: "HashtagUses") -> None:
        """
        Takes the uses of some hashtags from elsewhere, in the place of those that are known here.

        Args:
            hashtags (`Iterable[str]`): Normalised; those that `other` has not are forgotten.
            other ([`HashtagUses`]): Of these hashtags.
        """
        with self._changing:
            pairs = ((hashtag, scope) for hashtag in hashtags for scope in self.scopes)
            gone = [pair for pair in pairs if self._row(*pair) is not None and other._row(*pair) is None]
            self.remove({hashtag for hashtag, _ in gone})
            self.put(list(other.entries()))
            for hashtag, counts in other.all_spellings().items():
                self.put_spellings(hashtag, counts)

    def _row(self, hashtag: str, scope: str) -> int | None:
        return self._rows.get((self._numbers.get(hashtag, -1), self._scope_numbers.get(scope, -1)))

    def put_spellings(self, hashtag: str, counts: Mapping[str, int]) -> None:
        """Sets how often each spelling of a hashtag was written."""
        with self._changing:
            self._own()
            self._spellings[self._number(hashtag)] = dict(counts)

    def spellings(self, hashtag: str) -> dict[str, int]:
        """How often each spelling of a hashtag was written, without `#`, the commonest first."""
        counts = dict(self._spellings.get(self._numbers.get(hashtag, -1), {}))
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def all_spellings(self) -> dict[str, dict[str, int]]:
        """How often each spelling of each hashtag was written."""
        with self._changing:
            return {self.hashtags[number]: dict(counts) for number, counts in self._spellings.items()}

    def decayed(self, hashtag: str, time: datetime | str, scope: str = EVERYWHERE) -> dict[str, float]:
        """
        The counters of one hashtag as of a time after its last use.

        Args:
            hashtag (`str`): Normalised.
            time (`datetime` or `str`): With its zone.
            scope (`str`, defaults to `""`): Or such as `"language=en"`, `"country=JP"`.
        """
        row = self._row(hashtag, scope)
        if row is None:
            return dict.fromkeys(HALF_LIVES, 0.0)
        values = self.counters.taken(np.array([row])).at(microseconds(parse_time(time)))
        return dict(zip(HALF_LIVES, values[0].tolist()))

    def used_between(self, start: int, end: int, scope: str = EVERYWHERE) -> UseCounters:
        """
        The counters of hashtags whose last use lies between two times.

        Args:
            start, end (`int`): In microseconds; neither is among them.
            scope (`str`, defaults to `""`): Or such as `"language=en"`, `"country=JP"`.
        """
        counters = self.counters
        is_one = counters.scopes == self._scope_numbers.get(scope, -1)
        return counters.taken(np.flatnonzero(is_one & (counters.last > start) & (counters.last < end)))

    def entries(self) -> Iterable[tuple[str, str, int, list[float], int, int]]:
        """
        What is known of all hashtags: each with the scope (`""`, `"language=en"`, `"country=JP"`, ...), its uses, the
        four counters as of the last use, and the times of the first and the last one in microseconds.
        """
        with self._changing:
            counters = self.counters
            hashtags = [self.hashtags[number] for number in counters.hashtags.tolist()]
        scopes = [self.scopes[number] for number in counters.scopes.tolist()]
        columns = (counters.uses, counters.decayed, counters.first, counters.last)
        return zip(hashtags, scopes, *(column.tolist() for column in columns))

    @property
    def latest(self) -> int | None:
        """The time of the last use of all, in microseconds; `None` where there was none."""
        counters = self.counters
        return int(counters.last.max()) if len(counters) else None

    @property
    def earliest(self) -> int | None:
        """The time of the first use of all, in microseconds; `None` where there was none."""
        counters = self.counters
        return int(counters.first.min()) if len(counters) else None

    def __len__(self) -> int:
        """How many hashtags were used."""
        return int((self.counters.scopes == 0).sum())

    def __contains__(self, hashtag: str) -> bool:
        return (self._numbers.get(hashtag, -1), 0) in self._rows


@dataclass(frozen=True, slots=True)
class _Post:
    """A post as it is counted: hashtags with the spelling of each."""

    hashtags: dict[str, str]
    time: int
    language: str
    country: str


_FIELDS = ("hashtags", "time", "language", "country")


def _read_posts(posts: Iterable[Mapping[str, Any]], now: datetime | None) -> list[_Post]:
    limit = microseconds((now or datetime.now(timezone.utc)) + _AHEAD)
    keys: dict[str, str | None] = {}
    return [_read_post(number, post, limit, keys) for number, post in enumerate(posts)]


def _read_post(number: int, given: Any, limit: int, keys: dict[str, str | None]) -> _Post:
    post = dict(zip(_FIELDS, given)) if isinstance(given, tuple) else given
    if not isinstance(post, Mapping):
        raise InputError(f"post {number} is a {type(post).__name__}: give a dict with hashtags and time.")
    time, hashtags = parse_time(post.get("time")), post.get("hashtags")
    if time is None:
        raise InputError(f"post {number} has no time: give each post its time, with zone. Nothing was counted.")
    when = microseconds(time)
    if when > limit:
        raise InputError(
            f"post {number} has the time {time.isoformat()}, which is in the future: check its zone. Nothing was"
            " counted."
        )
    if isinstance(hashtags, str) or not isinstance(hashtags, Iterable):
        raise InputError(f"post {number} has hashtags={hashtags!r}: give a list of its hashtags. Nothing was counted.")
    spelled: dict[str, str] = {}
    for hashtag in hashtags:
        if hashtag not in keys:
            keys[hashtag] = pool_key(hashtag)
        key = keys[hashtag]
        if key is None:
            raise HashtagError(f"post {number} has {hashtag!r}, which is no hashtag. Nothing was counted.")
        spelled.setdefault(key, hashtag.lstrip("#＃"))
    return _Post(spelled, when, post.get("language") or "", post.get("country") or "")
