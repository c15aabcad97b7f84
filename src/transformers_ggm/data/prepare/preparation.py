"""From any source of shorts to a prepared set: decode, decide about splits, write shards, report."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict
from transformers.utils import logging

from ...errors import DatasetError
from ...processing import MediaLimits
from ...utils.file_locks import alone_with, owner_file
from ...utils.files import check_output_folder, write_json
from ...version import __version__
from ..corpus import CorpusOptions
from ..prepared import RECORD, is_prepared, read_record
from ..sources import ShortsSource, open_shorts
from .decoded_clips import ROWS, DecodedParts, DecodedSet, write_row_list
from .facts import Facts, count_dropped_hashtags, read_facts, write_rejects
from .options import ClipOptions, ReadingOptions, WorkOptions
from .parts import Parts, write_parts
from .report import write_report
from .rows_to_prepare import DecodedBefore, rows_to_prepare
from .shards import stamp_shards, write_shards
from .splits import SplitPlan, plan_splits
from .text_reading import ClipReader, with_read_columns
from .workers import ClipWorkers

logger = logging.get_logger(__name__)

LOCK = ".lock"
DATA = "data"

# Gives the rows of a split (by its name) from a number on as they are to be written, in their order.
RowPreparation = Callable[[str | None, int, DecodedBefore | None], Iterator[dict[str, Any]]]
Engine = Callable[["Preparation"], AbstractContextManager[RowPreparation]]


def prepare_shorts(
    source: str | Path | Dataset | DatasetDict | IterableDataset | IterableDatasetDict,
    output_dir: str | Path,
    columns: Mapping[str, str | None] | None = None,
    build_corpus: bool | None = None,
    clip: ClipOptions | None = None,
    limits: MediaLimits | None = None,
    corpus: CorpusOptions | None = None,
    work: WorkOptions | None = None,
    reading: ReadingOptions | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """
    Decodes every clip of a source once, and writes a set of Parquet shards that `train.py` and
    `datasets.load_dataset` read.

    What was killed goes on where it was when called again with the same arguments; what is finished is left as it is,
    but for rejected clips where `work.retry_rejected` asks for it. Clips that cannot be read are listed with the
    reason in `rejects.jsonl`. Memory does not grow with the number of clips, but for some hundred bytes on each.

    Args:
        source: a folder, a table, WebDataset tars or a dataset; see [`~data.sources.open_shorts`].
        output_dir (`str` or `Path`): the folder to write.
        columns (`dict[str, str | None]`, *optional*): our column names to the source's.
        build_corpus (`bool`, *optional*): whether rare hashtags are dropped and splits made as in section 4.1 of the
            paper; by default where the source has no splits of its own.
        clip ([`ClipOptions`]), limits ([`MediaLimits`]), corpus ([`CorpusOptions`]), work ([`WorkOptions`]): what is
            kept of a clip, what a clip may be at most, how the corpus is built, and how the work is done; each by
            default with its own defaults.
        reading ([`ReadingOptions`], *optional*): what of the speech and of the screen is read, into columns
            `transcript` and `screen_text`; nothing by default. What the source has there is kept as it is.
        engine (`Callable`, *optional*): who prepares the rows; [`prepare_here`], worker processes of this machine, by
            default. What is written is the same.

    Returns:
        `dict`: the contents of `prepared.json`: settings, rows and shards of each split as they were written, rows
        read, rejected and dropped, what was no hashtag, statistics.

    Raises:
        DatasetError: the source cannot be read, has no usable row, or `output_dir` holds a set that was prepared with
            other settings or from files that have changed since, or another process is at work there.
        OutputError: `output_dir` cannot be written to.
        CheckpointError: there is no such speech model.
        ImportError: a package of the extra `data` is missing, or one of `speech` or `ocr` that reading needs.

    Example:

    ```python
    from transformers_ggm.data.prepare import prepare_shorts

    record = prepare_shorts("shorts", "prepared")
    record["splits"]  # {"train": {"rows": 800, "shards": 4}, ...}
    ```
    """
    _check_packages()
    output_dir = check_output_folder(output_dir)
    limits = limits or MediaLimits()
    work = work or WorkOptions()
    splits = open_shorts(source, columns, limits.max_bytes)
    _check_split_names(splits)
    corpus = corpus or CorpusOptions()
    if build_corpus is None:
        build_corpus = list(splits) == [None]
    corpus = corpus if build_corpus else None
    reading = reading or ReadingOptions()
    job = Preparation(splits, output_dir, clip or ClipOptions(), limits, corpus, work, reading, engine or prepare_here)
    card_source = source if isinstance(source, (str, os.PathLike)) else None
    with alone_with(output_dir, output_dir / LOCK):
        job.finish_publishing()
        if not is_prepared(output_dir):
            job.begin()
            return job.run(card_source)
        record = read_record(output_dir)
        _check_settings({**job.settings, "corpus": job.corpus_settings}, record, output_dir)
        if again := job.decoded_before(record):
            return job.run(card_source, again)
        shutil.rmtree(job.work_dir, ignore_errors=True)
        return record


class Preparation:
    """
    One source on its way to one folder: parts in the source's order, then shards by split, then the report.

    Args:
        splits (`dict[str | None, ShortsSource]`): what to prepare.
        output_dir (`Path`): where to.
        clip, limits, corpus, work, reading, engine: as for [`prepare_shorts`]; `corpus=None` keeps the splits of the
            source.
    """

    def __init__(
        self,
        splits: Mapping[str | None, ShortsSource],
        output_dir: Path,
        clip: ClipOptions,
        limits: MediaLimits,
        corpus: CorpusOptions | None,
        work: WorkOptions,
        reading: ReadingOptions,
        engine: Engine,
    ):
        self.splits = splits
        self.output_dir = output_dir
        self.work_dir = output_dir / ".work"
        self.clip = clip
        self.limits = limits
        self.corpus = corpus
        self.work = work
        self.reading = reading
        self.engine = engine
        self.features = {name: with_read_columns(rows.features, reading) for name, rows in splits.items()}
        self.corpus_settings = None if corpus is None else asdict(corpus)
        # What decides what the parts hold: they can only be resumed under the same settings.
        self.settings = {
            "source": {str(name): rows.fingerprint for name, rows in splits.items()},
            "clip": asdict(clip),
            "limits": asdict(limits),
            "reading": reading.settings(),
            "clips_per_shard": work.clips_per_shard,
        }

    def begin(self) -> None:
        """Makes the folder for unfinished work, or checks that the work in it is this one's."""
        settings = {**self.settings, "columns_of_parts": list(Parts(self.work_dir, Features(), 1, 1).features)}
        path = self.work_dir / "settings.json"
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.get("columns_of_parts") != settings["columns_of_parts"]:
                raise DatasetError(f"{self.work_dir} holds unfinished work of another version: delete it.")
            _check_settings(settings, found, self.output_dir)
            return
        own = {LOCK, owner_file(LOCK).name, self.work_dir.name}
        if not is_prepared(self.output_dir) and any(file.name not in own for file in self.output_dir.iterdir()):
            raise DatasetError(f"{self.output_dir} is not empty: choose another `output_dir`.")
        self.work_dir.mkdir(exist_ok=True)
        write_json(path, settings)

    def decoded_before(self, record: Mapping[str, Any]) -> DecodedSet | None:
        """
        The clips of the finished set, where others of its source are to be decoded again.

        Raises:
            DatasetError: clips have changed since, and nobody has asked for them to be decoded again.
        """
        has_list = (self.output_dir / ROWS).is_file()
        if not has_list and not (self.work.retry_rejected and record["rejected"]):
            return None  # as earlier versions prepared it
        decoded = DecodedSet(self.output_dir, self.reading.columns)
        changed = decoded.changed()
        if not self.work.retry_rejected:
            _check_unchanged(changed, self.output_dir)
            return None
        if not changed and not decoded.num_rejected():
            return None
        self.begin()
        return decoded

    def run(self, card_source: str | Path | None, decoded: DecodedSet | None = None) -> dict[str, Any]:
        """Does what is not done yet. What is in the finished set `decoded` is not decoded again."""
        sources = self.decode(decoded)
        facts = read_facts(sources)
        num_rejected = write_rejects(sources, self.output_dir / "rejects.jsonl")
        if not facts.is_usable.any():
            raise DatasetError(
                f"None of the {num_rejected} rows can be used; {self.output_dir / 'rejects.jsonl'} has the reasons."
            )
        plan = plan_splits(sources, list(self.splits), facts, self.corpus)
        shards_dir = self.work_dir / f"shards-{plan.assignment.digest()}"
        write_shards(sources, plan.assignment, shards_dir, self.work.clips_per_shard)
        write_row_list(sources, plan.assignment, self.work_dir / ROWS)
        shutil.rmtree(self.work_dir / DATA, ignore_errors=True)  # of a kill after the next step
        os.replace(shards_dir, self.work_dir / DATA)
        written = stamp_shards(self.work_dir / DATA, list(plan.assignment.counts()))
        record = self.record(facts, plan, num_rejected, written)
        dropped = count_dropped_hashtags(sources)
        record["dropped_hashtags"] = dropped.to_dict()
        record["statistics"] = write_report(sources, plan, record, dropped, self.output_dir, card_source)
        if dropped:
            logger.warning(f"{self.output_dir}: {dropped}")
        write_json(self.work_dir / RECORD, record)
        self.finish_publishing()
        shutil.rmtree(self.work_dir)
        return record

    def decode(self, decoded: DecodedSet | None) -> list[Parts]:
        """The parts of every split of the source."""
        sources = [
            Parts(self.work_dir / f"parts-{number}", features, self.clip.sampling_rate, self.work.clips_per_shard)
            for number, features in enumerate(self.features.values())
        ]
        if not self.work.retry_rejected:
            changed = [clip for parts in sources for clip in DecodedParts(parts).changed()]
            _check_unchanged(changed, self.output_dir)
        set_aside = [self._set_aside(parts) for parts in sources]
        if not all(parts.is_complete for parts in sources):
            with self.engine(self) as prepared:
                for number, (name, rows) in enumerate(self.splits.items()):
                    known = None if decoded is None else partial(decoded.clips, number)
                    if set_aside[number] is not None:
                        known = DecodedParts(set_aside[number], self.reading.columns).clips
                    what = "Decoding" if name is None else f"Decoding {name}"
                    write_parts(rows, sources[number], partial(prepared, name, decoded=known), what)
        for parts in filter(None, set_aside):
            shutil.rmtree(parts.folder)
        return sources

    def _set_aside(self, parts: Parts) -> Parts | None:
        """Moves parts that are to be written anew, with some clips decoded again; `None` where all can stay."""
        aside = replace(parts, folder=parts.folder.with_name(f"tried-{parts.folder.name}"))
        if aside.folder.is_dir():
            return aside
        before = DecodedParts(parts)
        if not self.work.retry_rejected or not (before.num_rejected() or before.changed()):
            return None
        os.replace(parts.folder, aside.folder)
        return aside

    def record(
        self, facts: Facts, plan: SplitPlan, num_rejected: int, written: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        """What `prepared.json` says, but for the hashtags and the statistics."""
        num_written = sum(split["rows"] for split in written.values())
        return {
            "transformers_ggm": __version__,
            **self.settings,
            "corpus": self.corpus_settings,
            "splits": dict(written),
            "read": len(facts.is_usable),
            "rejected": num_rejected,
            "dropped": len(facts.is_usable) - num_rejected - num_written,
            "clips_without_row": len({clip for rows in self.splits.values() for clip in rows.clips_without_row()}),
            "unseen_hashtags": plan.unseen_hashtags,
            "further_columns": list(next(iter(self.features.values()))),
        }

    def finish_publishing(self) -> None:
        """
        The last steps, also after a kill before or between them; the record that says that all is there comes last.
        """
        if not (self.work_dir / RECORD).is_file():
            return
        if (self.work_dir / DATA).is_dir():
            (self.output_dir / RECORD).unlink(missing_ok=True)
            if (self.output_dir / DATA).is_dir():
                os.replace(self.output_dir / DATA, self.work_dir / "replaced")
            os.replace(self.work_dir / DATA, self.output_dir / DATA)
        if (self.work_dir / ROWS).is_file():
            os.replace(self.work_dir / ROWS, self.output_dir / ROWS)
        os.replace(self.work_dir / RECORD, self.output_dir / RECORD)


@contextmanager
def prepare_here(job: Preparation) -> Iterator[RowPreparation]:
    """Prepares rows in processes of this machine, and reads what is said and written in their clips in this one."""
    # Before any clip is decoded: it says what is missing.
    reader = ClipReader(job.reading) if job.reading.columns else None
    with ClipWorkers(job.work.num_workers, job.clip, job.limits, job.reading) as workers:

        def prepared(split: str | None, start: int, decoded: DecodedBefore | None) -> Iterator[dict[str, Any]]:
            rows = workers.prepare(rows_to_prepare(job.splits[split], start, decoded))
            return rows if reader is None else reader.read(rows)

        yield prepared


def _check_packages() -> None:
    """Raises before hours of work instead of after them."""
    missing = [name for name in ("matplotlib", "wordninja") if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Preparing shorts needs {' and '.join(missing)}: pip install 'transformers-ggm[data]' (or, in a clone, "
            "pip install '.[data]')."
        )


def _check_split_names(splits: Mapping[str | None, ShortsSource]) -> None:
    """Raises for names that `datasets` would not load."""
    wrong = [name for name in splits if name is not None and not re.fullmatch(r"\w+", name)]
    if wrong:
        raise DatasetError(f"{wrong[0]!r} cannot be the name of a split: use letters, digits and underscores only.")


def _check_unchanged(changed: list[str], output_dir: Path) -> None:
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise DatasetError(
            f"{changed[0]}{more} changed after {output_dir} was prepared from it: decode what has changed again with "
            "`retry_rejected` (--retry_rejected true), or choose another `output_dir`."
        )


def _check_settings(settings: dict[str, Any], found: dict[str, Any], output_dir: Path) -> None:
    different = [name for name, value in settings.items() if found.get(name) != value]
    if different:
        raise DatasetError(
            f"{output_dir} was prepared with another {' and another '.join(different)} than is asked for now: choose "
            "another `output_dir`, or delete it."
        )
