"""
Prepared sets: Parquet shards of shorts whose clips were decoded once, and the rows that training reads from them.
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import soundfile
import torch
from datasets import Audio, Dataset, DatasetDict, Features, Image, List, Value, load_dataset
from torchvision.io import ImageReadMode, decode_image

from ..errors import DatasetError
from ..processing import GGMProcessor, GGMVideoProcessor, HashtagRetrieverProcessor
from ..processing.hashtags import normalize_hashtag
from ..processing.modalities import TEXTS, further_texts
from ..processing.sound_features import sound_features, sound_waveform

# Says that a folder is a prepared set, and what it was prepared with. Written last.
RECORD = "prepared.json"


def clip_features(sampling_rate: int) -> Features:
    """
    The columns that preparation makes of a clip; `None` in a row of words alone.

    Args:
        sampling_rate (`int`): rate of the stored sound in Hz.
    """
    return Features(
        {
            "frames": List(Image()),
            "timestamps": List(Value("float64")),  # seconds after the first frame of the clip
            "duration": Value("float64"),  # seconds
            # Not decoded on access, which takes torchcodec and an FFmpeg of the system: soundfile reads these bytes.
            "audio": Audio(sampling_rate=sampling_rate, decode=False),
        }
    )


def is_prepared(data_dir: str | Path) -> bool:
    """Whether a folder is a finished prepared set."""
    return Path(data_dir, RECORD).is_file()


def read_record(data_dir: str | Path) -> dict[str, Any]:
    """What a prepared set was prepared with, and what came out: the contents of its `prepared.json`."""
    return json.loads(Path(data_dir, RECORD).read_text(encoding="utf-8"))


def load_prepared(data_dir: str | Path) -> DatasetDict:
    """
    Loads a set that `ggm prepare` wrote.

    Args:
        data_dir (`str` or `Path`): its `output_dir`.

    Returns:
        `datasets.DatasetDict`: memory-mapped, one dataset per split with the columns `file_name`, `description`,
        `hashtags`, the further columns of the source, `frames` (images), `timestamps`, `duration` (seconds) and
        `audio` (undecoded).

    Raises:
        DatasetError: the folder is no finished prepared set.
    """
    if not is_prepared(data_dir):
        raise DatasetError(
            f"{data_dir} has no {RECORD}: it is no prepared set, or its preparation was cut off. Run `python -m "
            "transformers_ggm.data.prepare` with the same arguments again; it goes on where it was."
        )
    splits = read_record(data_dir)["splits"]
    files = {
        split: [str(path) for path in sorted(Path(data_dir, "data").glob(f"{split}-*.parquet"))] for split in splits
    }
    for split, paths in files.items():
        if len(paths) != splits[split]["shards"]:
            raise DatasetError(f"{data_dir}/data has {len(paths)} of {splits[split]['shards']} shards of '{split}'.")
    loaded = load_dataset("parquet", data_files=files)
    return DatasetDict({split: _as_spelled_now(rows) for split, rows in loaded.items()})


def _as_spelled_now(rows: Dataset) -> Dataset:
    """Rows that an earlier version prepared, which took some spellings of a hashtag for two, with the form of now."""
    column = rows.with_format("arrow").select_columns("hashtags")[:].column(0)
    used = pc.unique(pc.list_flatten(column)).to_pylist()
    changed = {tag: normalize_hashtag(tag) for tag in used if normalize_hashtag(tag) != tag}
    if not changed:
        return rows
    hashtags = [list(dict.fromkeys(changed.get(tag, tag) for tag in tags)) for tags in column.to_pylist()]
    names, kind = rows.column_names, rows.features["hashtags"]
    rows = rows.remove_columns("hashtags").add_column("hashtags", hashtags, feature=kind)
    return rows.select_columns(names)


class PreparedShorts(torch.utils.data.Dataset):
    """
    Rows of a prepared split as the collators want them.

    Args:
        dataset (`datasets.Dataset`): a split of [`load_prepared`], or the same columns from the Hub.
        processor ([`GGMProcessor`], *optional*): its frame size and feature extractor; without one a row's `frames`
            and `input_features` are `None`.
        retriever_processor ([`HashtagRetrieverProcessor`], *optional*): its frame size; without one a row's
            `retriever_frames` are `None`.
        guidance (`list[list[str]]`, *optional*): hashtags retrieved for each row, best first.
        examples (`list[list[dict]]`, *optional*): similar posts of each row, see
            [`DataCollatorForInstructedGeneration`]; then an item has `examples`, too.

    Each item is a dict with `index` (`int`), `frames` (`torch.uint8` of shape `(frames, 3, height, width)`, or `None`
    without a video), `retriever_frames` ([`StoredFrames`], of which the same can be taken with `[...]`, or `None`),
    `input_features` (`torch.float32`, or `None` without sound), `description`, `transcript`, `screen_text`, `hashtags`
    and `guidance`.
    """

    def __init__(
        self,
        dataset: Dataset,
        processor: GGMProcessor | None = None,
        retriever_processor: HashtagRetrieverProcessor | None = None,
        guidance: Sequence[Sequence[str]] | None = None,
        examples: Sequence[Sequence[Mapping[str, Any]]] | None = None,
    ):
        self.dataset = dataset
        self._undecoded = dataset.with_format("arrow")
        self.processor = processor
        self.retriever_processor = retriever_processor
        self.guidance, self.examples = guidance, examples

    def __len__(self) -> int:
        return len(self.dataset)

    def frame_counts(self) -> list[int]:
        """How many frames each row has: what a row costs."""
        lengths = pc.list_value_length(self._undecoded.select_columns("timestamps")[:].column(0))
        return pc.fill_null(lengths, 0).to_pylist()

    def __getitem__(self, index: int) -> dict[str, Any]:
        table = self._undecoded[index]
        row = {name: table.column(name)[0] for name in table.column_names}
        item = {
            "index": index,
            "frames": None,
            "retriever_frames": None,
            "input_features": None,
            "description": row["description"].as_py(),
            **further_texts({name: row[name].as_py() for name in TEXTS if name in row}),
            "hashtags": row["hashtags"].as_py(),
            "guidance": [] if self.guidance is None else self.guidance[index],
            **({} if self.examples is None else {"examples": self.examples[index]}),
        }
        if row["frames"].is_valid:
            files = [frame["bytes"].as_buffer() for frame in row["frames"]]
            if self.processor is not None:
                item["frames"] = StoredFrames(files, self.processor.video_processor)[:]
            if self.retriever_processor is not None:
                item["retriever_frames"] = StoredFrames(files, self.retriever_processor.video_processor)
        if row["audio"].is_valid and self.processor is not None and self.processor.feature_extractor is not None:
            item["input_features"] = self._sound(row["audio"]["bytes"].as_buffer(), index)
        return item

    def _sound(self, encoded: pa.Buffer, index: int) -> torch.Tensor:
        waveform, rate = decode_sound(encoded)
        wanted, longest = self.processor.sampling_rate, self.processor.max_audio_seconds
        return sound_features(self.processor.feature_extractor, sound_waveform(waveform, wanted, rate, longest, index))


class StoredFrames(Sequence):
    """
    The frames of a row, of which only those that are taken are decoded: training a retriever draws a few of them.

    Args:
        files (`list[pa.Buffer]`): JPEG or PNG files.
        video_processor ([`GGMVideoProcessor`]): resizes and crops.
    """

    def __init__(self, files: Sequence[pa.Buffer], video_processor: GGMVideoProcessor):
        self.files = files
        self.video_processor = video_processor

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, which: slice | Sequence[int]) -> torch.Tensor:
        """Some frames, by a slice or a list of indices: (frames, 3, height, width) uint8."""
        numbers = range(len(self))[which] if isinstance(which, slice) else which
        # Colours lie side by side as they are decoded, which resizing likes best.
        frames = torch.stack([decode_frame(self.files[number]).permute(1, 2, 0) for number in numbers])
        return self.video_processor.resize_frames(frames.permute(0, 3, 1, 2))


def decode_frame(encoded: pa.Buffer) -> torch.Tensor:
    """A stored frame as (3, h, w) uint8."""
    # A copy, since PyTorch wants memory that can be written to.
    return decode_image(torch.frombuffer(bytearray(encoded), dtype=torch.uint8), ImageReadMode.RGB)


def decode_sound(encoded: pa.Buffer) -> tuple[np.ndarray, int]:
    """A stored sound as a waveform (n,) float32 and its rate in Hz."""
    return soundfile.read(io.BytesIO(encoded), dtype="float32")
