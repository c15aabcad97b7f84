"""The stages between rows and hashtags: decoding, reading of what is said and shown, and the model."""

import pickle
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
from ..processing.media.decoding_workers import DecodingWorkers, packed_answer
from .bulk_rows import rows_of
from .clip_references import read_reference, read_table_references

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
        work = _PackedWork(ItemPreprocessor(preprocess))
        self._workers = DecodingWorkers(work, 1, MAX_SECONDS)
        self._num_rows = num_rows

    def __call__(self, block: pa.Table) -> Iterator[pa.Table]:
        for start in range(0, block.num_rows, self._num_rows):
            rows = rows_of(block.slice(start, self._num_rows))
            clips = read_table_references([row["video"] for row in rows])
            packed = [self._packed({**row, "video": clip}) for row, clip in zip(rows, clips)]
            yield _packed_block([row["id"] for row in rows], [item.result() for item in packed])

    def _packed(self, row: Row) -> "Future[bytes]":
        return self._workers.submit(row, row["id"], lambda error: _pack(PreprocessedItem(None, error=error)))


@dataclass(frozen=True)
class _PackedWork:
    """Preprocesses an item, and packs what comes of it once, for the rest of its way."""

    preprocess: ItemPreprocessor

    def __call__(self, row: Mapping[str, Any]) -> bytes:
        try:
            clip = read_reference(row["video"])
        except MediaError as error:
            return _pack(PreprocessedItem(None, error=error))
        item = {name: value for name, value in row.items() if name not in ("id", "video")}
        return _pack(self.preprocess(item if clip is None else {**item, "video": clip}))


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

    def __call__(self, block: pa.Table) -> pa.Table:
        items = list(unpacked(block))
        good = [item.inputs for item in items if item.error is None]
        clues = self._reading.read([row["clues"] for row in good], [row["to_read"] for row in good], "skip")
        read = iter(clues)
        items = [
            item if item.error else replace(item, inputs={**item.inputs, "clues": next(read), "to_read": None})
            for item in items
        ]
        return _packed_block(block["id"], map(_pack, items))


class Tagger:
    """
    Suggests hashtags for a block of prepared clips.

    Args:
        model (`str`, *optional*), int8 (`bool`): as of the pipeline.
        options (`dict`): of its call, `batch_size` among them.
    """

    def __init__(self, model: str | None, int8: bool, options: Mapping[str, Any]):
        self._suggest = pipeline("hashtag-generation", model=model, int8=int8, pipeline_class=PreparedClipsPipeline)
        self._options = dict(options)

    def __call__(self, block: pa.Table) -> pa.Table:
        names, reasons = block["id"].to_pylist(), []

        def items() -> Iterator[PreprocessedItem]:
            for item, name in zip(unpacked(block), names):
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


def _pack(item: PreprocessedItem) -> bytes:
    return bytes(packed_answer(item))


def _packed_block(names: Any, packed: Any) -> pa.Table:
    return pa.table({"id": names, "packed": pa.array(list(packed), pa.large_binary())})


def unpacked(block: pa.Table) -> Iterator[PreprocessedItem]:
    """The clips that a [`Decoder`] has prepared, one at a time."""
    # Made by processes of this same work; tensors are copied out of Ray's memory, which must not be written to.
    return (pickle.loads(value.as_buffer()) for value in block["packed"])  # noqa: S301
