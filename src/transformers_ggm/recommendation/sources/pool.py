"""The hashtags of the pool that are nearest to the clip."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...errors import SourceError
from ...retrieval.hashtag_pool import HashtagPool
from ...retrieval.nearest import scored_nearest_hashtags
from ...retrieval.text_encoder import TextEncoder
from ...utils.checkpoint_layout import TEXT_ENCODER_FOLDER, WORD_POOL_FOLDER
from ...utils.word_splitter import WordSplitter, get_word_splitter
from ..candidates import Candidate, CandidateSource, register_source
from ..checkpoint_parts import CheckpointParts
from ..clues import Clues, text_vectors


@register_source("pool")
class PoolSource(CandidateSource):
    """
    The pool's hashtags nearest to the retriever's query (the guidance of Yu et al., ACL 2023), scored by cosine
    similarity. It costs one pass of the retriever and one search of the pool a batch; a text encoder that another
    source asked before has nothing more to do. By a text encoder's vectors of the hashtags' words its name is
    `"pool_words"`.

    Args:
        pool ([`HashtagPool`]): Made by the retriever.
        retriever ([`HashtagRetriever`] or [`TextEncoder`]): A text encoder is queried by all words of a row; its pool
            has the vectors that it gave the hashtags' words.
        processor ([`HashtagRetrieverProcessor`], *optional*): The retriever's; a text encoder needs none.

    Raises:
        RetrieverMismatchError: The pool was made by another one.
        SourceError: A retriever comes without its processor.
    """

    def __init__(self, pool: HashtagPool, retriever: Any, processor: Any | None = None):
        if processor is None and not isinstance(retriever, TextEncoder):
            raise SourceError("`processor` is missing: give the HashtagRetrieverProcessor of the retriever.")
        pool.check_retriever(retriever)
        self.pool, self.retriever, self.processor = pool, retriever, processor
        if self._by_words:
            self.name = "pool_words"

    @property
    def _by_words(self) -> bool:
        return isinstance(self.retriever, TextEncoder)

    @classmethod
    def of_words(
        cls,
        counts: Mapping[str, int],
        encoder: TextEncoder,
        word_splitter: str | WordSplitter = "wordfreq",
        progress_bar: bool = False,
        dim: int | None = None,
    ) -> "PoolSource":
        """
        A pool of hashtags by the vectors of their words, which needs no training.

        Args:
            counts (`Mapping[str, int]`): How often each hashtag was used. Capitals show where words begin.
            encoder ([`TextEncoder`]): Encodes hashtags and rows.
            word_splitter (`str` or callable, defaults to `"wordfreq"`): How hashtags become words, see
                [`~evaluation.get_word_splitter`].
            progress_bar (`bool`, defaults to `False`): Whether to show one.
            dim (`int`, *optional*): Numbers that are kept of each vector, see [`HashtagPool`].

        Raises:
            PoolError: `dim` does not fit.
        """
        return cls(_word_pool(counts, encoder, word_splitter, dim, progress_bar=progress_bar), encoder)

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        if not rows:
            return []
        if self._by_words:
            nearest = self._nearest_to_texts(rows, k)
        else:
            videos, texts = [row.frames for row in rows], [self.processor.query_text(vars(row)) for row in rows]
            nearest = scored_nearest_hashtags(videos, texts, self.retriever, self.processor, self.pool, k)
        return [[Candidate(hashtag, similarity) for hashtag, similarity in row] for row in nearest]

    def add_hashtags(self, counts: Mapping[str, int]) -> None:
        """Proposes them too, from now on, where the pool is one by words; that of a retriever is the pipeline's."""
        new = [hashtag for hashtag in counts if hashtag not in self.pool]
        if self._by_words and new:
            pool = _word_pool({tag: counts[tag] for tag in new}, self.retriever, "wordfreq")
            self.pool.put(pool.hashtags, pool.embeddings, pool.counts)

    def remove_hashtags(self, hashtags: Collection[str]) -> None:
        """Does not propose them any more, where the pool is one by words."""
        known = [hashtag for hashtag in hashtags if hashtag in self.pool]
        if self._by_words and known:
            self.pool.remove(known)

    def settings(self) -> dict[str, Any]:
        return {"by": "words"} if self._by_words else {}

    def parts(self) -> dict[str, Any]:
        """A pool by words and its text encoder; the retriever's pool is the checkpoint's own."""
        return {WORD_POOL_FOLDER: self.pool, TEXT_ENCODER_FOLDER: self.retriever} if self._by_words else {}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], parts: CheckpointParts) -> "PoolSource":
        """Of the checkpoint's `hashtag_pool/` and `retriever/`, or `by="words"` of `word_pool/`, `text_encoder/`."""
        if settings == {"by": "words"}:
            return cls(parts.word_pool, parts.text_encoder)
        return cls(parts.hashtag_pool, parts.retriever, parts.retriever_processor, **settings)

    def _nearest_to_texts(self, rows: Sequence[Clues], k: int) -> list[list[tuple[str, float]]]:
        # A copy, which does not shrink between the question for its size and the search.
        pool = self.pool.copy()
        similarities, hashtags = pool.search(text_vectors(rows, self.retriever), min(k, len(pool)))
        found = [list(zip(row, values)) for row, values in zip(hashtags, similarities.tolist())]
        return [of_row if row.text.strip() else [] for of_row, row in zip(found, rows)]


def _word_pool(
    counts: Mapping[str, int],
    encoder: TextEncoder,
    word_splitter: str | WordSplitter,
    dim: int | None = None,
    **options: Any,
) -> HashtagPool:
    split = get_word_splitter(word_splitter)
    vectors = encoder.encode([" ".join(split(hashtag)) for hashtag in counts], **options)
    return HashtagPool(list(counts), vectors, list(counts.values()), encoder.fingerprint(), dim=dim)
