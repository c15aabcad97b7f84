"""Search of texts by the words that they share."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from transformers.utils import is_scipy_available

from ..errors import PostIndexError
from .text_terms import text_terms

if TYPE_CHECKING and is_scipy_available():  # so that code beside a checkpoint does not ask for it
    from scipy.sparse import csr_matrix

# Terms are hashed into so many columns: no list of terms has to be kept, and none that tells what people wrote.
NUM_TERMS = 2**20

_MISSING = (
    "search by shared words needs scikit-learn: run `pip install transformers-ggm[recommend]`, or build the index with"
    " sparse=False and an encoder."
)


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
        scipy_sparse()
        self.counts = counts

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> "SparseIndex":
        """The index of some texts."""
        return cls(_term_counts(texts))

    def __len__(self) -> int:
        return self.counts.shape[0]

    def followed_by(self, counts: "csr_matrix") -> "SparseIndex":
        """With more texts at the end, by the counts of their terms."""
        return type(self)(scipy_sparse().vstack([self.counts, counts], format="csr"))

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
        return feature_extraction().text.TfidfTransformer(sublinear_tf=True).fit(self.counts)

    @cached_property
    def _texts_by_term(self) -> "csr_matrix":
        # Rows are terms, so that those of a query are cheap to take.
        return self._weights.transform(self.counts).astype(np.float32).T.tocsr()


def _term_counts(texts: Sequence[str]) -> "csr_matrix":
    options = {"input_type": "string", "alternate_sign": False, "dtype": np.float32}
    hasher = feature_extraction().FeatureHasher(n_features=NUM_TERMS, **options)
    return hasher.transform(map(text_terms, texts))


def scipy_sparse() -> ModuleType:
    """
    `scipy.sparse`, which comes with scikit-learn.

    Raises:
        PostIndexError: It is not installed.
    """
    try:
        from scipy import sparse
    except ImportError as error:
        raise PostIndexError(_MISSING) from error
    return sparse


def feature_extraction() -> ModuleType:
    """
    `sklearn.feature_extraction`.

    Raises:
        PostIndexError: scikit-learn is not installed.
    """
    try:
        import sklearn.feature_extraction.text
    except ImportError as error:
        raise PostIndexError(_MISSING) from error
    return sklearn.feature_extraction
