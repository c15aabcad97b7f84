"""The hashtags of the pool that are nearest to the clip."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...retrieval.hashtag_pool import HashtagPool
from ...retrieval.nearest import scored_nearest_hashtags
from ...retrieval.text_encoder import TextEncoder
from ...utils.word_splitter import WordSplitter, get_word_splitter
from ..candidates import Candidate, CandidateSource, register_source
from ..clues import Clues


@register_source("pool")
class PoolSource(CandidateSource):
    """
    The pool's hashtags nearest to the retriever's query (the guidance of Yu et al., ACL 2023), scored by cosine
    similarity. It costs one pass of the retriever and one search of the pool a batch.

    Args:
        pool ([`HashtagPool`]): Made by the retriever.
        retriever ([`HashtagRetriever`] or [`TextEncoder`]): A text encoder is queried by all words of a row; its pool
            has the vectors that it gave the hashtags' words.
        processor ([`HashtagRetrieverProcessor`], *optional*): The retriever's; a text encoder needs none.

    Raises:
        RetrieverMismatchError: The pool was made by another one.
    """

    def __init__(self, pool: HashtagPool, retriever: Any, processor: Any | None = None):
        pool.check_retriever(retriever)
        self.pool, self.retriever, self.processor = pool, retriever, processor

    @classmethod
    def of_words(
        cls,
        counts: Mapping[str, int],
        encoder: TextEncoder,
        word_splitter: str | WordSplitter = "wordfreq",
    ) -> "PoolSource":
        """
        A pool of hashtags by the vectors of their words, which needs no training.

        Args:
            counts (`Mapping[str, int]`): How often each hashtag was used. Capitals show where words begin.
            encoder ([`TextEncoder`]): Encodes hashtags and rows.
            word_splitter (`str` or callable, defaults to `"wordfreq"`): How hashtags become words, see
                [`~evaluation.get_word_splitter`].
        """
        split = get_word_splitter(word_splitter)
        vectors = encoder.encode([" ".join(split(hashtag)) for hashtag in counts])
        return cls(HashtagPool(list(counts), vectors, list(counts.values()), encoder.fingerprint()), encoder)

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        if isinstance(self.retriever, TextEncoder):
            nearest = self._nearest_to_texts([row.text for row in rows], k)
        else:
            videos, descriptions = [row.frames for row in rows], [row.description for row in rows]
            nearest = scored_nearest_hashtags(videos, descriptions, self.retriever, self.processor, self.pool, k)
        return [[Candidate(hashtag, similarity) for hashtag, similarity in row] for row in nearest]

    def _nearest_to_texts(self, texts: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        # A copy, which does not shrink between the question for its size and the search.
        pool = self.pool.copy()
        similarities, hashtags = pool.search(self.retriever.encode(texts), min(k, len(pool)))
        found = [list(zip(row, values)) for row, values in zip(hashtags, similarities.tolist())]
        return [row if text.strip() else [] for row, text in zip(found, texts)]
