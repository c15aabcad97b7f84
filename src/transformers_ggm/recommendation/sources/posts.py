"""The hashtags of similar posts."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import PostIndexError, SourceError
from ...retrieval.description_encoder import DescriptionEncoder
from ...retrieval.post_index import PostIndex, SimilarPost
from ...retrieval.text_encoder import TextEncoder
from ...utils.checkpoint_layout import POSTS_FOLDER, TEXT_ENCODER_FOLDER
from ..candidates import Candidate, CandidateSource, best_candidates, check_number, register_source
from ..checkpoint_parts import CheckpointParts
from ..clues import Clues, text_vectors

# Posts more similar than this to a row that is in the index are the row itself, or as good as.
SAME_POST = 0.95


@register_source("posts")
class PostsSource(CandidateSource):
    """
    The hashtags of the most similar tagged posts, each scored by the share of the neighbours' similarity that has it
    (k-nearest-neighbour voting). It costs one search of the index a batch; by `"dense"` also one pass of its encoder,
    which may read another clue than the text: the source of an index of pictures is called `"posts_frames"`. A text
    encoder that another source asked before has nothing more to do.

    Evidence: `similarity`, of the nearest post with the hashtag; `posts`, how many have it; `nearest`, whether the
    nearest post of all has it.

    Args:
        index ([`PostIndex`]): Tagged posts.
        by (`str`, *optional*): `"dense"` or `"sparse"`; by default dense where the index has vectors.
        neighbours (`int`, defaults to 20): Posts that are looked at.

    Raises:
        PostIndexError: The index has no posts, or was built without what `by` needs, or its encoder reads what is not
            among the clues.
        InputError: `neighbours` is below 1.

    Example:

    ```python
    >>> from transformers_ggm import PostIndex
    >>> from transformers_ggm.recommendation import Clues, PostsSource

    >>> index = PostIndex.build([{"description": "snow in may", "hashtags": ["snow"]}])
    >>> source = PostsSource(index, by="sparse")
    >>> source.name, source.candidates([Clues("snow again")], k=5)[0][0].hashtag
    ('posts_sparse', 'snow')

    ```
    """

    evidence = ("similarity", "posts", "nearest")

    def __init__(self, index: PostIndex, by: str | None = None, neighbours: int = 20):
        if not len(index):
            raise PostIndexError("the index has no posts: add some.")
        check_number("neighbours", neighbours)
        self.index, self.neighbours = index, neighbours
        self.by = by or index.searches[0]
        if self.by not in index.searches:
            raise PostIndexError(f"by={self.by!r}: the index is searched by {' and '.join(index.searches)} only.")
        # The clue that is looked at.
        self.reads = "text" if self.by == "sparse" else index.reads
        if not hasattr(Clues, self.reads):
            raise PostIndexError(f"the index's encoder reads {self.reads!r}: only a field of `Clues` can be asked by.")
        self.name = f"posts_{self.by if self.reads == 'text' else self.reads}"

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        return [_votes(posts, k) for posts in self.similar_posts(rows, self.neighbours)]

    def training_candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        """Without the posts that are the same as the row: itself, and near-duplicates."""
        return [_votes(posts, k) for posts in self.similar_posts(rows, self.neighbours, training=True)]

    def settings(self) -> dict[str, Any]:
        return {"by": self.by, "neighbours": self.neighbours}

    def parts(self) -> dict[str, Any]:
        """
        The index, and its encoder where that is not the checkpoint's retriever.

        Raises:
            SourceError: The encoder is neither a [`TextEncoder`] nor a [`DescriptionEncoder`].
        """
        encoder = self.index.encoder
        if not isinstance(encoder, (TextEncoder, DescriptionEncoder, type(None))):
            raise SourceError(
                f"the index of posts has a {type(encoder).__name__} for its encoder, which cannot be stored: build it"
                " with a TextEncoder, or with a retriever's DescriptionEncoder."
            )
        return {POSTS_FOLDER: self.index} | (
            {TEXT_ENCODER_FOLDER: encoder} if isinstance(encoder, TextEncoder) else {}
        )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], parts: CheckpointParts) -> "PostsSource":
        """Of the checkpoint's `posts/`."""
        return cls(parts.posts, **settings)

    def similar_posts(self, rows: Sequence[Clues], k: int, training: bool = False) -> list[list[SimilarPost]]:
        """
        The posts themselves.

        Args:
            rows (`Sequence[Clues]`): Clips.
            k (`int`): How many posts at most.
            training (`bool`, defaults to `False`): Whether the rows are in the index: then they, and near-duplicates
                of them, are left out.

        Returns:
            `list[list[SimilarPost]]`: For each row, the most similar first; none where a row has nothing to search by.
        """
        asking = [row for row in rows if getattr(row, self.reads) is not None]
        if not asking:
            return [[] for _ in rows]
        found = iter(
            self.index.search(
                **self._query(asking),
                k=k,
                by=self.by,
                before=[row.time for row in asking],
                max_similarity=SAME_POST if training else None,
            )
        )
        return [next(found) if getattr(row, self.reads) is not None else [] for row in rows]

    def _query(self, rows: Sequence[Clues]) -> dict[str, Any]:
        if self.reads != "text":
            return {"vectors": self.index.encode([getattr(row, self.reads) for row in rows])}
        texts = {"texts": [row.text for row in rows]}
        # Without an encoder the index tells what is missing.
        is_encoded = self.by == "dense" and self.index.encoder is not None
        return {**texts, "vectors": text_vectors(rows, self.index.encoder)} if is_encoded else texts


def _votes(posts: Sequence[SimilarPost], k: int) -> list[Candidate]:
    total = sum(max(post.similarity, 0.0) for post in posts) or 1.0
    shares: dict[str, float] = {}
    evidence: dict[str, dict[str, float]] = {}
    for number, post in enumerate(posts):
        for hashtag in post.hashtags:
            shares[hashtag] = shares.get(hashtag, 0.0) + max(post.similarity, 0.0) / total
            seen = evidence.setdefault(
                hashtag, {"similarity": post.similarity, "posts": 0.0, "nearest": float(number == 0)}
            )
            seen["posts"] += 1.0
    return best_candidates(shares, k, evidence)
