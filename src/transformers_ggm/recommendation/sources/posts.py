"""The hashtags of similar posts."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import PostIndexError, SourceError
from ...retrieval.description_encoder import DescriptionEncoder
from ...retrieval.post_index import PostIndex, SimilarPost
from ...retrieval.text_encoder import TextEncoder
from ...utils.checkpoint_layout import POSTS_FOLDER, TEXT_ENCODER_FOLDER
from ..candidates import Candidate, CandidateSource, best_candidates, register_source
from ..checkpoint_parts import CheckpointParts
from ..clues import Clues

# Posts more similar than this to a row that is in the index are the row itself, or as good as.
SAME_POST = 0.95


@register_source("posts")
class PostsSource(CandidateSource):
    """
    The hashtags of the most similar tagged posts, each scored by the share of the neighbours' similarity that has it
    (k-nearest-neighbour voting). It costs one search of the index a batch; by `"dense"` also one pass of its encoder.

    Evidence: `similarity`, of the nearest post with the hashtag; `posts`, how many have it; `nearest`, whether the
    nearest post of all has it.

    Args:
        index ([`PostIndex`]): Tagged posts.
        by (`str`, *optional*): `"dense"` or `"sparse"`; by default dense where the index has vectors.
        neighbours (`int`, defaults to 20): Posts that are looked at.

    Raises:
        PostIndexError: The index has no posts, or was built without what `by` needs; `neighbours` is below 1.

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
        if type(neighbours) is not int or neighbours < 1:
            raise PostIndexError(f"neighbours={neighbours!r}: look at a whole number of posts, 1 or more.")
        self.index, self.neighbours = index, neighbours
        self.by = by or index.searches[0]
        if self.by not in index.searches:
            raise PostIndexError(f"by={self.by!r}: the index is searched by {' and '.join(index.searches)} only.")
        self.name = f"posts_{self.by}"

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        return self._vote(rows, k, None)

    def training_candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        """Without the posts that are the same as the row: itself, and near-duplicates."""
        return self._vote(rows, k, SAME_POST)

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

    def _vote(self, rows: Sequence[Clues], k: int, max_similarity: float | None) -> list[list[Candidate]]:
        found = self.index.search(
            [row.text for row in rows],
            self.neighbours,
            by=self.by,
            before=[row.time for row in rows],
            max_similarity=max_similarity,
        )
        return [_votes(posts, k) for posts in found]


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
