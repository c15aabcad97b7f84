"""What is written beside the shards for people to read: statistics, plots, near-duplicates, the dataset card."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...hub_cards.dataset_card import write_dataset_card
from ...processing.hashtag_fields import DroppedHashtags
from ...utils.files import write_lines, write_text
from ..near_duplicates import near_duplicates_across_splits, near_duplicates_summary
from ..plots import plot_hashtag_frequency, plot_words_per_hashtag
from ..statistics import StatisticsCounter, statistics_by_split, statistics_table
from .facts import read_rows
from .options import SCREEN_TEXT, TRANSCRIPT
from .parts import Parts
from .splits import SplitPlan


def write_report(
    sources: Sequence[Parts],
    plan: SplitPlan,
    record: dict[str, Any],
    dropped: DroppedHashtags,
    output_dir: Path,
    card_source: str | Path | None,
) -> dict[str, Any]:
    """
    Writes `statistics.md`, two plots, `near_duplicates.jsonl`, `unseen_hashtags.txt` (where there are any) and
    `README.md`.

    Args:
        sources (`list[Parts]`): the rows.
        plan ([`SplitPlan`]): where they go.
        record (`dict`): what `prepared.json` will say.
        dropped ([`DroppedHashtags`]): what in the hashtags of the rows was none.
        output_dir (`Path`): where to write.
        card_source (`str` or `Path`, *optional*): a folder that may have a card of its own.

    Returns:
        `dict`: the statistics of each split and of all, for `prepared.json`.
    """
    counters, counts_before = count_rows(sources, plan)
    statistics = statistics_by_split(counters)
    table = statistics_table(statistics)
    kept_counts = sum((counter.hashtag_counts for counter in counters.values()), Counter())
    corpus = record["corpus"]
    plot_hashtag_frequency(counts_before, output_dir / "hashtag_frequency.png", corpus and corpus["min_hashtag_count"])
    plot_words_per_hashtag(kept_counts, output_dir / "words_per_hashtag.png")
    near_duplicates = write_near_duplicates(sources, plan, output_dir / "near_duplicates.jsonl")
    (output_dir / "unseen_hashtags.txt").unlink(missing_ok=True)  # of the set before rejected clips were tried again
    if plan.unseen_hashtags:
        write_lines(output_dir / "unseen_hashtags.txt", plan.unseen_hashtags)
    left_out = f"\n{str(dropped)[:1].upper()}{str(dropped)[1:]}.\n" if dropped else ""
    pictures = "".join(f"![]({name}.png)\n" for name in ("hashtag_frequency", "words_per_hashtag"))
    write_text(output_dir / "statistics.md", f"# Statistics\n\n{table}{left_out}\n{pictures}\n{near_duplicates}")
    write_dataset_card(output_dir, record, table, near_duplicates, card_source)
    return {name: split.to_dict() for name, split in statistics.items()}


def count_rows(sources: Sequence[Parts], plan: SplitPlan) -> tuple[dict[str, StatisticsCounter], Counter]:
    """The statistics of each split, and how often hashtags occur in all usable rows before any were dropped."""
    assignment = plan.assignment
    counters = {name: StatisticsCounter() for name in assignment.counts()}
    before = Counter()
    read = [name for name in (TRANSCRIPT, SCREEN_TEXT) if name in sources[0].features]
    columns = ["hashtags", "description", "duration", "has_audio", "error", *read]
    for split, row in zip(assignment.splits, read_rows(sources, columns)):
        if row["error"] is None:
            before.update(row["hashtags"])
        if split >= 0:
            hashtags = assignment.hashtags_of(row["hashtags"])
            counters[assignment.names[split]].add({**row, "hashtags": hashtags, "has_sound": row["has_audio"]})
    return counters, before


def write_near_duplicates(sources: Sequence[Parts], plan: SplitPlan, path: Path) -> str:
    """Lists the groups of near-duplicates that lie in several splits, and gives a summary in Markdown."""
    assignment = plan.assignment
    across = near_duplicates_across_splits(plan.groups, assignment.splits, _Names(sources), assignment.names)
    write_lines(path, (json.dumps(group, ensure_ascii=False) for group in across))
    return near_duplicates_summary(plan.groups[assignment.splits >= 0], across)


class _Names:
    """The names of all rows, as compact as Arrow has them."""

    def __init__(self, sources: Sequence[Parts]):
        batches = [batch.column("file_name") for parts in sources for batch in parts.batches(["file_name"])]
        self._column = pa.chunked_array(batches, pa.string()).combine_chunks()

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, row: int) -> str:
        return self._column[row].as_py() or f"row {row}"
