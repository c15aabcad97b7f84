"""The hashtags that a retriever finds for the rows of a dataset: what guides the generator."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import datasets
import torch
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from ..data import DecodedShorts, PreparedShorts
from ..modeling import HashtagRetriever
from ..processing import HashtagRetrieverProcessor
from ..retrieval import HashtagPool
from ..retrieval.nearest import nearest_hashtags
from .shorts_dataset import ShortsDataset
from .trainer_datasets import retriever_rows


def add_guidance(
    dataset: datasets.Dataset,
    retriever: HashtagRetriever,
    processor: HashtagRetrieverProcessor,
    pool: HashtagPool,
    k: int = 50,
    batch_size: int = 32,
    num_workers: int = 0,
) -> datasets.Dataset:
    """
    Adds the column `guidance`, which [`GGMTrainer`] shows to the generator: the pool's hashtags nearest to each row.

    Args:
        dataset (`datasets.Dataset`): see [`ShortsDataset`]; hashtags are not needed. A column `guidance` is replaced.
        retriever ([`HashtagRetriever`]): on the device that is to compute; it is left in evaluation mode.
        processor ([`HashtagRetrieverProcessor`]), pool ([`HashtagPool`]): the retriever's.
        k (`int`, *optional*, defaults to 50): how many; as many as there are where the pool has fewer.
        batch_size (`int`, *optional*, defaults to 32): rows per pass.
        num_workers (`int`, *optional*, defaults to 0): processes that decode clips; 0 decodes in this one.

    Returns:
        `datasets.Dataset`: the same rows, with `guidance` (`list[str]`, nearest first; empty for a row without what
        the retriever's query is made of).

    Raises:
        RetrieverMismatchError: the pool is another retriever's.

    Example:

    ```python
    >>> import torch
    >>> from datasets import Dataset
    >>> from transformers_ggm import HashtagPool, HashtagRetriever, HashtagRetrieverProcessor, add_guidance
    >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT

    >>> retriever = HashtagRetriever.from_pretrained(f"{DEMO_CHECKPOINT}/retriever")
    >>> processor = HashtagRetrieverProcessor.from_pretrained(f"{DEMO_CHECKPOINT}/retriever")
    >>> pool = HashtagPool.build(["snow", "lake", "winter"], retriever, processor, progress_bar=False)
    >>> frames = torch.zeros(2, 32, 32, 3, dtype=torch.uint8).numpy()
    >>> posts = add_guidance(Dataset.from_dict({"video": [frames]}), retriever, processor, pool, k=2)
    >>> len(posts[0]["guidance"])
    2

    ```
    """
    pool.check_retriever(retriever)
    rows = retriever_rows(dataset, processor, retriever.config.query)
    found = retrieve(rows, retriever.eval(), processor, pool, k, batch_size, num_workers)
    if "guidance" in dataset.column_names:
        dataset = dataset.remove_columns("guidance")
    return dataset.add_column("guidance", found, feature=datasets.List(datasets.Value("string")))


def retrieve(
    shorts: DecodedShorts | PreparedShorts | ShortsDataset | Sequence[Mapping[str, Any]],
    retriever: HashtagRetriever,
    processor: HashtagRetrieverProcessor,
    pool: HashtagPool,
    k: int,
    batch_size: int = 32,
    num_workers: int = 0,
    description: str = "Retrieving guidance",
) -> list[list[str]]:
    """
    The pool's hashtags nearest to each clip, to its description or to both, as the retriever's query has it.

    Args:
        shorts ([`DecodedShorts`], [`PreparedShorts`], [`ShortsDataset`] or a list of their rows): clips as the
            retriever reads them.
        retriever ([`HashtagRetriever`]), processor ([`HashtagRetrieverProcessor`]), pool ([`HashtagPool`]).
        k (`int`): how many; as many as there are where the pool has fewer.
        batch_size (`int`, *optional*, defaults to 32): clips per pass.
        num_workers (`int`, *optional*, defaults to 0): processes that read rows.
        description (`str`, *optional*): of the progress bar.

    Returns:
        `list[list[str]]`: nearest first; empty for a row without anything that the query is made of.
    """
    found: list[list[str]] = []
    for videos, texts in read_batches(shorts, retriever, processor, batch_size, num_workers, description):
        found += nearest_hashtags(videos, texts, retriever, processor, pool, k)
    return found


def read_batches(
    shorts: Any,
    retriever: HashtagRetriever,
    processor: HashtagRetrieverProcessor,
    batch_size: int,
    num_workers: int,
    description: str,
) -> Iterator[tuple[list[torch.Tensor | None], list[str]]]:
    """Per batch of [`retrieve`]'s rows the clips, `None` where there is none or the query has none, and the texts."""
    loader = DataLoader(shorts, batch_size=batch_size, collate_fn=list, num_workers=num_workers)
    for rows in tqdm(loader, desc=description, unit="batch"):
        # Stored frames are decoded where they are read.
        reads_video = retriever.config.query_reads_video
        frames = [row["retriever_frames"] if reads_video else None for row in rows]
        videos = [None if clip is None else clip[:] for clip in frames]
        yield videos, [processor.query_text(row) for row in rows]
