"""The vectors of a training by which a retriever's space is whitened."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Subset

from ..data import DecodedShorts, PreparedShorts
from ..errors import InputError
from ..modeling import HashtagRetriever
from ..processing import HashtagRetrieverProcessor
from ..retrieval import HashtagPool
from ..retrieval.nearest import encode_queries
from .guidance import read_batches
from .shorts_dataset import ShortsDataset

# Rows for each number of a vector: their covariance is known well enough, and clips take long to encode.
ROWS_PER_DIMENSION = 20


def whiten(
    retriever: HashtagRetriever,
    processor: HashtagRetrieverProcessor,
    shorts: DecodedShorts | PreparedShorts | ShortsDataset | Sequence[Mapping[str, Any]],
    hashtags: Sequence[str],
    power: float,
    batch_size: int = 32,
    num_workers: int = 0,
) -> None:
    """
    Whitens the space of a trained retriever by what it was trained on.

    Args:
        retriever ([`HashtagRetriever`]): changed in place, and left in evaluation mode.
        processor ([`HashtagRetrieverProcessor`]): the retriever's.
        shorts ([`DecodedShorts`], [`PreparedShorts`], [`ShortsDataset`] or a list of their rows): clips as the
            retriever reads them; of many, as many as it takes, evenly spread.
        hashtags (`Sequence[str]`): each once, however often it is used.
        power (`float`): see [`HashtagRetriever.fit_whitening`].
        batch_size (`int`, *optional*, defaults to 32): clips per pass.
        num_workers (`int`, *optional*, defaults to 0): processes that read rows.

    Raises:
        InputError: there are fewer than two hashtags, or than two rows with what the query is made of.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm import HashtagRetriever, HashtagRetrieverProcessor
    >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT
    >>> from transformers_ggm.training import whiten

    >>> retriever = HashtagRetriever.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    >>> processor = HashtagRetrieverProcessor.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    >>> clips = torch.randint(256, (4, 2, 3, 32, 32), dtype=torch.uint8)
    >>> rows = [{"retriever_frames": clip} for clip in clips]
    >>> whiten(retriever, processor, rows, ["snow", "lake", "sun"], power=0.5)
    >>> retriever.config.whitening_power
    0.5

    ```
    """
    retriever.remove_whitening()
    retriever.eval()
    step = max(1, len(shorts) // (ROWS_PER_DIMENSION * retriever.config.projection_dim))
    rows = Subset(shorts, range(0, len(shorts), step))
    vectors = query_vectors(rows, retriever, processor, batch_size, num_workers)
    if not vectors:
        raise InputError("No row has what the retriever's query is made of: its space is whitened by two or more.")
    pool = HashtagPool.build(hashtags, retriever, processor, progress_bar=False)
    retriever.fit_whitening({**vectors, "hashtag": torch.as_tensor(pool.embeddings)}, power)


@torch.inference_mode()
def query_vectors(
    shorts: Any, retriever: HashtagRetriever, processor: HashtagRetrieverProcessor, batch_size: int, num_workers: int
) -> dict[str, torch.Tensor]:
    """Of rows that have them, the vectors of videos and of descriptions, as far as queries are made of them."""
    vectors: dict[str, list[torch.Tensor]] = {"video": [], "description": []}
    for videos, texts in read_batches(shorts, retriever, processor, batch_size, num_workers, "Encoding to whiten"):
        if clips := [clip for clip in videos if clip is not None]:
            vectors["video"].append(encode_queries(retriever, processor, clips).cpu())
        if retriever.config.query_reads_text and (words := [text for text in texts if text]):
            vectors["description"].append(encode_queries(retriever, processor, descriptions=words).cpu())
    return {kind: torch.cat(of_kind) for kind, of_kind in vectors.items() if of_kind}
