"""Search of texts by the words that they share."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..errors import PostIndexError
from .text_terms import text_terms

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Terms are hashed into so many columns: no list of terms has to be kept, and none that tells what people wrote.
NUM_TERMS = 2**20


class SparseIndex:
    """
    Counts of the hashed terms of texts, compared by the cosine of their TF-IDF vectors (scikit-learn's, with
    sublinear counts). Never changed: what adds or leaves out texts gives a new index, whose weights follow the texts
    that are there.

    Args:
        counts (`scipy.sparse.csr_matrix` of shape `(n, NUM_TERMS)`): how often each text has each term.

    Raises:
        PostIndexError: scikit-learn is not installed.

    Example:

    ```python
    >>> from transformers_ggm.retrieval.sparse_index import SparseIndex

    >>> index = SparseIndex.of_texts(["snow on a hill", "a lake"])
    >>> [similarities] = index.similarities(["the lake"])
    >>> [round(similarity, 2) for similarity in similarities.tolist()]
    [0.0, 0.27]

    ```
    """

    def __init__(self, counts: "csr_matrix"):
        import_scikit_learn()
        self.counts = counts

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> "SparseIndex":
        """The index of some texts."""
        return cls(_term_counts(texts))

    def __len__(self) -> int:
        return self.counts.shape[0]

    def followed_by(self, counts: "csr_matrix") -> "SparseIndex":
        """With more texts at the end, by the counts of their terms."""
        from scipy.sparse import vstack

        return type(self)(vstack([self.counts, counts], format="csr"))

    def kept(self, keep: np.ndarray) -> "SparseIndex":
        """The texts for which `keep` (bool, one a text) is true."""
        return type(self)(self.counts[keep])

    def similarities(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """
        Cosine similarities of some texts to those of the index: of one text after the other `(n,)`, float32, which the
        caller may write into. It takes the time to go through the texts that share a term.
        """
        queries = self._weights.transform(_term_counts(texts)).astype(np.float32)
        for start, end in pairwise(queries.indptr):
            yield self._texts_by_term[queries.indices[start:end]].T @ queries.data[start:end]

    @cached_property
    def _weights(self):
        from sklearn.feature_extraction.text import TfidfTransformer

        return TfidfTransformer(sublinear_tf=True).fit(self.counts)

    @cached_property
    def _texts_by_term(self) -> "csr_matrix":
        # Rows are terms, so that those of a query are cheap to take.
        return self._weights.transform(self.counts).astype(np.float32).T.tocsr()


def _term_counts(texts: Sequence[str]) -> "csr_matrix":
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(n_features=NUM_TERMS, input_type="string", alternate_sign=False, dtype=np.float32)
    return hasher.transform(map(text_terms, texts))


def import_scikit_learn() -> None:
    """
    Raises:
        PostIndexError: scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise PostIndexError(
            "search by shared words needs scikit-learn: run `pip install transformers-ggm[recommend]`, or build the"
            " index with sparse=False and an encoder."
        ) from error
