"""
The clips of one training run decoded once, for its processors: pixels and sound features in a memory-mapped file.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, Features, Value
from datasets.arrow_writer import ArrowWriter
from tqdm.auto import tqdm
from transformers.utils import logging

from ..errors import DatasetError, MediaError
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..processing.frame_geometry import frame_geometry, same_geometry
from ..processing.media import DEFAULT_LIMITS
from ..processing.media.decoding_workers import DecodingWorkers, in_order
from ..processing.modalities import further_texts
from ..processing.sound_features import sound_features
from ..utils.files import write_json
from .stamps import rows_stamp

logger = logging.get_logger(__name__)

ARROW_BATCH = 64
# Clips under way for each worker.
_AHEAD = 4
_FRAME_RULE = ("frames_per_second", "num_frames", "long_video_seconds")
FRAME_FEATURES = Features(
    {
        "frames": Value("large_binary"),
        "frames_shape": [Value("int32")],
        "retriever_frames": Value("large_binary"),
        "retriever_frames_shape": [Value("int32")],
        "input_features": Value("large_binary"),
        "input_features_shape": [Value("int32")],
    }
)


def _to_bytes(name: str, array: np.ndarray | None) -> dict[str, Any]:
    if array is None:
        return {name: None, f"{name}_shape": None}
    return {name: np.ascontiguousarray(array).tobytes(), f"{name}_shape": list(array.shape)}


def _from_bytes(row: dict[str, Any], name: str, dtype: type) -> torch.Tensor | None:
    if row[name] is None:
        return None
    return torch.from_numpy(np.frombuffer(row[name], dtype=dtype).reshape(row[f"{name}_shape"]).copy())


class ClipDecoder(torch.utils.data.Dataset):
    """
    Decodes row i of a dataset of shorts: what [`decode_split`] stores. A clip that cannot be read gives its row with
    an `error` instead of an exception, so that one bad file does not end a worker process.

    Args:
        dataset (`datasets.Dataset`): from [`load_shorts`].
        processor ([`GGMProcessor`]): its frame rule, frame size and feature extractor.
        retriever_processor ([`HashtagRetrieverProcessor`], *optional*): its frame size, if it is another one.
        blank_video (`bool`, *optional*, defaults to `False`): whether files without a picture are read for their
            sound.
    """

    def __init__(
        self,
        dataset: Dataset,
        processor: GGMProcessor,
        retriever_processor: HashtagRetrieverProcessor | None = None,
        blank_video: bool = False,
    ):
        self.dataset = dataset
        self.processor = processor
        self.retriever_processor = retriever_processor
        self.blank_video = blank_video
        self.same_frames = retriever_processor is None or same_geometry(
            processor.video_processor, retriever_processor.video_processor
        )

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.undecoded(index)
        if row["video"] is None:
            return row
        try:
            return {**row, **self._decode(row["video"])}
        except MediaError as error:
            return {**row, "error": str(error)}

    def undecoded(self, index: int, error: MediaError | None = None) -> dict[str, Any]:
        """The row without what a clip gives, and why it gives nothing."""
        empty = _to_bytes("frames", None) | _to_bytes("retriever_frames", None) | _to_bytes("input_features", None)
        return {**self.dataset[index], **empty, "error": None if error is None else str(error)}

    def _decode(self, video: str) -> dict[str, Any]:
        media = self.processor.decode_media(video, blank_video=self.blank_video, resize=self.same_frames)
        stored = {}
        if media.frames is not None:
            stored |= _to_bytes("frames", self.processor.video_processor.frames_of(media).numpy())
        if media.frames is not None and not self.same_frames:
            frames = self.retriever_processor.video_processor.resize_frames(media.frames)
            stored |= _to_bytes("retriever_frames", frames.numpy())
        if media.audio is not None and self.processor.feature_extractor is not None:
            features = sound_features(self.processor.feature_extractor, media.audio)
            stored |= _to_bytes("input_features", features.numpy())
        return stored


def decoded_rows(decoder: ClipDecoder, num_workers: int) -> Iterator[dict[str, Any]]:
    """All rows of a decoder in order, made by so many processes, of which no clip can stop the others, or here."""
    if not num_workers:
        yield from map(decoder.__getitem__, range(len(decoder)))
        return
    with DecodingWorkers(decoder.__getitem__, num_workers, DEFAULT_LIMITS.max_wall_seconds) as workers:

        def submit(index: int) -> Future:
            return workers.submit(index, decoder.dataset[index]["video"], partial(decoder.undecoded, index))

        yield from in_order(range(len(decoder)), submit, _AHEAD * num_workers)


def decode_split(
    dataset: Dataset,
    path: str | Path,
    processor: GGMProcessor,
    retriever_processor: HashtagRetrieverProcessor | None = None,
    num_workers: int = 0,
    on_error: str = "raise",
    blank_video: bool = False,
) -> Dataset:
    """
    Decodes every clip of a split once, and writes frames (uint8, resized and cropped) and sound features (float32)
    beside the row's other fields into one Arrow file. The file appears under its name only when it is complete.

    Args:
        dataset (`datasets.Dataset`): from [`load_shorts`].
        path (`str` or `Path`): the file to write, e.g. `"prepared/train.arrow"`. An existing one is used as it is, if
            `<name>.stamp.json` beside it says that it was made of the same rows and clips, for processors like these;
            otherwise it is written anew.
        processor ([`GGMProcessor`]): frame rule, size of frames, sound.
        retriever_processor ([`HashtagRetrieverProcessor`], *optional*): the retriever's size of frames.
        num_workers (`int`, *optional*, defaults to 0): processes that decode; 0 decodes in this one.
        on_error (`str`, *optional*, defaults to `"raise"`): `"skip"` leaves out clips that cannot be read and lists
            them with their reasons in `<name>.rejected.jsonl` beside the file.
        blank_video (`bool`, *optional*, defaults to `False`): whether files without a picture are read for their sound
            alone; their rows have no frames.

    Returns:
        `datasets.Dataset`: memory-mapped.

    Raises:
        MediaError: a clip cannot be read (with `on_error="raise"`), or none can.
        DatasetError: `dataset` has no rows.
        ValueError: an unknown `on_error`.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"`on_error` is {on_error!r}: choose 'raise' or 'skip'.")
    path = Path(path)
    if not len(dataset):
        raise DatasetError(f"There is no row to prepare for {path}.")
    stamp = _stamp(dataset, processor, retriever_processor, blank_video)
    if path.is_file():
        if _is_of(path, stamp):
            return Dataset.from_file(str(path))
        logger.warning(f"{path} has other rows or clips, or is for other processors: decoding anew.")
    path.parent.mkdir(parents=True, exist_ok=True)
    decoder = ClipDecoder(dataset, processor, retriever_processor, blank_video)
    rejected: list[dict[str, str]] = []
    temporary = path.with_suffix(".partial")
    features = Features({**dataset.features, **FRAME_FEATURES})
    with (
        closing(decoded_rows(decoder, num_workers)) as rows,
        ArrowWriter(path=str(temporary), features=features, writer_batch_size=ARROW_BATCH) as writer,
    ):
        for row in tqdm(rows, total=len(decoder), desc=f"Decoding {path.stem}", unit="clip"):
            error = row.pop("error")
            if error is None:
                writer.write(row)
            elif on_error == "raise":
                raise MediaError(f"{error} (use on_error='skip' to leave out clips that cannot be read)")
            else:
                rejected.append({"video": row["video"], "error": error})
        if len(rejected) == len(dataset):
            raise MediaError(f"None of the {len(rejected)} clips can be read; the first: {rejected[0]['error']}")
        writer.finalize()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rejected)
    path.with_suffix(".rejected.jsonl").write_text(lines, encoding="utf-8")
    if rejected:
        logger.warning(f"{len(rejected)} of {len(dataset)} clips were left out of {path}, which cannot be read.")
    path.unlink(missing_ok=True)  # so that no stamp ever lies beside another file
    write_json(path.with_suffix(".stamp.json"), stamp)
    os.replace(temporary, path)
    return Dataset.from_file(str(path))


def _stamp(
    dataset: Dataset,
    processor: GGMProcessor,
    retriever_processor: HashtagRetrieverProcessor | None,
    blank_video: bool,
) -> dict[str, Any]:
    """What a decoded split is made of, by its parts; `None` for parts that are not asked for."""
    extractor = processor.feature_extractor
    names = ("processor_class", "auto_map", "feature_extractor_type")
    sound = None if extractor is None else {k: v for k, v in extractor.to_dict().items() if k not in names}
    rule = [getattr(processor.video_processor, name) for name in _FRAME_RULE]
    stamp = {
        "rows": rows_stamp(dataset),
        "blank_video": blank_video,
        "frames": [rule, frame_geometry(processor.video_processor)],
        "retriever_frames": retriever_processor and frame_geometry(retriever_processor.video_processor),
        "sound": sound and [sound, processor.max_audio_seconds],
    }
    return json.loads(json.dumps(stamp, default=str))


def _is_of(path: Path, stamp: dict[str, Any]) -> bool:
    """Whether a decoded split has all that is asked for. Earlier versions wrote no stamps."""
    file = path.with_suffix(".stamp.json")
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return all(part is None or found.get(name, part) == part for name, part in stamp.items())


class DecodedShorts(torch.utils.data.Dataset):
    """
    Rows of a decoded split as the collators want them.

    Args:
        dataset (`datasets.Dataset`): from [`decode_split`].
        guidance (`list[list[str]]`, *optional*): hashtags retrieved for each row, best first.
        examples (`list[list[dict]]`, *optional*): similar posts of each row, see
            [`DataCollatorForInstructedGeneration`]; then an item has `examples`, too.

    Each item is a dict with `index` (`int`), `frames` and `retriever_frames` (`torch.uint8` of shape
    `(frames, 3, height, width)`, or `None` without a picture), `input_features` (`torch.float32`, or `None` without
    sound), `description`, `transcript`, `screen_text`, `hashtags` and `guidance`.
    """

    def __init__(
        self,
        dataset: Dataset,
        guidance: list[list[str]] | None = None,
        examples: Sequence[Sequence[Mapping[str, Any]]] | None = None,
    ):
        self.dataset = dataset
        self.guidance, self.examples = guidance, examples

    def __len__(self) -> int:
        return len(self.dataset)

    def frame_counts(self) -> list[int]:
        """How many frames each row has: what a row costs."""
        return [0 if shape is None else shape[0] for shape in self.dataset["frames_shape"]]

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.dataset[index]
        frames = _from_bytes(row, "frames", np.uint8)
        retriever_frames = _from_bytes(row, "retriever_frames", np.uint8)
        return {
            "index": index,
            "frames": frames,
            "retriever_frames": frames if retriever_frames is None else retriever_frames,
            "input_features": _from_bytes(row, "input_features", np.float32),
            "description": row["description"],
            **further_texts(row),
            "hashtags": row["hashtags"],
            "guidance": [] if self.guidance is None else self.guidance[index],
            **({} if self.examples is None else {"examples": self.examples[index]}),
        }
