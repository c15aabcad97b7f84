"""The command `ggm prepare`, whose arguments are the fields of dataclasses."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from huggingface_hub.utils import validate_repo_id
from transformers import HfArgumentParser

from ..cluster.prepare_bulk import prepare_bulk
from ..data.corpus import CorpusOptions
from ..data.hub import push_prepared_to_hub
from ..data.prepare import ClipOptions, ReadingOptions, WorkOptions, prepare_shorts
from ..processing import MediaLimits


@dataclass
class SourceArguments:
    """What to prepare, and where to."""

    data_dir: str = field(
        metadata={
            "help": "Folder in the Hub's convention, a CSV, JSONL or Parquet table (path or URL), or WebDataset tars "
            "(one, a folder, or a pattern such as 'shards/{000..099}.tar')."
        }
    )
    output_dir: str = field(metadata={"help": "Folder to write. Work that was cut off there is gone on with."})
    columns: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Our column names and the source's, such as video=clip_url hashtags=tags split=fold; "
            "nothing after the = leaves that column out."
        },
    )
    build_corpus: bool | None = field(
        default=None,
        metadata={
            "help": "Drop rare hashtags and make splits, as section 4.1 of the paper does. By default only where the "
            "source has no splits of its own."
        },
    )
    push_to_hub: str | None = field(default=None, metadata={"help": "Dataset repository to upload the result to."})
    private: bool = field(default=False, metadata={"help": "Make that repository private."})

    def __post_init__(self):
        if wrong := [pair for pair in self.columns if "=" not in pair]:
            raise ValueError(f"`columns` has {wrong[0]!r}: write ours=theirs, such as hashtags=tags.")

    @property
    def column_names(self) -> dict[str, str | None]:
        """By our name; `None` for a column to leave out."""
        return {ours: theirs or None for ours, theirs in (pair.split("=", 1) for pair in self.columns)}


@dataclass(frozen=True)
class EngineArguments:
    """What does the work: this machine, or a Ray cluster, where `num_workers` are actors."""

    engine: Literal["ray"] | None = field(default=None, metadata={"help": "ray, to decode and read on a cluster."})
    address: str | None = field(
        default=None, metadata={"help": "Of a Ray cluster, or auto; by default this machine alone."}
    )
    num_readers: int = field(default=1, metadata={"help": "Actors that read speech and screens, with --engine ray."})
    gpus_per_reader: float = field(default=0.0, metadata={"help": "GPUs of each of those, such as 1 or 0.5."})

    def on_ray(self) -> dict[str, Any]:
        """The options that are for a cluster alone."""
        return {name: value for name, value in vars(self).items() if name != "engine"}


def prepare_from_arguments(arguments: Sequence[str]) -> int:
    """
    Prepares what command-line arguments tell, and prints what that came to.

    Returns:
        `int`: the exit status: 0, or 1 where more than `max_rejected_share` of the rows were rejected (the others are
        written all the same).

    Raises:
        SystemExit: the arguments are wrong (status 2), or ask for help (status 0).
        ValueError: a value is out of range.
        DatasetError: there is nothing to prepare, or it cannot be written.
        CheckpointError: there is no such speech model.
        ClusterError: the cluster cannot be reached, or work on it failed.
        ImportError: a package of an extra is missing.
    """
    parser = HfArgumentParser(
        (SourceArguments, ClipOptions, ReadingOptions, MediaLimits, CorpusOptions, WorkOptions, EngineArguments),
        prog="ggm prepare",
        description="Decodes the clips of a source once, into a set of Parquet shards to train on.",
        epilog="Example: ggm prepare --data_dir clips.csv --output_dir prepared --columns video=url hashtags=tags",
    )
    *options, unknown = parser.parse_args_into_dataclasses(arguments, return_remaining_strings=True)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    source, clip, reading, limits, corpus, work, engine = options
    if engine.engine is None and engine != EngineArguments():
        parser.error("--address, --num_readers and --gpus_per_reader are for --engine ray")
    if source.push_to_hub:
        validate_repo_id(source.push_to_hub)
    what = source.data_dir, source.output_dir, source.column_names, source.build_corpus
    if engine.engine == "ray":
        record = prepare_bulk(*what, clip, limits, corpus, work, reading, **engine.on_ray())
    else:
        record = prepare_shorts(*what, clip, limits, corpus, work, reading)
    print(summary(record, source.output_dir))
    if source.push_to_hub:
        print(push_prepared_to_hub(source.output_dir, source.push_to_hub, private=source.private or None))
    share = record["rejected"] / record["read"]
    if share > work.max_rejected_share:
        print(
            f"{share:.1%} of the rows were rejected, more than the {work.max_rejected_share:.1%} of "
            f"--max_rejected_share: see {Path(source.output_dir, 'rejects.jsonl')}.",
            file=sys.stderr,
        )
        return 1
    return 0


def summary(record: dict[str, Any], output_dir: str) -> str:
    """What a preparation came to, in a few lines."""
    lines = [f"{output_dir}: {record['read']} rows read, {record['rejected']} rejected, {record['dropped']} dropped"]
    lines += [
        f"  {name}: {split['rows']} rows in {split['shards']} shards" for name, split in record["splits"].items()
    ]
    if dropped := record.get("dropped_hashtags", {}).get("count"):
        lines.append(f"{dropped} entries in their hashtags are no hashtags: {Path(output_dir, 'statistics.md')}")
    if record.get("clips_without_row"):
        lines.append(f"Clips that no row of the metadata names, left out: {record['clips_without_row']}")
    if record["rejected"]:
        lines.append(
            f"Reasons of the rejected ones: {Path(output_dir, 'rejects.jsonl')} "
            "(--retry_rejected true tries them again)"
        )
    lines.append(f"Statistics and plots: {Path(output_dir, 'statistics.md')}")
    lines.append(f"Next: ggm train --data_dir {output_dir} --output_dir outputs/ggm")
    return "\n".join(lines)
