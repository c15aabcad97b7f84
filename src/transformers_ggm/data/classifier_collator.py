"""Prepared shorts in, batches for the classifiers over a fixed set of hashtags out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from ..errors import InputError
from ..processing import GGMVideoProcessor
from ..processing.hashtags import remove_hashtags
from ..processing.token_ids import pad_tokens, token_ids_of_all


@dataclass
class DataCollatorForHashtagClassification:
    r"""
    Makes batches for [`GGMForHashtagClassification`] from the rows of [`PreparedShorts`] or [`DecodedShorts`].

    Args:
        hashtags (`Sequence[str]`): the hashtags to choose from, in the order of the logits: `model.config.hashtags`.
        tokenizer (`PreTrainedTokenizerBase`, *optional*): of the text encoder; its `model_max_length` is what longer
            descriptions are cut to. `None` for a classifier that does not read.
        video_processor ([`GGMVideoProcessor`], *optional*): of the vision encoder; `None` for a classifier that does
            not look.

    Raises:
        InputError: neither `tokenizer` nor `video_processor` is given.

    Returns, when called with a list of rows, a dict of

    - `input_ids`, `attention_mask` (b, n) int64: descriptions without their hashtags, padded on the right;
    - `pixel_values_videos` (b, f, 3, h, w) float32 and `frame_mask` (b, f) int64; where no row has a video, one blank
      frame each, masked out, so that all batches have the same keys;
    - `labels` (b, number of hashtags) float32: 1 for the hashtags of the row. Hashtags that are none of `hashtags` are
      left out; a row may have no 1.
    """

    hashtags: Sequence[str]
    tokenizer: PreTrainedTokenizerBase | None = None
    video_processor: GGMVideoProcessor | None = None

    def __post_init__(self):
        if self.tokenizer is None and self.video_processor is None:
            raise InputError("There is nothing to classify by: give a `tokenizer`, a `video_processor` or both.")

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        batch = {}
        if self.tokenizer is not None:
            batch |= self._encode_texts([row["description"] for row in rows])
        if self.video_processor is not None:
            batch |= self._encode_videos([row["frames"] for row in rows])
        return {**batch, "labels": self._labels([row["hashtags"] for row in rows])}

    def _encode_texts(self, descriptions: Sequence[str]) -> dict[str, torch.Tensor]:
        texts = [remove_hashtags(text) for text in descriptions]
        rows = token_ids_of_all(self.tokenizer, texts, self.tokenizer.model_max_length)
        return {
            "input_ids": pad_tokens(rows, self.tokenizer.pad_token_id, None, "right"),
            "attention_mask": pad_tokens([[1] * len(ids) for ids in rows], 0, None, "right"),
        }

    def _encode_videos(self, videos: Sequence[torch.Tensor | None]) -> dict[str, torch.Tensor]:
        if any(video is not None for video in videos):
            return dict(self.video_processor(list(videos), return_metadata=False))
        size = self.video_processor.crop_size
        return {
            "pixel_values_videos": torch.zeros(len(videos), 1, 3, size["height"], size["width"]),
            "frame_mask": torch.zeros(len(videos), 1, dtype=torch.int64),
        }

    @cached_property
    def _places(self) -> dict[str, int]:
        return {hashtag: place for place, hashtag in enumerate(self.hashtags)}

    def _labels(self, rows: Sequence[Sequence[str]]) -> torch.Tensor:
        labels = torch.zeros(len(rows), len(self.hashtags))
        for row, hashtags in zip(labels, rows):
            row[[self._places[hashtag] for hashtag in hashtags if hashtag in self._places]] = 1
        return labels
