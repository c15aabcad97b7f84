"""The hashtags of a pool that lie nearest to what the retriever's query is made of."""

from collections.abc import Sequence
from typing import Any

import torch

from ..processing.hashtags import remove_hashtags
from .hashtag_pool import HashtagPool


def has_query(query: str, video: Any, description: str) -> bool:
    """
    Whether a row has any of what a query is made of.

    Args:
        query (`str`): `config.query` of the retriever: `"video"`, `"text"` or `"video+text"`.
        video: Anything, or `None` for a row without one.
        description (`str`): The author's words; hashtags in them do not count.

    Example:

    ```python
    >>> from transformers_ggm.retrieval.nearest import has_query

    >>> has_query("video", None, "first snow"), has_query("video+text", None, "first snow"), has_query("text", 1, "#a")
    (False, True, False)

    ```
    """
    return ("video" in query and video is not None) or ("text" in query and bool(remove_hashtags(description)))


def nearest_hashtags(
    videos: Sequence[torch.Tensor | None],
    descriptions: Sequence[str],
    retriever: Any,
    processor: Any,
    pool: HashtagPool,
    k: int,
) -> list[list[str]]:
    """
    The pool's hashtags nearest to each row, without their scores: see [`scored_nearest_hashtags`].

    Returns:
        `list[list[str]]`: Nearest first, empty for a row without anything that the query is made of.
    """
    found = scored_nearest_hashtags(videos, descriptions, retriever, processor, pool, k)
    return [[hashtag for hashtag, _ in row] for row in found]


@torch.inference_mode()
def scored_nearest_hashtags(
    videos: Sequence[torch.Tensor | None],
    descriptions: Sequence[str],
    retriever: Any,
    processor: Any,
    pool: HashtagPool,
    k: int,
    video_embeds: torch.Tensor | None = None,
    query_embeds: torch.Tensor | None = None,
) -> list[list[tuple[str, float]]]:
    """
    The pool's hashtags nearest to each row: one pass of the retriever and one matrix product.

    Args:
        videos (`list[torch.Tensor]`): Per row (f, 3, h, w) uint8 in the retriever's frame size, or `None`.
        descriptions (`list[str]`): Per row the author's words, possibly empty.
        retriever ([`HashtagRetriever`]): Its `config.query` says which of the two it reads.
        processor ([`HashtagRetrieverProcessor`]): The retriever's.
        pool ([`HashtagPool`]): The retriever's.
        k (`int`): How many, 1 or more; as many as there are where the pool has fewer.
        video_embeds (`torch.Tensor` of shape `(b, projection_dim)`, *optional*): What the retriever made of the videos
            before, zeros for a row without one; it does not see them again then.
        query_embeds (`torch.Tensor` of shape `(b, projection_dim)`, *optional*): The queries, where they are known.

    Returns:
        `list[list[tuple[str, float]]]`: Hashtags with their cosine similarity to the query, nearest first; empty for a
        row without anything that the query is made of.
    """
    query = retriever.config.query
    asking = [has_query(query, video, words) for video, words in zip(videos, descriptions)]
    if not any(asking):
        return [[] for _ in videos]
    if query_embeds is None:
        query_embeds = encode_queries(
            retriever,
            processor,
            [video for video, asks in zip(videos, asking) if asks] if "video" in query else None,
            [words for words, asks in zip(descriptions, asking) if asks] if "text" in query else None,
            None if video_embeds is None else video_embeds[asking],
        )
    else:
        query_embeds = query_embeds[torch.tensor(asking)]
    # A copy, which does not shrink between the question for its size and the search.
    pool = pool.copy()
    scores, hashtags = pool.search(query_embeds, min(k, len(pool)))
    found = iter([list(zip(row, of_row)) for row, of_row in zip(hashtags, scores.tolist())])
    return [next(found) if asks else [] for asks in asking]


def encode_queries(
    retriever: Any,
    processor: Any,
    videos: Sequence[torch.Tensor | None] | None = None,
    descriptions: Sequence[str] | None = None,
    video_embeds: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    The retriever's queries, of what is given of the two: `(rows, projection_dim)`, on its device.

    Args:
        retriever, processor, videos, descriptions, video_embeds: See [`scored_nearest_hashtags`]; of all rows.
    """
    inputs: dict[str, torch.Tensor] = {}
    if video_embeds is not None:
        inputs["video_embeds"] = video_embeds
    elif videos is not None and any(video is not None for video in videos):
        inputs |= processor.video_processor(videos, do_resize=False, do_center_crop=False, return_metadata=False)
    if descriptions is not None:
        inputs |= processor(text=descriptions)
    inputs = {name: tensor.to(retriever.device) for name, tensor in inputs.items()}
    return retriever.get_query_features(**inputs).pooler_output
