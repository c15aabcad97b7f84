"""Which row goes to which split: as the source has it, or as section 4.1 of the paper builds a corpus."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import DatasetError
from ..corpus import DROPPED, SPLIT_NAMES, CorpusOptions, build_corpus
from ..near_duplicates import near_duplicate_groups
from .facts import Facts, read_rows
from .parts import Parts
from .shards import Assignment


@dataclass(frozen=True)
class SplitPlan:
    """
    Args:
        assignment ([`Assignment`]): the split of every row.
        groups (`np.ndarray`): (n,) int64, equal for near-duplicates.
        unseen_hashtags (`list[str]`): hashtags of the split `unseen_test` that training never shows.
    """

    assignment: Assignment
    groups: np.ndarray
    unseen_hashtags: list[str]


def plan_splits(
    sources: Sequence[Parts], names: Sequence[str | None], facts: Facts, corpus: CorpusOptions | None
) -> SplitPlan:
    """
    Args:
        sources (`list[Parts]`), names (`list[str | None]`): the source's splits and what they are called.
        facts ([`Facts`]): about their rows.
        corpus ([`CorpusOptions`], *optional*): how to build a corpus; `None` keeps the splits of the source, where
            rows that have no split of their own are for training.

    Raises:
        DatasetError: no row has a hashtag, or a corpus cannot be built, see [`build_corpus`].
    """
    if not any(row["hashtags"] for row in read_rows(sources, ["hashtags"])):
        raise DatasetError(
            "No row of the source has a hashtag: say which column has them, or leave that column out to take them "
            "from the descriptions."
        )
    groups = near_duplicate_groups(facts.frame_hashes, facts.description_keys)
    if corpus is None:
        splits = np.where(facts.is_usable, facts.source, DROPPED).astype(np.int8)
        return SplitPlan(Assignment(["train" if name is None else name for name in names], splits), groups, [])
    rows = read_rows(sources, ["hashtags", "error"])
    built = build_corpus(([] if row["error"] else row["hashtags"] for row in rows), corpus, groups)
    return SplitPlan(Assignment(SPLIT_NAMES, built.splits, built.kept_hashtags), groups, built.unseen_hashtags)
