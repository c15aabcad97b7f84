"""Vectors of hashtags, made by the retriever batch by batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.utils.logging import tqdm

from ..errors import PoolError


def encode_hashtags(
    hashtags: Sequence[str], retriever: Any, processor: Any, batch_size: int, progress_bar: bool
) -> Iterator[torch.Tensor]:
    """
    Vectors `(m, d)` of one batch of normalised hashtags after the other, float32 on the CPU.

    Args:
        hashtags (`Sequence[str]`): Anything of which slices are sequences of strings.
        retriever ([`HashtagRetriever`]), processor ([`HashtagRetrieverProcessor`]): See [`HashtagPool.build`].
        batch_size (`int`): Hashtags encoded at a time.
        progress_bar (`bool`): Whether to show one.

    Raises:
        PoolError: `batch_size` is not positive.
    """
    if batch_size < 1:
        raise PoolError(f"batch_size={batch_size}: encode at least one hashtag at a time.")
    starts = tqdm(range(0, len(hashtags), batch_size), desc="Encoding hashtags", disable=not progress_bar)
    for start in starts:
        with torch.inference_mode(), _evaluating(retriever):
            inputs = processor(hashtags=list(hashtags[start : start + batch_size]), return_tensors="pt")
            features = retriever.get_hashtag_features(
                input_ids=inputs["input_ids"].to(retriever.device),
                attention_mask=inputs["attention_mask"].to(retriever.device),
            )
        yield features.pooler_output.to("cpu", torch.float32)


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Dropout off for the time being: a pool made in the middle of a training is made of clean vectors too."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
