"""The retriever's vectors of descriptions, for an index of posts: what it makes of one serves pool and posts."""

from collections.abc import Sequence

import torch

from ..modeling import HashtagRetriever
from ..processing import HashtagRetrieverProcessor
from .like_lengths import batches_of_like_lengths, some_texts


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
        vectors = torch.empty(len(texts), self.retriever.config.projection_dim)
        for start, some in some_texts(texts, batch_size):
            encoded = self.processor(text=list(some), return_tensors="pt")
            inputs = {name: encoded[f"description_{name}"] for name in ("input_ids", "attention_mask")}
            for rows, batch in batches_of_like_lengths(inputs, inputs["attention_mask"], batch_size):
                ids, mask = (tensor.to(self.retriever.device) for tensor in batch.values())
                found = self.retriever.get_description_features(ids, mask, return_dict=True)
                vectors[start + rows] = found.pooler_output.to("cpu", torch.float32)
        return vectors

    def fingerprint(self) -> str:
        """That of the retriever."""
        return self.retriever.fingerprint()
