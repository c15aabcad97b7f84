"""Prepares shorts on a Ray cluster: `ggm prepare --engine ray`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ..data.corpus import CorpusOptions
from ..data.prepare import ClipOptions, ReadingOptions, WorkOptions, prepare_shorts
from ..data.prepare.preparation import Preparation, RowPreparation
from ..data.prepare.rows_to_prepare import DecodedBefore, rows_to_prepare
from ..data.prepare.text_reading import ClipReader
from ..data.prepare.workers import DECODED, ClipWorkers, as_decoded_before
from ..errors import ClusterError, InputError
from ..processing import MediaLimits
from .actor_stages import ActorStage, block_rows, stream_through
from .ray_session import import_ray, ray_session
from .sent_rows import PackedRows, packed_rows, unpacked_rows
from .source_rows import Row, RowReader, SharedSource, ranges_of


def prepare_bulk(
    source: str | os.PathLike,
    output_dir: str | os.PathLike,
    columns: Mapping[str, str | None] | None = None,
    build_corpus: bool | None = None,
    clip: ClipOptions | None = None,
    limits: MediaLimits | None = None,
    corpus: CorpusOptions | None = None,
    work: WorkOptions | None = None,
    reading: ReadingOptions | None = None,
    *,
    address: str | None = None,
    num_readers: int = 1,
    gpus_per_reader: float = 0.0,
) -> dict[str, Any]:
    """
    Decodes every clip of a source once, as [`prepare_shorts`] does and into the same set, on a Ray cluster. Work that
    was cut off there is gone on with, by whichever of the two.

    Actors read the rows of the source, others decode their clips, and others, where that is asked for, read what is
    said and written in them; this process writes, and does all that comes after decoding. Rows stay in their order, so
    that the parts that are finished are always the first ones.

    Args:
        source (`str` or `os.PathLike`): A path or URL that all machines of the cluster can open, see
            [`~data.open_shorts`]; its clips too.
        output_dir (`str` or `os.PathLike`): The folder to write, on this machine.
        columns, build_corpus, clip, limits, corpus, work, reading: As of [`prepare_shorts`]; `work.num_workers` is how
            many actors decode, each with a process.
        address (`str`, *optional*): Of the cluster, see [`ray_session`].
        num_readers (`int`, defaults to 1): How many actors read what is said and written, where that is asked for.
        gpus_per_reader (`float`, defaults to 0): Of each of those; 0.5 for two on a GPU, 0 for the CPU.

    Returns:
        `dict`: The contents of `prepared.json`.

    Raises:
        `ImportError`: Ray is not installed, or what [`prepare_shorts`] needs.
        `InputError`: `num_readers` or `gpus_per_reader` is out of range.
        `ClusterError`: The cluster cannot be reached, has no such GPUs, or the work failed, as where a row cannot be
            read.
        `DatasetError`, `OutputError`, `CheckpointError`: As of [`prepare_shorts`].

    Example:

    ```python
    >>> from transformers_ggm.cluster.prepare_bulk import prepare_bulk
    >>> from transformers_ggm.data.prepare import WorkOptions

    >>> record = prepare_bulk(  # doctest: +SKIP
    ...     "s3://bucket/clips.parquet", "prepared", work=WorkOptions(num_workers=64), address="auto"
    ... )
    >>> record["splits"]["train"]["rows"]  # doctest: +SKIP
    912345

    ```
    """
    import_ray()
    if num_readers < 1 or gpus_per_reader < 0:
        raise InputError(
            f"`num_readers` is {num_readers} and `gpus_per_reader` is {gpus_per_reader}: give 1 reader at least, and 0"
            " GPUs or more for each."
        )
    shared = SharedSource.of(source, columns, (limits or MediaLimits()).max_bytes)

    @contextmanager
    def on_cluster(job: Preparation) -> Iterator[RowPreparation]:
        if job.reading.columns:
            ClipReader(job.reading)  # which says what is missing before any clip is decoded
        with ray_session(address):
            yield ClusterPreparation(job, _stages(job, shared, num_readers, gpus_per_reader))

    return prepare_shorts(source, output_dir, columns, build_corpus, clip, limits, corpus, work, reading, on_cluster)


def _stages(job: Preparation, source: SharedSource, num_readers: int, gpus_per_reader: float) -> list[ActorStage]:
    opening = {
        "source": source,
        "fingerprints": {split: rows.fingerprint for split, rows in job.splits.items()},
        "rows": rows_to_prepare,
    }
    decoding = {"clip": job.clip, "limits": job.limits, "reading": job.reading}
    stages = [ActorStage(RowReader, opening), ActorStage(ClipPreparer, decoding, job.work.num_workers)]
    if job.reading.columns:
        stages.append(ActorStage(TextReader, {"reading": job.reading}, num_readers, gpus_per_reader))
    return stages


class ClusterPreparation:
    """
    Prepares rows on the cluster that this process is connected to.

    Args:
        job ([`Preparation`]): what is to be prepared.
        stages (`list[ActorStage]`): from ranges of rows to rows that are to be written.
    """

    def __init__(self, job: Preparation, stages: Sequence[ActorStage]):
        self._job, self._stages = job, stages

    def __call__(self, split: str | None, start: int, decoded: DecodedBefore | None) -> Iterator[Row]:
        if decoded is None:
            for _, row in self._prepared(split, [(start, self._job.splits[split].num_rows)]):
                yield row
            return
        # What was decoded before is here, and read a second time rather than held in memory.
        prepared = self._prepared(split, self._not_decoded(split, start, decoded))
        for number, row in enumerate(rows_to_prepare(self._job.splits[split], start, decoded), start):
            if DECODED in row:
                yield {**dict.fromkeys(self._job.reading.columns), **as_decoded_before(row)}
                continue
            its_number, row = next(prepared, (None, None))
            if its_number != number:
                raise ClusterError(f"Clips changed while they were prepared, at row {number}: start again.")
            yield row

    def _not_decoded(self, split: str | None, start: int, decoded: DecodedBefore) -> Iterator[tuple[int, int | None]]:
        number = start
        for number, clip in enumerate(decoded(start), start + 1):  # the number of the next one
            if clip is None:
                yield number - 1, number
        total = self._job.splits[split].num_rows
        if total is None or number < total:
            yield number, total

    def _prepared(self, split: str | None, spans: Any) -> Iterator[tuple[int, Row]]:
        num_rows = block_rows(self._job.splits[split].num_rows, self._job.work.num_workers)
        for block in stream_through(self._stages, ranges_of(split, spans, num_rows), in_order=True):
            yield from unpacked_rows(block)


class ClipPreparer:
    """
    The stage that decodes: each actor in a process of its own, so that a clip that crashes it, or keeps it, becomes a
    reject, and does not end the actor.

    Args:
        clip ([`ClipOptions`]), limits ([`MediaLimits`]), reading ([`ReadingOptions`]): as of [`ClipWorkers`].
    """

    def __init__(self, clip: ClipOptions, limits: MediaLimits, reading: ReadingOptions):
        self._workers = ClipWorkers(1, clip, limits, reading)

    def __call__(self, block: pa.Table) -> PackedRows:
        numbers, rows = zip(*unpacked_rows(block))
        return packed_rows(numbers, self._workers.prepare(rows))


class TextReader:
    """
    The stage that reads what is said and written in clips.

    Args:
        reading ([`ReadingOptions`]): as of [`~data.prepare.text_reading.ClipReader`].
    """

    def __init__(self, reading: ReadingOptions):
        self._reader = ClipReader(reading)

    def __call__(self, block: pa.Table) -> PackedRows:
        numbers, rows = zip(*unpacked_rows(block))
        return packed_rows(numbers, self._reader.read(rows))
