"""Collator of instructed language models: rows in, prompts with or without their answers out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..processing import InstructedProcessor
from ..processing.frame_inputs import spread_frames
from ..processing.token_ids import LABEL_PADDING, pad_tokens, token_ids_of_all
from .collator import DataCollatorForHashtagGeneration


@dataclass
class DataCollatorForInstructedGeneration(DataCollatorForHashtagGeneration):
    """
    Makes batches for [`InstructedForHashtagGeneration`] from the same rows as [`DataCollatorForHashtagGeneration`],
    and varies them in training likewise: targets are shuffled anew in every epoch, and each true hashtag is taken out
    of the guidance with probability `guidance_dropout`.

    Args:
        processor ([`InstructedProcessor`]): of the prompts.
        answers_apart (`bool`, *optional*, defaults to `False`): `True` makes prompts alone, to be answered by
            `generate`, with the true answers apart as `labels`, padded on the right. Without it a row is prompt and
            answer.

    All other arguments are those of [`DataCollatorForHashtagGeneration`]. Rows may have `examples`, too: similar
    posts, the most similar last, each a `dict` with `text` and `hashtags`.

    Returns, when called with a list of rows, a `BatchFeature` with the keys of
    `InstructedForHashtagGeneration.forward`.

    Example:

    ```python
    >>> from transformers import AutoTokenizer
    >>> from transformers_ggm import (
    ...     DEMO_CHECKPOINT, DataCollatorForInstructedGeneration, GGMVideoProcessor, InstructedProcessor
    ... )

    >>> processor = InstructedProcessor(GGMVideoProcessor(), AutoTokenizer.from_pretrained(DEMO_CHECKPOINT))
    >>> collator = DataCollatorForInstructedGeneration(processor, inputs=["text"])
    >>> row = {"index": 0, "description": "first snow", "frames": None, "hashtags": ["snow"], "guidance": ["winter"]}
    >>> sorted(collator([row]))
    ['attention_mask', 'input_ids', 'labels']

    ```
    """

    processor: InstructedProcessor = None
    answers_apart: bool = False

    def __call__(self, rows: Sequence[Mapping[str, Any]]):
        rows = [self.withhold(row) for row in rows]
        if self.training:
            rows = [self._vary(row, generator) for row, generator in zip(rows, self.row_generators(rows))]
        hashtags = [row["hashtags"] for row in rows]
        columns = {
            "videos": self._frames(rows),
            "text": [row["description"] for row in rows],
            "guidance": [row["guidance"] for row in rows],
        }
        for name in ("transcript", "screen_text", "language"):
            columns[name] = [row.get(name) for row in rows]
        columns["examples"] = [
            [(post["text"], post["hashtags"]) for post in row.get("examples") or ()] for row in rows
        ]
        if not self.answers_apart and (self.training or any(hashtags)):
            return self.processor(**columns, hashtags=hashtags)
        batch = self.processor(**columns)
        if any(hashtags):
            texts = [" ".join(f"#{tag}" for tag in tags) for tags in hashtags]
            ids = token_ids_of_all(self.processor.tokenizer, texts, add_special_tokens=False)
            batch["labels"] = pad_tokens(ids, LABEL_PADDING, None, "right")
        return batch

    def _frames(self, rows: Sequence[Mapping[str, Any]]) -> list[torch.Tensor | None]:
        """As many for each row as the fewest that a row shows; where some rows have none, black ones."""
        frames = [row["frames"] for row in rows]
        counts = {self.processor.shown(of_row) for of_row in frames}
        if len(counts) == 1:
            return frames
        size = next(of_row.shape[1:] for of_row in frames if of_row is not None)
        frames = [torch.zeros(1, *size, dtype=torch.uint8) if of_row is None else of_row for of_row in frames]
        fewest = min(self.processor.shown(of_row) for of_row in frames)
        return [spread_frames(of_row, fewest) for of_row in frames]


__all__ = ["DataCollatorForInstructedGeneration"]
