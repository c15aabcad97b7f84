"""Which posts of an index a search may answer, and the search by shared words."""

import numpy as np

from ..errors import PostIndexError


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
    similarities = posts.sparse.similarities(texts)
    found = []
    for number, (start, end) in enumerate(zip(similarities.indptr[:-1], similarities.indptr[1:])):
        rows, values = similarities.indices[start:end], similarities.data[start:end]
        allowed = allowed_rows(posts, rows, values, limits[number] if limits else None, max_similarity)
        rows, values = rows[allowed], values[allowed]
        if len(values) > 4 * k:
            near = values >= np.partition(values, -k)[-k]
            rows, values = rows[near], values[near]
        order = np.lexsort((rows, -values))[:k]
        found.append((rows[order], values[order]))
    return found
