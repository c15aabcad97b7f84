"""The classes of a classifier over a fixed set of hashtags."""

from collections.abc import Sequence

import torch

from ...data.classifier_collator import DataCollatorForHashtagClassification
from ...modeling.modeling_hashtag_classifier import GGMForHashtagClassification
from ..candidates import Candidate, CandidateSource, register_source
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
