"""Rows of any `datasets.Dataset` of shorts as the collators read them; clips are decoded where rows are taken."""

from typing import Any

import datasets
import numpy as np
import torch

from ..errors import DatasetError, InputError, MediaError
from ..pipelines.inputs import load_item, read_fields
from ..pipelines.items import as_items
from ..processing import GGMProcessor
from ..processing.hashtag_fields import read_hashtags
from ..processing.modalities import TEXTS, further_texts

# What is read of a row, and with clips; further columns are left alone.
WORDS = (*TEXTS, "hashtags", "guidance", "examples")
MEDIA = ("video", "audio")


class ShortsDataset(torch.utils.data.Dataset):
    """
    Rows of a `datasets.Dataset` as [`DataCollatorForHashtagGeneration`] and [`DataCollatorForHashtagRetrieval`] read
    them. A clip is decoded each time its row is taken, which a `DataLoader` has its workers do.

    Args:
        dataset (`datasets.Dataset`): with the columns

            - `hashtags`: a list of strings, or any other form that
              [`~transformers_ggm.processing.hashtag_fields.read_hashtags`] reads;
            - `video`: a path, URL or bytes, a `datasets.Video`, frames as an array `(frames, height, width, 3)` with
              values from 0 to 255, or a list of images; `None` for a row without a clip;
            - `description` (`str`), `transcript` and `screen_text` (`str`, what is said in the clip and written in
              it), `guidance` (`list[str]`, the retrieved hashtags, best first), `examples` (similar posts, see
              [`DataCollatorForInstructedGeneration`]) and `audio` (a `datasets.Audio`, path or bytes, in the place of
              the clip's own sound): each may be missing.

            Of `video` and `description` one has to be there. Further columns are not read.
        processor ([`GGMProcessor`]): of the frames and the sound.
        reads_media (`bool`, *optional*, defaults to `True`): whether clips are decoded at all.
        blank_video (`bool`, *optional*, defaults to `False`): whether files without a picture are read for their
            sound, beside one black frame.

    Each item is a dict with `index` (`int`), `frames` and `retriever_frames` (the same `torch.uint8` of shape
    `(frames, 3, height, width)`, or `None`), `input_features` (`torch.float32`, or `None`), `description`,
    `transcript`, `screen_text`, `hashtags` and `guidance`.

    Raises:
        DatasetError: neither a column `video` nor `description` is there.
        MediaError: when a row is taken: its clip cannot be read; names the row.
        InputError: when a row is taken: its clip is of no known kind; names the row.

    Example:

    ```python
    >>> import numpy as np
    >>> from datasets import Dataset
    >>> from transformers_ggm import DEMO_CHECKPOINT, GGMProcessor
    >>> from transformers_ggm.training import ShortsDataset

    >>> clip = np.zeros((2, 64, 64, 3), np.uint8)
    >>> posts = Dataset.from_dict({"video": [clip], "description": ["first snow"], "hashtags": [["snow"]]})
    >>> rows = ShortsDataset(posts, GGMProcessor.from_pretrained(DEMO_CHECKPOINT))
    >>> rows[0]["frames"].shape, rows[0]["hashtags"]
    (torch.Size([2, 3, 64, 64]), ['snow'])

    ```
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        processor: GGMProcessor,
        reads_media: bool = True,
        blank_video: bool = False,
    ):
        if not {"video", "description"} & set(dataset.column_names):
            raise DatasetError(
                f"The dataset has neither a column 'video' nor 'description', only {dataset.column_names}: rename what"
                " it has, as in dataset.rename_column('caption', 'description')."
            )
        self.dataset = dataset
        self.processor = processor
        self.reads_media = reads_media
        self.blank_video = blank_video
        self._rows = as_items(_read_columns(dataset, reads_media))

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = dict(self._rows[index])
        hashtags, guidance = row.pop("hashtags", None), row.pop("guidance", None)
        examples = {"examples": row.pop("examples")} if "examples" in row else {}
        try:
            media = self._media(row)
        except (MediaError, InputError) as error:
            raise type(error)(f"Row {index} of the dataset: {error}") from error
        return {
            "index": index,
            **media,
            **further_texts(row),
            "hashtags": read_hashtags(hashtags).hashtags,
            "guidance": read_hashtags(guidance).hashtags,
            **examples,
        }

    def _media(self, row: dict[str, Any]) -> dict[str, Any]:
        """Description, frames and sound."""
        fields = read_fields({"description": None, **row, "video": _as_frames(row.get("video"))})
        if not self.reads_media or (fields.video is None and fields.audio is None):
            frames, sound = None, None
        else:
            item = load_item(fields, self.processor, None, blank_video=self.blank_video)
            frames, sound = item["frames"], item["input_features"]
        return {
            "frames": frames,
            "retriever_frames": frames,
            "input_features": sound,
            "description": fields.description,
        }


def _read_columns(dataset: datasets.Dataset, reads_media: bool) -> datasets.Dataset:
    """The columns that are read; frames that are stored as numbers come as arrays, not as lists of lists."""
    if dataset.format["type"] == "custom":
        return dataset  # the user's own transform makes the rows
    names = (*MEDIA, *WORDS) if reads_media else WORDS
    dataset = dataset.with_format(None).select_columns([name for name in dataset.column_names if name in names])
    if isinstance(dataset.features.get("video"), (datasets.List, datasets.LargeList, datasets.Array4D)):
        dataset = dataset.with_format("numpy", columns=["video"], output_all_columns=True)
    return dataset


def _as_frames(video: Any) -> Any:
    """Frames as uint8, where `datasets` gave whole numbers of another type; anything else as it is."""
    if not isinstance(video, np.ndarray) or video.dtype.kind not in "iu" or not video.size:
        return video
    return video.astype(np.uint8) if video.min() >= 0 and video.max() <= np.iinfo(np.uint8).max else video
