"""Vectors of hashtags, made by the retriever batch by batch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ..errors import PoolError
from ..processing.hashtags import normalize_hashtag
from ..utils.hashtag_words import shows_words
from .like_lengths import encode_by_length


def spellings_with_capitals(hashtags: Iterable[str], processor: Any) -> dict[str, str]:
    """
    Of each normalised hashtag a spelling whose capitals show where its words begin, where there is one, and where
    the processor splits hashtags into words.

    Args:
        hashtags (`Iterable[str]`): As they were written; all are valid.
        processor ([`HashtagRetrieverProcessor`]): That of the retriever.
    """
    if getattr(processor, "word_splitter", None) is None:  # as of processors that are not ours
        return {}
    return {normalize_hashtag(hashtag): hashtag for hashtag in hashtags if shows_words(hashtag)}


def encode_hashtags(
    hashtags: Sequence[str],
    retriever: Any,
    processor: Any,
    batch_size: int,
    progress_bar: bool,
    spellings: Mapping[str, str],
) -> Iterator[torch.Tensor]:
    """
    Vectors `(m, d)` of some normalised hashtags after the other, float32 on the CPU.

    Args:
        hashtags (`Sequence[str]`): Anything of which slices are sequences of strings.
        retriever ([`HashtagRetriever`]), processor ([`HashtagRetrieverProcessor`]): See [`HashtagPool.build`].
        batch_size (`int`): Hashtags encoded at a time; those of like length go together.
        progress_bar (`bool`): Whether to show one.
        spellings (`Mapping[str, str]`): How some of them are to be read: see [`spellings_with_capitals`].

    Raises:
        PoolError: `batch_size` is not positive.
    """
    if batch_size < 1:
        raise PoolError(f"batch_size={batch_size}: encode at least one hashtag at a time.")

    def tokenize(some: Sequence[str]) -> dict[str, torch.Tensor]:
        encoded = processor(hashtags=[spellings.get(hashtag, hashtag) for hashtag in some], return_tensors="pt")
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}

    @torch.inference_mode()
    def encode(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        with _evaluating(retriever):
            return retriever.get_hashtag_features(**inputs).pooler_output

    yield from encode_by_length(hashtags, batch_size, tokenize, encode, retriever.device, "hashtag", progress_bar)


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
