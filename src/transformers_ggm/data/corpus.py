"""
From rows with hashtags to the splits of Yu et al., ACL 2023, section 4.1: rare hashtags dropped, a random split, and a
second test set whose hashtags training never shows.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import DatasetError

SPLIT_NAMES = ("train", "validation", "test", "unseen_test")
DROPPED = -1
_TRAIN, _VALIDATION, _TEST, _UNSEEN_TEST = range(4)
# The paper's number of unseen hashtags. Its training splits have some ten thousand hashtags, so that 500 are about
# this share of them: what a smaller corpus is scaled by.
PUBLISHED_NUM_UNSEEN = 500
LARGEST_UNSEEN_SHARE = 0.05
# However many rows have the unseen hashtags, this share of the training split stays.
SMALLEST_TRAINING_REST = 0.5


@dataclass(frozen=True)
class CorpusOptions:
    """
    How a corpus is built. The defaults are the published ones.

    Args:
        min_hashtag_count (`int`, defaults to 5): hashtags in fewer rows are dropped, and rows left with none as well.
        train_share (`float`, defaults to 0.8): share of the rows for training, in (0, 1].
        validation_share (`float`, defaults to 0.1): share for validation, in [0, 1). The test split gets the rest.
        num_unseen_hashtags (`int`, *optional*): hashtags of the training split to move to the unseen-hashtag test set;
            0 for no such set. By default the paper's 500, but at most 5% of the training hashtags (rounded down), and
            fewer where they would take more than half of the training split along.
        keep_near_duplicates_together (`bool`, defaults to `False`): rows of one group of near-duplicates end in one
            split. As published, near-duplicates are ignored.
        seed (`int`, defaults to 0): of the split and of the choice of unseen hashtags, 0 or more.

    Raises:
        ValueError: a field is out of its range; names it.
    """

    min_hashtag_count: int = field(default=5, metadata={"help": "Drop hashtags that fewer rows have."})
    train_share: float = field(default=0.8, metadata={"help": "Share of the rows for training."})
    validation_share: float = field(default=0.1, metadata={"help": "Share for validation; the rest is for testing."})
    num_unseen_hashtags: int | None = field(
        default=None,
        metadata={"help": "Training hashtags to move to the split unseen_test. By default 500, at most 5%% of them."},
    )
    keep_near_duplicates_together: bool = field(default=False, metadata={"help": "Keep near-duplicates in one split."})
    seed: int = field(default=0, metadata={"help": "Of the split and of the choice of unseen hashtags."})

    def __post_init__(self):
        _check_integer("min_hashtag_count", self.min_hashtag_count, smallest=1)
        _check_integer("seed", self.seed, smallest=0)
        if self.num_unseen_hashtags is not None:
            _check_integer("num_unseen_hashtags", self.num_unseen_hashtags, smallest=0)
        if not 0 < self.train_share <= 1:
            raise ValueError(f"`train_share` is {self.train_share}: it must be over 0 and at most 1.")
        if not 0 <= self.validation_share < 1:
            raise ValueError(f"`validation_share` is {self.validation_share}: it must be at least 0 and below 1.")
        # Shares such as 0.7 and 0.3 may add up to a trifle over 1.
        if self.train_share + self.validation_share > 1 + 1e-9:
            raise ValueError(
                f"`train_share` {self.train_share} and `validation_share` {self.validation_share} add up to more than"
                " 1: lower one of them."
            )


def _check_integer(name: str, value: int, smallest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
        raise ValueError(f"`{name}` is {value!r}: it must be a whole number of at least {smallest}.")


@dataclass(frozen=True, eq=False)
class Corpus:
    """
    What [`build_corpus`] decided.

    Args:
        splits (`np.ndarray`): (n,) int8, for every row its split as an index into `SPLIT_NAMES`, or -1 for a row that
            is dropped.
        kept_hashtags (`frozenset[str]`): the hashtags that are frequent enough. A row's hashtags are those of its own
            that are in here.
        unseen_hashtags (`list[str]`): the hashtags that the training split has no more, sorted.
    """

    splits: np.ndarray
    kept_hashtags: frozenset[str]
    unseen_hashtags: list[str]


def build_corpus(
    hashtags: Iterable[Sequence[str]], options: CorpusOptions | None = None, groups: np.ndarray | None = None
) -> Corpus:
    """
    Splits rows as published: drops hashtags that occur in fewer than `min_hashtag_count` rows and rows left with none,
    splits the rest at random, chooses hashtags of the training split, and moves every training and test row that has
    one of them to the unseen-hashtag test set. As in the paper, validation rows stay where they are, also those with
    an unseen hashtag.

    The result depends on the rows, their order and the options only, not on the order of the hashtags within a row,
    nor on the platform. Each share is met to within one row. Which hashtags become unseen ones is chosen uniformly;
    a hashtag is passed over when it would leave less than half of the training split.

    Args:
        hashtags (iterable of `list[str]`): the hashtags of each row, normalised; read once. A repeat within a row
            counts once.
        options ([`CorpusOptions`], *optional*): the published ones by default.
        groups (`np.ndarray`, *optional*): (n,) integers, equal for near-duplicates (see
            [`~data.near_duplicates.near_duplicate_groups`]). Considered with
            `options.keep_near_duplicates_together` only: each group then goes to one split as a whole, the shares are
            met to within the size of the largest group, and when a row moves to the unseen-hashtag test set, the rest
            of its group moves with it, whatever its hashtags, so that nothing near it is left to train on.

    Returns:
        [`Corpus`]

    Raises:
        DatasetError: there are no rows, no hashtag is frequent enough, no row is left to train on, or
            `num_unseen_hashtags` hashtags cannot be moved while half of the training split stays.
        ValueError: a row is a string instead of a list of them, or `groups` is missing or does not fit the rows.

    Example:

    ```python
    >>> from transformers_ggm.data.corpus import CorpusOptions, SPLIT_NAMES, build_corpus
    >>> rows = [["snow", "winter"], ["lake", "rare"]] * 5 + [["oncemore"]]
    >>> corpus = build_corpus(rows, CorpusOptions(min_hashtag_count=5))
    >>> sorted(corpus.kept_hashtags), int(corpus.splits[-1])
    (['lake', 'rare', 'snow', 'winter'], -1)
    >>> {name: int((corpus.splits == index).sum()) for index, name in enumerate(SPLIT_NAMES)}
    {'train': 8, 'validation': 1, 'test': 1, 'unseen_test': 0}

    ```
    """
    options = options or CorpusOptions()
    uses = _read_uses(hashtags)
    units = _check_groups(groups, uses.num_rows) if options.keep_near_duplicates_together else None
    uses, kept = _drop_rare(uses, options.min_hashtag_count)
    if units is None:
        units = np.arange(len(kept))
    else:
        # Groups are counted without their dropped rows, and units numbered from 0.
        units = np.unique(units[kept], return_inverse=True)[1]
    rows = _random_split(np.bincount(units), options)[units]
    if not (rows == _TRAIN).any():
        raise DatasetError(
            f"No row is left for training out of {len(kept)}: raise `train_share` ({options.train_share})."
        )
    unseen = _choose_unseen(uses, rows, units, options)
    _move_unseen(uses, rows, units, unseen)
    splits = np.full(uses.num_rows, DROPPED, dtype=np.int8)
    splits[kept] = rows
    return Corpus(splits, frozenset(uses.vocabulary), sorted(uses.vocabulary[index] for index in unseen))


@dataclass(frozen=True, eq=False)
class _Uses:
    """Every use of a hashtag as a pair of ids: `row[i]` has the hashtag `vocabulary[hashtag[i]]`."""

    vocabulary: list[str]  # sorted, so that ids do not depend on where a hashtag was met first
    row: np.ndarray
    hashtag: np.ndarray
    num_rows: int


def _read_uses(hashtags: Iterable[Sequence[str]]) -> _Uses:
    ids: dict[str, int] = {}
    flat, lengths = array("i"), array("i")
    for index, row in enumerate(hashtags):
        if isinstance(row, str):
            raise ValueError(f"`hashtags` has the string {row!r} as row {index}: give each row a list of hashtags.")
        distinct = dict.fromkeys(row)
        flat.extend(ids.setdefault(tag, len(ids)) for tag in distinct)
        lengths.append(len(distinct))
    if not lengths:
        raise DatasetError("There are no rows to build a corpus from.")
    vocabulary = sorted(ids)
    new_ids = np.empty(len(ids), dtype=np.int32)
    new_ids[[ids[tag] for tag in vocabulary]] = np.arange(len(ids), dtype=np.int32)
    row = np.repeat(np.arange(len(lengths), dtype=np.int32), np.frombuffer(lengths, dtype=np.int32))
    hashtag = new_ids[np.frombuffer(flat, dtype=np.int32)] if flat else np.empty(0, dtype=np.int32)
    return _Uses(vocabulary, row, hashtag, len(lengths))


def _drop_rare(uses: _Uses, min_count: int) -> tuple[_Uses, np.ndarray]:
    """The uses of frequent hashtags with rows numbered anew, and the old indices of the rows that are left.

    `num_rows` stays that of all rows.
    """
    frequent = np.bincount(uses.hashtag, minlength=len(uses.vocabulary)) >= min_count
    if not frequent.any():
        raise DatasetError(
            f"Each of the {len(uses.vocabulary)} hashtags of {uses.num_rows} rows occurs in fewer than {min_count} of"
            " them, so that nothing is left: lower `min_hashtag_count`."
        )
    is_kept = frequent[uses.hashtag]
    kept, row = np.unique(uses.row[is_kept], return_inverse=True)
    hashtag = (np.cumsum(frequent) - 1)[uses.hashtag[is_kept]]
    vocabulary = [uses.vocabulary[index] for index in np.flatnonzero(frequent)]
    return _Uses(vocabulary, row, hashtag, uses.num_rows), kept


def _check_groups(groups: np.ndarray | None, num_rows: int) -> np.ndarray:
    if groups is None:
        raise ValueError("`keep_near_duplicates_together` needs `groups`, the group of every row.")
    if groups.shape != (num_rows,) or not np.issubdtype(groups.dtype, np.integer):
        raise ValueError(
            f"`groups` has shape {groups.shape} and type {groups.dtype}: it must be {num_rows} integers, one a row."
        )
    return groups


def _random_numbers(seed: int, purpose: int, count: int) -> np.ndarray:
    # The raw stream of a bit generator is the same in every release of numpy and on every platform, which the methods
    # of a Generator are not.
    return np.random.PCG64([seed, purpose]).random_raw(count)


def _random_split(sizes: np.ndarray, options: CorpusOptions) -> np.ndarray:
    """The split of each unit, given how many rows each has.

    Units of several rows come first, the largest ones before the others: each draws one of the splits that have room
    for it, in proportion to the room. Units of one row fill what is left exactly.
    """
    num_units, num_rows = len(sizes), int(sizes.sum())
    order_keys, draws = _random_numbers(options.seed, 0, 2 * num_units).reshape(2, -1)
    ends = [
        int(num_rows * options.train_share + 0.5),
        int(num_rows * min(options.train_share + options.validation_share, 1.0) + 0.5),
        num_rows,
    ]
    room = [ends[0], ends[1] - ends[0], ends[2] - ends[1]]
    order = np.lexsort((order_keys, -sizes))
    num_large = int((sizes > 1).sum())
    splits = np.empty(num_units, dtype=np.int8)
    for unit in order[:num_large]:
        split = _draw_split(room, int(sizes[unit]), int(draws[unit]))
        splits[unit] = split
        room[split] -= int(sizes[unit])
    singles = order[num_large:]
    # A split can be overfull when large groups are much of the corpus: the others then get less than their room.
    open_room = np.cumsum(np.maximum(room, 0))
    ends_of_singles = np.rint(open_room * (len(singles) / max(open_room[-1], 1))).astype(np.int64)
    for split, (start, end) in enumerate(zip([0, *ends_of_singles], ends_of_singles)):
        splits[singles[start:end]] = split
    return splits


def _draw_split(room: list[int], size: int, draw: int) -> int:
    fitting = [places if places >= size else 0 for places in room]
    if not any(fitting):
        return max(range(len(room)), key=room.__getitem__)
    point = draw * sum(fitting) >> 64
    return int(np.searchsorted(np.cumsum(fitting), point, side="right"))


def _choose_unseen(uses: _Uses, splits: np.ndarray, units: np.ndarray, options: CorpusOptions) -> list[int]:
    """Ids of the hashtags to move away from training; `splits` and `units` are those of the kept rows."""
    in_training = splits[uses.row] == _TRAIN
    by_hashtag = np.argsort(uses.hashtag[in_training], kind="stable")
    rows = uses.row[in_training][by_hashtag]
    candidates, starts = np.unique(uses.hashtag[in_training][by_hashtag], return_index=True)
    rows_of = np.split(rows, starts[1:])
    wanted = options.num_unseen_hashtags
    if wanted is None:
        wanted = min(PUBLISHED_NUM_UNSEEN, int(LARGEST_UNSEEN_SHARE * len(candidates)))
    sizes = np.bincount(units)
    num_training = int((splits == _TRAIN).sum())
    can_go = num_training - int(np.ceil(SMALLEST_TRAINING_REST * num_training))
    has_moved = np.zeros(len(sizes), dtype=bool)
    chosen: list[int] = []
    for index in np.argsort(_random_numbers(options.seed, 1, len(candidates)), kind="stable"):
        if len(chosen) == wanted:
            break
        moving = np.unique(units[rows_of[index]])
        moving = moving[~has_moved[moving]]
        num_moving = int(sizes[moving].sum())
        if num_moving <= can_go:
            can_go -= num_moving
            has_moved[moving] = True
            chosen.append(int(candidates[index]))
    if options.num_unseen_hashtags is not None and len(chosen) < wanted:
        raise DatasetError(
            f"Only {len(chosen)} of {wanted} unseen hashtags can be chosen among the {len(candidates)} of the training"
            " split without moving more than half of its rows: lower `num_unseen_hashtags`."
        )
    return chosen


def _move_unseen(uses: _Uses, splits: np.ndarray, units: np.ndarray, unseen: list[int]) -> None:
    """Moves the training and test rows that have an unseen hashtag, and with them the rest of their units."""
    is_unseen = np.zeros(len(uses.vocabulary), dtype=bool)
    is_unseen[unseen] = True
    unit_moves = np.zeros(len(splits), dtype=bool)
    unit_moves[units[uses.row[is_unseen[uses.hashtag]]]] = True
    splits[unit_moves[units] & (splits != _VALIDATION)] = _UNSEEN_TEST
