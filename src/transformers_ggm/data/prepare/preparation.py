"""From any source of shorts to a prepared set: decode, decide about splits, write shards, report."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

from ... import __version__
from ...errors import DatasetError
from ...file_locks import alone_with, owner_file
from ...files import write_json
from ...processing import MediaLimits
from ..corpus import CorpusOptions
from ..prepared import RECORD, is_prepared, read_record
from ..sources import ShortsSource, open_shorts
from .facts import Facts, read_facts, write_rejects
from .options import ClipOptions, WorkOptions
from .parts import Parts, write_parts
from .report import write_report
from .shards import num_shards, write_shards
from .splits import SplitPlan, plan_splits
from .workers import ClipWorkers

LOCK = ".lock"


def prepare_shorts(
    source: str | Path | Dataset | DatasetDict | IterableDataset | IterableDatasetDict,
    output_dir: str | Path,
    columns: Mapping[str, str | None] | None = None,
    build_corpus: bool | None = None,
    clip: ClipOptions | None = None,
    limits: MediaLimits | None = None,
    corpus: CorpusOptions | None = None,
    work: WorkOptions | None = None,
) -> dict[str, Any]:
    """
    Decodes every clip of a source once, and writes a set of Parquet shards that `train.py` and
    `datasets.load_dataset` read.

    What was killed goes on where it was when called again with the same arguments; what is finished is left as it is.
    Clips that cannot be read are listed with the reason in `rejects.jsonl`. Memory does not grow with the number of
    clips, but for some hundred bytes on each.

    Args:
        source: a folder, a table, WebDataset tars or a dataset; see [`~data.sources.open_shorts`].
        output_dir (`str` or `Path`): the folder to write.
        columns (`dict[str, str | None]`, *optional*): our column names to the source's.
        build_corpus (`bool`, *optional*): whether rare hashtags are dropped and splits made as in section 4.1 of the
            paper; by default where the source has no splits of its own.
        clip ([`ClipOptions`]), limits ([`MediaLimits`]), corpus ([`CorpusOptions`]), work ([`WorkOptions`]): what is
            kept of a clip, what a clip may be at most, how the corpus is built, and how the work is done; each by
            default with its own defaults.

    Returns:
        `dict`: the contents of `prepared.json`: settings, rows per split, rows read, rejected and dropped, statistics.

    Raises:
        DatasetError: the source cannot be read, has no usable row, or `output_dir` holds a set that was prepared with
            other settings, or another process is at work there.
        ImportError: a package of the extra `data` is missing.

    Example:

    ```python
    from transformers_ggm.data.prepare import prepare_shorts

    record = prepare_shorts("shorts", "prepared")
    record["splits"]  # {"train": {"rows": 800, "shards": 4}, ...}
    ```
    """
    _check_packages()
    output_dir = Path(output_dir)
    if output_dir.exists() and not output_dir.is_dir():
        raise DatasetError(f"{output_dir} is a file: choose another `output_dir`.")
    limits = limits or MediaLimits()
    splits = open_shorts(source, columns, limits.max_bytes)
    _check_split_names(splits)
    corpus = corpus or CorpusOptions()
    if build_corpus is None:
        build_corpus = list(splits) == [None]
    job = Preparation(
        splits, output_dir, clip or ClipOptions(), limits, corpus if build_corpus else None, work or WorkOptions()
    )
    _make_folder(output_dir)
    with alone_with(output_dir, output_dir / LOCK):
        job.finish_publishing()
        if is_prepared(output_dir):
            record = read_record(output_dir)
            _check_settings({**job.settings, "corpus": job.corpus_settings}, record, output_dir)
            shutil.rmtree(job.work_dir, ignore_errors=True)
            return record
        job.begin()
        return job.run(card_source=source if isinstance(source, (str, os.PathLike)) else None)


class Preparation:
    """
    One source on its way to one folder: parts in the source's order, then shards by split, then the report.

    Args:
        splits (`dict[str | None, ShortsSource]`): what to prepare.
        output_dir (`Path`): where to.
        clip, limits, corpus, work: as for [`prepare_shorts`]; `corpus=None` keeps the splits of the source.
    """

    def __init__(
        self,
        splits: Mapping[str | None, ShortsSource],
        output_dir: Path,
        clip: ClipOptions,
        limits: MediaLimits,
        corpus: CorpusOptions | None,
        work: WorkOptions,
    ):
        self.splits = splits
        self.output_dir = output_dir
        self.work_dir = output_dir / ".work"
        self.clip = clip
        self.limits = limits
        self.corpus = corpus
        self.work = work
        self.corpus_settings = None if corpus is None else asdict(corpus)
        # What decides what the parts hold: they can only be gone on with under the same settings.
        self.settings = {
            "source": {str(name): rows.fingerprint for name, rows in splits.items()},
            "clip": asdict(clip),
            "limits": asdict(limits),
            "clips_per_shard": work.clips_per_shard,
        }

    def begin(self) -> None:
        """Makes the folder for unfinished work, or checks that the work in it is this one's."""
        path = self.work_dir / "settings.json"
        if path.is_file():
            _check_settings(self.settings, json.loads(path.read_text(encoding="utf-8")), self.output_dir)
            return
        own = {LOCK, owner_file(LOCK).name, self.work_dir.name}
        if any(file.name not in own for file in self.output_dir.iterdir()):
            raise DatasetError(f"{self.output_dir} is not empty: choose another `output_dir`.")
        self.work_dir.mkdir(exist_ok=True)
        write_json(path, self.settings)

    def run(self, card_source: str | Path | None) -> dict[str, Any]:
        """Does what is not done yet."""
        sources = self.decode()
        facts = read_facts(sources)
        num_rejected = write_rejects(sources, self.output_dir / "rejects.jsonl")
        if not facts.is_usable.any():
            raise DatasetError(
                f"None of the {num_rejected} rows can be used; {self.output_dir / 'rejects.jsonl'} has the reasons."
            )
        plan = plan_splits(sources, list(self.splits), facts, self.corpus)
        shards_dir = self.work_dir / f"shards-{plan.assignment.digest()}"
        write_shards(sources, plan.assignment, shards_dir, self.work.clips_per_shard)
        record = self.record(facts, plan, num_rejected)
        record["statistics"] = write_report(sources, plan, record, self.output_dir, card_source)
        write_json(self.work_dir / RECORD, record)
        os.replace(shards_dir, self.output_dir / "data")
        self.finish_publishing()
        shutil.rmtree(self.work_dir)
        return record

    def decode(self) -> list[Parts]:
        """The parts of every split of the source."""
        sources = [
            Parts(self.work_dir / f"parts-{number}", rows.features, self.clip.sampling_rate, self.work.clips_per_shard)
            for number, rows in enumerate(self.splits.values())
        ]
        if not all(parts.is_complete for parts in sources):
            with ClipWorkers(self.work.num_workers, self.clip, self.limits) as workers:
                for (name, rows), parts in zip(self.splits.items(), sources):
                    write_parts(rows, parts, workers, "Decoding" if name is None else f"Decoding {name}")
        return sources

    def record(self, facts: Facts, plan: SplitPlan, num_rejected: int) -> dict[str, Any]:
        """What `prepared.json` says, but for the statistics."""
        counts = plan.assignment.counts()
        per_shard = self.work.clips_per_shard
        return {
            "transformers_ggm": __version__,
            **self.settings,
            "corpus": self.corpus_settings,
            "splits": {
                name: {"rows": count, "shards": num_shards(count, per_shard)} for name, count in counts.items()
            },
            "read": len(facts.is_usable),
            "rejected": num_rejected,
            "dropped": len(facts.is_usable) - num_rejected - sum(counts.values()),
            "clips_without_row": len({clip for rows in self.splits.values() for clip in rows.clips_without_row()}),
            "unseen_hashtags": plan.unseen_hashtags,
            "further_columns": list(next(iter(self.splits.values())).features),
        }

    def finish_publishing(self) -> None:
        """The last step, also after a kill just before it: the record that says that all is there."""
        if (self.work_dir / RECORD).is_file() and (self.output_dir / "data").is_dir():
            os.replace(self.work_dir / RECORD, self.output_dir / RECORD)


def _check_packages() -> None:
    """Raises before hours of work instead of after them."""
    missing = [name for name in ("pebble", "matplotlib", "wordninja") if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Preparing shorts needs {' and '.join(missing)}: pip install 'transformers-ggm[data]' (or, in a clone, "
            "pip install '.[data]')."
        )


def _make_folder(output_dir: Path) -> None:
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{output_dir} cannot be made ({error.strerror}): choose another `output_dir`.") from error


def _check_split_names(splits: Mapping[str | None, ShortsSource]) -> None:
    """Raises for names that `datasets` would not load."""
    wrong = [name for name in splits if name is not None and not re.fullmatch(r"\w+", name)]
    if wrong:
        raise DatasetError(f"{wrong[0]!r} cannot be the name of a split: use letters, digits and underscores only.")


def _check_settings(settings: dict[str, Any], found: dict[str, Any], output_dir: Path) -> None:
    different = [name for name, value in settings.items() if found.get(name) != value]
    if different:
        raise DatasetError(
            f"{output_dir} was prepared with another {' and another '.join(different)} than is asked for now: choose "
            "another `output_dir`, or delete it."
        )
