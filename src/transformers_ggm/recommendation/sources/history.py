"""The hashtags that the author used before."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from ..candidates import Candidate, CandidateSource, best_candidates, check_number, register_source
from ..clues import Clues, EarlierPost

# An earlier post counts for so much less than the one after it, and half as much after so long.
DECAY = 0.8
HALF_LIFE = timedelta(days=180)


@register_source("history")
class HistorySource(CandidateSource):
    """
    The author's own hashtags, those of newer posts first: each post counts 0.8 of the one after it, and half as much
    for every 180 days between it and the row, where times are known. It costs microseconds a row.

    Evidence: `share`, of the earlier posts that have the hashtag; `last`, whether the newest has it; `recent`, how
    many of the three newest; `posts`, how many there are; `constancy`, how alike neighbouring posts are (mean Jaccard
    index of their hashtags); `size`, the mean number of hashtags of a post.

    Args:
        posts (`int`, defaults to 20): Earlier posts that are looked at.

    Raises:
        InputError: `posts` is below 1.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import Clues, HistorySource

    >>> row = Clues(history=[["toronto", "cats"], ["toronto"]])
    >>> [candidate.hashtag for candidate in HistorySource().candidates([row], k=5)[0]]
    ['toronto', 'cats']

    ```
    """

    evidence = ("share", "last", "recent", "posts", "constancy", "size")

    def __init__(self, posts: int = 20):
        check_number("posts", posts)
        self.posts = posts

    def settings(self) -> dict[str, Any]:
        return {"posts": self.posts}

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        return [self._of_row(row, k) for row in rows]

    def _of_row(self, row: Clues, k: int) -> list[Candidate]:
        posts = row.history[: self.posts]
        if not posts:
            return []
        weights = [DECAY**place * _aged(row, post) for place, post in enumerate(posts)]
        total = sum(weights)
        scores: dict[str, float] = {}
        evidence: dict[str, dict[str, float]] = {}
        about = {
            "posts": float(len(posts)),
            "constancy": _constancy(posts),
            "size": sum(len(post.hashtags) for post in posts) / len(posts),
        }
        for place, (post, weight) in enumerate(zip(posts, weights)):
            for hashtag in post.hashtags:
                scores[hashtag] = scores.get(hashtag, 0.0) + weight / total
                seen = evidence.setdefault(hashtag, {"share": 0.0, "last": float(place == 0), "recent": 0.0, **about})
                seen["share"] += 1 / len(posts)
                seen["recent"] += float(place < 3)
        return best_candidates(scores, k, evidence)


def _aged(row: Clues, post: EarlierPost) -> float:
    if row.time is None or post.time is None:
        return 1.0
    # Not so little that nothing is left of all posts of long ago.
    return max(0.5 ** ((row.time - post.time) / HALF_LIFE), 1e-6)


def _constancy(posts: Sequence[EarlierPost]) -> float:
    pairs = [(set(one.hashtags), set(other.hashtags)) for one, other in pairwise(posts)]
    shares = [len(one & other) / len(one | other) for one, other in pairs if one | other]
    return sum(shares) / len(shares) if shares else 0.0
