"""Which posts of an index a search may answer, and the search by shared words."""

import numpy as np

from ..errors import PostIndexError

_BLOCK = 1024


def allowed_rows(posts, rows, similarities, limit, max_similarity) -> np.ndarray:
    """Which of the found `rows` may be answered."""
    allowed = np.ones(len(rows), bool)
    if limit is not None:
        allowed &= posts.times[rows] < limit
    if max_similarity is not None:
        allowed &= similarities <= max_similarity
    return allowed


def search_one(posts, vector, k, limit, max_similarity):
    """The search of one vector, where too many of the nearest posts are not allowed."""
    removed = np.zeros(len(posts.times), bool) if limit is None else posts.times >= limit
    size = int((~removed).sum())
    most = k
    while True:
        most = min(most, size)
        if not most:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        similarities, rows = (tensor.numpy()[0] for tensor in posts.dense.search(vector[None], most, removed))
        allowed = allowed_rows(posts, rows, similarities, None, max_similarity)
        if allowed.sum() >= k or most == size:
            return rows[allowed][:k], similarities[allowed][:k]
        most *= 4


def search_sparse(posts, texts, k, limits, max_similarity):
    """Rows and similarities of the posts that share the most with each text."""
    if posts.sparse is None:
        raise PostIndexError("the index has no terms: build it with sparse=True, or search by='dense'.")
    if texts is None:
        raise PostIndexError("a search by='sparse' needs texts.")
    found = []
    for number, similarities in enumerate(posts.sparse.similarities(texts)):
        if limits and limits[number] is not None:
            similarities[posts.times >= limits[number]] = 0
        if max_similarity is not None:
            similarities[similarities > max_similarity] = 0
        rows = _rows_near_the_top(similarities, k)
        rows = rows[np.argsort(-similarities[rows], kind="stable")[:k]]
        found.append((rows, similarities[rows]))
    return found


def _rows_near_the_top(similarities: np.ndarray, k: int) -> np.ndarray:
    """Some rows, ascending, with the `k` largest similarities above 0 among them: few, without sorting all."""
    # There are k blocks with a largest value of at least this.
    blocks = similarities[: len(similarities) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    least = np.partition(blocks.max(axis=1), -k)[-k] if len(blocks) >= k else 0
    return np.flatnonzero(similarities >= least if least else similarities)
