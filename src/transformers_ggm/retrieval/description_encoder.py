"""The retriever's vectors of descriptions, for an index of posts: what it makes of one serves pool and posts."""

from collections.abc import Sequence

import torch

from ..modeling import HashtagRetriever
from ..processing import HashtagRetrieverProcessor
from .like_lengths import encode_by_length


class DescriptionEncoder:
    """
    A retriever as the encoder of a [`PostIndex`]. It costs one pass of its text tower for every batch of texts.

    Args:
        retriever ([`HashtagRetriever`]): In evaluation mode from here on.
        processor ([`HashtagRetrieverProcessor`]): The retriever's.

    Example:

    ```python
    >>> from transformers_ggm import HashtagRetriever, HashtagRetrieverProcessor, PostIndex
    >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT
    >>> from transformers_ggm.retrieval import DescriptionEncoder

    >>> retriever = HashtagRetriever.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    >>> processor = HashtagRetrieverProcessor.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    >>> encoder = DescriptionEncoder(retriever, processor)
    >>> PostIndex.build([{"description": "a red circle", "hashtags": ["red"]}], encoder).searches
    ('dense', 'sparse')

    ```
    """

    def __init__(self, retriever: HashtagRetriever, processor: HashtagRetrieverProcessor):
        self.retriever, self.processor = retriever.eval(), processor

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], batch_size: int = 64) -> torch.Tensor:
        """
        Vectors of texts; hashtags in them do not count.

        Args:
            texts (`Sequence[str]`): Any texts; an empty one gets zeros.
            batch_size (`int`, defaults to 64): Texts encoded at a time; those of like length go together.

        Returns:
            `torch.Tensor` of shape `(len(texts), d)`, float32 on the CPU.
        """
        vectors = encode_by_length(texts, batch_size, self._tokenize, self._encode_batch, self.retriever.device)
        return torch.cat([torch.zeros(0, self.retriever.config.projection_dim), *vectors])

    def _tokenize(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        encoded = self.processor(text=list(texts), return_tensors="pt")
        return {name: encoded[f"description_{name}"] for name in ("input_ids", "attention_mask")}

    def _encode_batch(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.retriever.get_description_features(
            inputs["input_ids"], inputs["attention_mask"], return_dict=True
        ).pooler_output

    def fingerprint(self) -> str:
        """That of the retriever."""
        return self.retriever.fingerprint()
