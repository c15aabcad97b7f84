"""How often each hashtag was used, and its words were said: the table that sources and ranker count by."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import CheckpointError
from ..utils.files import replacing

WORDS_FILE = "words.parquet"
_COLUMNS = ("uses", "texts", "linked")
# How often the recommender takes a hashtag to have been used, where that differs from `uses`.
_COUNT = "count"
_AGAIN = "save or download the checkpoint again"


@dataclass(frozen=True)
class WordTable:
    """
    Counts of hashtags, as a checkpoint keeps them in `words/words.parquet`.

    Attributes:
        uses, texts, linked (`Mapping[str, int]`): what a [`WordsSource`] is made of.
        counts (`Mapping[str, int]`): a [`Recommender`]'s.
    """

    uses: Mapping[str, int] = field(default_factory=dict)
    texts: Mapping[str, int] = field(default_factory=dict)
    linked: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def save_pretrained(self, folder: Path) -> None:
        """Writes `words.parquet`, whole or not at all."""
        hashtags = list(dict.fromkeys([*self.uses, *self.counts]))
        columns = dict(zip(_COLUMNS, (self.uses, self.texts, self.linked)))
        if dict(self.counts) != dict(self.uses):
            columns[_COUNT] = self.counts
        table = {"hashtag": pa.array(hashtags, pa.large_string())}
        for name, numbers in columns.items():
            table[name] = pa.array([int(numbers.get(hashtag, 0)) for hashtag in hashtags], pa.int64())
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / WORDS_FILE) as file:
            pq.write_table(pa.table(table), file)

    @classmethod
    def from_pretrained(cls, folder: Path) -> "WordTable":
        """
        Reads `words.parquet`.

        Raises:
            CheckpointError: It is not there, or is damaged.
        """
        file = folder / WORDS_FILE
        if not file.is_file():
            raise CheckpointError(f"{file} is missing, which recommendation.json speaks of: {_AGAIN}.")
        try:
            table = pq.read_table(file)
            hashtags = table["hashtag"].to_pylist()
            numbers = {
                name: {tag: number for tag, number in zip(hashtags, table[name].to_pylist()) if number > 0}
                for name in (*_COLUMNS, _COUNT)
                if name in (*_COLUMNS, *table.column_names)
            }
        except (pa.ArrowException, OSError, KeyError, TypeError) as error:
            raise CheckpointError(f"{file} is damaged ({error}): {_AGAIN}.") from error
        return cls(*(numbers[name] for name in _COLUMNS), counts=numbers.get(_COUNT, numbers["uses"]))


def added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Counts with more uses of some hashtags."""
    return {**counts, **{hashtag: counts.get(hashtag, 0) + uses for hashtag, uses in more.items()}}


def without(counts: Mapping[str, int], hashtags: Collection[str]) -> dict[str, int]:
    """Counts without some hashtags."""
    left_out = set(hashtags)
    return {hashtag: uses for hashtag, uses in counts.items() if hashtag not in left_out}
