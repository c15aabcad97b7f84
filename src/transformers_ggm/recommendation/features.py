"""What a ranker knows of each candidate: named numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..errors import HashtagError, RankerError
from ..processing.hashtags import normalize_hashtag
from ..retrieval.text_terms import joined_words
from .candidates import CandidateSource, Found
from .clues import Clues
from .plausibility import PlausibilityScorer

# Of every candidate, whatever proposed it.
COMMON = ("sources", "mean_reciprocal_rank", "count", "novel", "letters", "in_text", "candidates")
# Of every source: its score and one over its rank (0 where it did not propose the hashtag), the best score that it
# gave in the row, and how near to that this one is.
OF_SOURCE = ("score", "reciprocal_rank", "best_score", "relative_score")
# Where a masked language model is asked: 1 / (1 - its score), from 0 to 1; 0 of candidates that it is not asked for,
# which are all but the first of each row by their mean reciprocal ranks.
PLAUSIBILITY = "plausibility"
SHORTLIST = 20


def feature_names(sources: Sequence[CandidateSource], plausibility: PlausibilityScorer | None = None) -> list[str]:
    """
    The names of the features that candidates of some sources have: first those that tell of all sources together, then
    of each source `"{source.name}.{feature}"`, its own evidence last.

    Args:
        sources (`Sequence[CandidateSource]`): Of different names; their order is that of the features.
        plausibility ([`PlausibilityScorer`], *optional*): As for [`candidate_features`].

    Returns:
        `list[str]`: 7 names, and for each source 4 and those of its `evidence`; `"plausibility"` last, if it is told.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import HistorySource, feature_names

    >>> feature_names([HistorySource()])[-2:]
    ['history.constancy', 'history.size']

    ```
    """
    of_sources = [f"{source.name}.{name}" for source in sources for name in (*OF_SOURCE, *source.evidence)]
    return [*COMMON, *of_sources, *([] if plausibility is None else [PLAUSIBILITY])]


@dataclass(frozen=True)
class CandidateFeatures:
    """
    The candidates of some rows, each hashtag of a row once.

    Attributes:
        names (`list[str]`): of the features.
        values (`torch.Tensor` of shape `(n, len(names))`): float32, of the candidates of one row after the other.
        hashtags (`list[list[str]]`): of each row.
        sources (`list[list[list[str]]]`): which sources proposed each of them.
    """

    names: list[str]
    values: torch.Tensor
    hashtags: list[list[str]]
    sources: list[list[list[str]]]

    def by_row(self, numbers: torch.Tensor) -> list[torch.Tensor]:
        """Numbers of the candidates `(n, ...)`, cut into those of each row."""
        return list(numbers.split([len(row) for row in self.hashtags]))

    def rows(self) -> list["CandidateFeatures"]:
        """Those of each row alone."""
        parts = zip(self.by_row(self.values), self.hashtags, self.sources)
        return [CandidateFeatures(self.names, values, [hashtags], [by]) for values, hashtags, by in parts]

    @classmethod
    def joined(cls, parts: Sequence["CandidateFeatures"]) -> "CandidateFeatures":
        """One or more, of the same features, as one: the reverse of [`~CandidateFeatures.rows`]."""
        return cls(
            parts[0].names,
            torch.cat([part.values for part in parts]),
            [hashtags for part in parts for hashtags in part.hashtags],
            [sources for part in parts for sources in part.sources],
        )

    def named(self, names: Sequence[str]) -> "CandidateFeatures":
        """Some of the features alone, in the order of their names."""
        columns = [self.names.index(name) for name in names]
        return replace(self, names=list(names), values=self.values[:, columns])

    def truth(self, hashtags: Sequence[Sequence[str]]) -> torch.Tensor:
        """
        1 for candidates that are among the true hashtags of their row, else 0: `(n,)` float32.

        Raises:
            RankerError: As [`true_hashtags`].
        """
        true = true_hashtags(hashtags)
        return torch.tensor(
            [float(hashtag in of_row) for row, of_row in zip(self.hashtags, true) for hashtag in row],
        )


def true_hashtags(hashtags: Sequence[Sequence[str]], kind: str = "true") -> list[set[str]]:
    """
    The true hashtags of rows, or those of another kind, normalised as candidates are.

    Raises:
        RankerError: Those of a row are no list, or one is no hashtag.
    """
    true = []
    for number, row in enumerate(hashtags):
        try:
            true.append({normalize_hashtag(hashtag) for hashtag in ([row] if isinstance(row, str) else row)})
        except (HashtagError, TypeError) as error:
            raise RankerError(f"row {number} has the {kind} hashtags {row!r}: give a list of hashtags.") from error
    return true


def candidate_features(
    sources: Sequence[CandidateSource],
    found: Found,
    rows: Sequence[Clues],
    counts: Mapping[str, int],
    plausibility: PlausibilityScorer | None = None,
) -> CandidateFeatures:
    """
    Joins the candidates of several sources and tells what is known of each.

    Args:
        sources (`Sequence[CandidateSource]`): Those that were asked, in the order of the features.
        found (`dict[str, list[list[Candidate]]]`): As [`gather_candidates`] gives it for these rows; of more sources
            those that are not among `sources` are left out.
        rows (`Sequence[Clues]`): The clips.
        counts (`Mapping[str, int]`): How often each known hashtag was used; others are novel.
        plausibility ([`PlausibilityScorer`] or [`DistilledPlausibilityScorer`], *optional*): Asked once, for the 20
            candidates of each row that stand highest in the lists of all sources, behind the row's text.

    Returns:
        [`CandidateFeatures`]: Its names are those of [`feature_names`]. A row's hashtags come in the order in which
        the sources first proposed them.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import Clues, FrequentSource, candidate_features, gather_candidates

    >>> counts = {"snow": 3, "lake": 1}
    >>> sources, rows = [FrequentSource(counts)], [Clues("snow again")]
    >>> features = candidate_features(sources, gather_candidates(sources, rows), rows, counts)
    >>> features.hashtags, features.values.shape
    ([['snow', 'lake']], torch.Size([2, 11]))
    >>> features.values[:, features.names.index("in_text")].tolist()
    [1.0, 0.0]

    ```
    """
    names = feature_names(sources, plausibility)
    columns = {name: number for number, name in enumerate(names)}
    tables, values, hashtags, proposed = [], [], [], []
    for number, row in enumerate(rows):
        table: dict[str, list[float]] = {}
        by: dict[str, list[str]] = {}
        for source in sources:
            _add_source(source, found[source.name][number], columns, table, by)
        said = joined_words(row.texts) if table else set()
        for hashtag, line in table.items():
            _add_common(hashtag, line, len(by[hashtag]), len(sources), len(table), said, counts)
        _add_row_wide(sources, table, columns)
        tables.append(table)
        values += table.values()
        hashtags.append(list(table))
        proposed.append(list(by.values()))
    if plausibility is not None:
        _add_plausibility(plausibility, rows, tables, columns)
    tensor = torch.from_numpy(np.array(values, np.float32)) if values else torch.zeros(0, len(names))
    return CandidateFeatures(names, tensor, hashtags, proposed)


def _add_source(source, candidates, columns, table, by) -> None:
    score, rank, _, relative = (columns[f"{source.name}.{name}"] for name in OF_SOURCE)
    best = max((candidate.score for candidate in candidates), default=0.0)
    for place, candidate in enumerate(candidates, start=1):
        line = table.setdefault(candidate.hashtag, [0.0] * len(columns))
        by.setdefault(candidate.hashtag, []).append(source.name)
        line[score], line[rank] = candidate.score, 1 / place
        line[relative] = candidate.score / best if best > 0 else 0.0
        line[1] += 1 / place
        for name in source.evidence:
            line[columns[f"{source.name}.{name}"]] = float(candidate.evidence.get(name, 0.0))


def _add_common(hashtag, line, num_by, num_sources, num_candidates, said, counts) -> None:
    count = counts.get(hashtag, 0)
    common = (num_by, line[1] / num_sources, math.log1p(count), float(not count), len(hashtag), float(hashtag in said))
    line[: len(COMMON)] = [*map(float, common), math.log1p(num_candidates)]


def _add_row_wide(sources, table, columns) -> None:
    """What is true of the whole row: so a hashtag that a source lacks differs from one of a row it is silent on."""
    for source in sources:
        score, best = columns[f"{source.name}.score"], columns[f"{source.name}.best_score"]
        highest = max((line[score] for line in table.values()), default=0.0)
        for line in table.values():
            line[best] = highest


def _add_plausibility(scorer, rows, tables, columns) -> None:
    rank, plausibility = columns["mean_reciprocal_rank"], columns[PLAUSIBILITY]
    shortlists = [sorted(table, key=lambda hashtag: -table[hashtag][rank])[:SHORTLIST] for table in tables]
    scores = scorer.score([row.text for row in rows], shortlists)
    for table, shortlist, of_row in zip(tables, shortlists, scores):
        for hashtag, score in zip(shortlist, of_row):
            # More is better and 0 as good as not proposed, as of sources. A distilled score may be above 0.
            table[hashtag][plausibility] = 1 / (1 - min(score, 0.0))
