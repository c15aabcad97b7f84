"""The stages between rows and hashtags: decoding, reading of what is said and shown, and the model."""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from transformers import pipeline

from ..data.sources.rows import Row
from ..errors import MediaError
from ..pipelines import HashtagGenerationPipeline
from ..pipelines.clip_reading import ClipReading
from ..pipelines.prefetching import MAX_SECONDS, ItemPreprocessor, PreprocessedItem
from ..processing.media.decoding_workers import DecodingWorkers
from .bulk_rows import rows_of
from .clip_references import read_reference, read_table_references
from .sent_rows import PackedRows, packed_rows, unpacked_rows

HASHTAGS = pa.list_(
    pa.struct(
        {
            "hashtag": pa.string(),
            "score": pa.float64(),
            "novel": pa.bool_(),
            "guided": pa.bool_(),
            "sources": pa.list_(pa.string()),
        }
    )
)
TAGS_SCHEMA = pa.schema({"id": pa.string(), "error": pa.string(), "hashtags": HASHTAGS})


class Decoder:
    """
    Prepares the clips of a block for the model, in a process of its own: a clip that crashes it, or keeps it, becomes
    a reject, and does not end the actor.

    Args:
        preprocess (`Callable`): that of a pipeline without models.
        num_rows (`int`): how many clips are given on at a time, so that few are held in memory.
    """

    def __init__(self, preprocess: Callable[[Any], dict[str, Any]], num_rows: int):
        self._workers = DecodingWorkers(_ClipWork(ItemPreprocessor(preprocess)), 1, MAX_SECONDS)
        self._num_rows = num_rows

    def __call__(self, block: pa.Table) -> Iterator[PackedRows]:
        for start in range(0, block.num_rows, self._num_rows):
            rows = rows_of(block.slice(start, self._num_rows))
            clips = read_table_references([row["video"] for row in rows])
            prepared = [self._prepared({**row, "video": clip}) for row, clip in zip(rows, clips)]
            yield packed_rows([row["id"] for row in rows], [item.result() for item in prepared])

    def _prepared(self, row: Row) -> "Future[PreprocessedItem]":
        return self._workers.submit(row, row["id"], lambda error: PreprocessedItem(None, error=error))


@dataclass(frozen=True)
class _ClipWork:
    """Preprocesses an item, whose clip is fetched from where it lies."""

    preprocess: ItemPreprocessor

    def __call__(self, row: Mapping[str, Any]) -> PreprocessedItem:
        try:
            clip = read_reference(row["video"])
        except MediaError as error:
            return PreprocessedItem(None, error=error)
        item = {name: value for name, value in row.items() if name not in ("id", "video")}
        return self.preprocess(item if clip is None else {**item, "video": clip})


class ClipReader:
    """
    Reads what is said in the clips of a block, and what stands on their screens, so that those who have a GPU need
    not.

    Args:
        speech (`str`, *optional*), screen_text (`bool`), used (`Collection[str]`), trained_with (`dict`, *optional*):
            as of [`ClipReading.of`].
    """

    def __init__(
        self,
        speech: str | None,
        screen_text: bool,
        used: Collection[str],
        trained_with: Mapping[str, Any] | None,
    ):
        self._reading = ClipReading.of(speech, screen_text, used, trained_with, "cpu", False)

    def __call__(self, block: pa.Table) -> PackedRows:
        names, items = zip(*unpacked_rows(block))
        good = [item.inputs for item in items if item.error is None]
        clues = self._reading.read([row["clues"] for row in good], [row["to_read"] for row in good], "skip")
        read = iter(clues)
        items = [
            item if item.error else replace(item, inputs={**item.inputs, "clues": next(read), "to_read": None})
            for item in items
        ]
        return packed_rows(names, items)


class Tagger:
    """
    Suggests hashtags for a block of prepared clips.

    Args:
        model (`str`, *optional*), int8 (`bool`), backend (`str`, defaults to `"torch"`): as of the pipeline.
        options (`dict`): of its call, `batch_size` among them.
    """

    def __init__(self, model: str | None, int8: bool, options: Mapping[str, Any], backend: str = "torch"):
        parts = {"int8": int8, "backend": backend}
        self._suggest = pipeline("hashtag-generation", model=model, pipeline_class=PreparedClipsPipeline, **parts)
        self._options = dict(options)

    def __call__(self, block: pa.Table) -> pa.Table:
        names, reasons = [], []

        def items() -> Iterator[PreprocessedItem]:
            for name, item in unpacked_rows(block):
                names.append(name)
                reasons.append(_reason(item, name))
                yield item

        hashtags = list(self._suggest(items(), on_error="skip", **self._options))
        return pa.table([names, reasons, hashtags], TAGS_SCHEMA)


class PreparedClipsPipeline(HashtagGenerationPipeline):
    """A [`HashtagGenerationPipeline`] whose items are [`PreprocessedItem`]: what it would make of clips itself."""

    def preprocess(self, input_: PreprocessedItem, **params: Any) -> dict[str, Any]:
        if input_.error is not None:
            raise input_.error
        return dict(input_.inputs)


def _reason(item: PreprocessedItem, name: str) -> str | None:
    if item.error is None:
        return None
    told, name = str(item.error), item.name or name
    return told if name in told else f"{name}: {told}"
