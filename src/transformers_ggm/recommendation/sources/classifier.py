"""The classes of a classifier over a fixed set of hashtags."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer

from ...data.classifier_collator import DataCollatorForHashtagClassification
from ...errors import CheckpointError
from ...modeling.modeling_hashtag_classifier import GGMForHashtagClassification
from ...processing import GGMVideoProcessor
from ...utils.checkpoint_layout import CLASSIFIER_FOLDER
from ..candidates import Candidate, CandidateSource, register_source
from ..checkpoint_parts import CheckpointParts
from ..clues import Clues


@register_source("classifier")
class ClassifierSource(CandidateSource):
    """
    The classes of a [`GGMForHashtagClassification`], scored by their probabilities. It costs one pass of the model a
    batch. Rows without anything that the model reads get none.

    Args:
        model ([`GGMForHashtagClassification`]): In evaluation mode from here on.
        collator ([`DataCollatorForHashtagClassification`]): Makes its inputs.
    """

    def __init__(self, model: GGMForHashtagClassification, collator: DataCollatorForHashtagClassification):
        self.model, self.collator = model.eval(), collator

    @torch.inference_mode()
    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        answered = iter(self._probabilities([row for row in rows if self._can_read(row)], k))
        return [next(answered) if self._can_read(row) else [] for row in rows]

    def save_pretrained(self, save_directory: str | os.PathLike) -> None:
        """Saves the model with its tokenizer and video processor, as far as it has them."""
        for part in (self.model, self.collator.tokenizer, self.collator.video_processor):
            if part is not None:
                part.save_pretrained(save_directory)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike) -> "ClassifierSource":
        """
        Loads what [`~ClassifierSource.save_pretrained`] or the stage `classifier` of `train.py` saved.

        Args:
            folder (`str` or `os.PathLike`): Of the classifier.

        Raises:
            CheckpointError: It cannot be read.
        """
        try:
            model = GGMForHashtagClassification.from_pretrained(folder)
            reads, looks = (part in model.config.modality for part in ("text", "video"))
            collator = DataCollatorForHashtagClassification(
                model.config.hashtags,
                tokenizer=AutoTokenizer.from_pretrained(folder) if reads else None,
                video_processor=GGMVideoProcessor.from_pretrained(folder) if looks else None,
            )
        except (OSError, ValueError, SafetensorError) as error:
            raise CheckpointError(f"{folder} cannot be loaded as a classifier: {error}") from error
        return cls(model, collator)

    def parts(self) -> dict[str, Any]:
        """The classifier."""
        return {CLASSIFIER_FOLDER: self}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], parts: CheckpointParts) -> "ClassifierSource":
        """The one that is loaded, else that of the checkpoint's `classifier/`."""
        if parts.classifier is not None:
            return parts.classifier
        source = cls.from_pretrained(parts.folder / CLASSIFIER_FOLDER, **settings)
        source.model.to(parts.device)
        return source

    def _can_read(self, row: Clues) -> bool:
        modality = self.model.config.modality
        return ("text" in modality and bool(row.description)) or ("video" in modality and row.frames is not None)

    def _probabilities(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        if not rows:
            return []
        inputs = self.collator(
            [{"description": row.description, "frames": row.frames, "hashtags": []} for row in rows]
        )
        inputs = {name: tensor.to(self.model.device) for name, tensor in inputs.items() if name != "labels"}
        logits = self.model(**inputs).logits.float()
        softmax = self.model.config.objective == "softmax"
        probabilities = logits.softmax(dim=-1) if softmax else logits.sigmoid()
        values, places = probabilities.sort(dim=-1, descending=True, stable=True)
        hashtags = self.model.config.hashtags
        return [
            [Candidate(hashtags[place], value) for place, value in zip(of_row[:k], of_values[:k])]
            for of_row, of_values in zip(places.tolist(), values.tolist())
        ]
