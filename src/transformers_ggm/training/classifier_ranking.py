"""A classifier's ranking of its hashtags."""

from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from ..data import DataCollatorForHashtagClassification, DecodedShorts, PreparedShorts
from ..modeling import GGMForHashtagClassification
from .pool_and_guidance import RECALL_KS

# Hashtags kept of a row's ranking, the same in training as after it.
NUM_RANKED = max(RECALL_KS)


class Ranking(NamedTuple):
    """
    The best hashtags of every row, best first.

    Args:
        scores (`np.ndarray` of shape `(rows, k)`): float32 probabilities.
        hashtags (`np.ndarray` of shape `(rows, k)`): `str` objects.
    """

    scores: np.ndarray
    hashtags: np.ndarray


def best_columns(logits: torch.Tensor, objective: str, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """
    The `k` best hashtags of every row, best first, of equal ones the earlier.

    Args:
        logits (`torch.FloatTensor` of shape `(batch, num_labels)`).
        objective (`str`): `"softmax"` or `"sigmoid"`, what the logits become probabilities by.
        k (`int`): all of them where there are fewer.

    Returns:
        Probabilities, float32, and their places in the logits, int64, each of shape `(batch, min(k, num_labels))`.
    """
    logits = logits.float()
    scores = logits.softmax(dim=-1) if objective == "softmax" else logits.sigmoid()
    # Probabilities may round to the same number where logits differ.
    columns = logits.argsort(dim=-1, descending=True, stable=True)[:, :k]
    return scores.gather(-1, columns), columns


@torch.inference_mode()
def classify(
    shorts: DecodedShorts | PreparedShorts,
    model: GGMForHashtagClassification,
    collator: DataCollatorForHashtagClassification,
    k: int = NUM_RANKED,
    batch_size: int = 32,
    num_workers: int = 0,
    description: str = "Classifying",
) -> Ranking:
    """
    Ranks the classifier's hashtags for every row.

    Args:
        shorts ([`DecodedShorts`] or [`PreparedShorts`]): rows; see `RunData.for_classifier`.
        model ([`GGMForHashtagClassification`]): in evaluation mode.
        collator ([`DataCollatorForHashtagClassification`]): of the model's hashtags, tokenizer and video processor.
        k (`int`, *optional*, defaults to 100): hashtags of each row; as many as there are where the model has fewer.
        batch_size (`int`, *optional*, defaults to 32): rows per pass.
        num_workers (`int`, *optional*, defaults to 0): processes that read rows.
        description (`str`, *optional*, defaults to `"Classifying"`): of the progress bar.

    Returns:
        [`Ranking`]: best first, of equal ones the more frequent in training.
    """
    loader = DataLoader(shorts, batch_size=batch_size, collate_fn=collator, num_workers=num_workers)
    scores, columns = [], []
    for batch in tqdm(loader, desc=description, unit="batch"):
        inputs = {name: values.to(model.device) for name, values in batch.items() if name != "labels"}
        best = best_columns(model(**inputs).logits, model.config.objective, k)
        scores.append(best[0].cpu().numpy())
        columns.append(best[1].cpu().numpy())
    hashtags = np.array(model.config.hashtags, dtype=object)
    return Ranking(np.concatenate(scores), hashtags[np.concatenate(columns)])
