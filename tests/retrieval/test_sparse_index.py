"""Search by shared words, against scikit-learn's own vectoriser."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from transformers_ggm.retrieval.sparse_index import SparseIndex
from transformers_ggm.retrieval.text_terms import text_terms

TEXTS = ["snow on the hill", "the lake in snow", "初雪が降った", "", "a song a song"]
QUERIES = ["snow today", "雪", "nothing alike", ""]


def reference(texts, queries):
    vectorizer = TfidfVectorizer(analyzer=text_terms, sublinear_tf=True)
    return (vectorizer.fit(texts).transform(queries) @ vectorizer.transform(texts).T).toarray()


def test_similarities_are_those_of_tfidf():
    """Would fail if hashing, or the weights, made other similarities than TF-IDF vectors with a vocabulary have."""
    similarities = np.array(list(SparseIndex.of_texts(TEXTS).similarities(QUERIES)))
    seen = {term for text in TEXTS for term in text_terms(text)}
    queries = [" ".join(QUERIES[:1]), *QUERIES[1:]]
    known = [query for query in queries if set(text_terms(query)) <= seen]
    assert similarities.shape == (4, 5) and similarities.dtype == np.float32
    for query in known:  # of a term that no text has, the vocabulary knows nothing, while hashing counts it
        row = queries.index(query)
        assert similarities[row] == pytest.approx(reference(TEXTS, [query])[0], abs=1e-6)
    assert similarities[0].nonzero()[0].tolist() == [0, 1] and not similarities[2:].any()


def test_added_texts_are_as_if_there_from_the_start():
    """Would fail if the weights of words did not follow the texts that were added or left out."""
    grown = SparseIndex.of_texts(TEXTS[:2]).followed_by(SparseIndex.of_texts(TEXTS[2:]).counts)
    fewer = SparseIndex.of_texts([*TEXTS, "snow snow"]).kept(np.array([True] * 5 + [False]))
    whole = np.array(list(SparseIndex.of_texts(TEXTS).similarities(QUERIES)))
    assert len(grown) == len(fewer) == 5
    assert np.array(list(grown.similarities(QUERIES))) == pytest.approx(whole)
    assert np.array(list(fewer.similarities(QUERIES))) == pytest.approx(whole)
