"""Several lists as one."""

import pytest

from transformers_ggm.errors import InputError, RankerError, SourceError
from transformers_ggm.recommendation import (
    Candidate,
    Clues,
    FrequentSource,
    FusedSource,
    PostsSource,
    gather_candidates,
    learn_fusion_weights,
    reciprocal_rank_fusion,
)


def of(*hashtags):
    return [Candidate(hashtag, 1.0) for hashtag in hashtags]


def test_reciprocal_ranks_by_hand():
    """Would fail if fusion were not that of Cormack et al., or a hashtag of two sources stood there twice."""
    fused = reciprocal_rank_fusion({"a": [of("x", "y")], "b": [of("y", "z")]}, k=3)[0]
    assert [(c.hashtag, pytest.approx(c.score)) for c in fused] == [
        ("y", 1 / 62 + 1 / 61), ("x", 1 / 61), ("z", 1 / 62),
    ]  # fmt: skip
    weighted = reciprocal_rank_fusion({"a": [of("x")], "b": [of("y")]}, k=3, weights={"a": 1.0, "b": 2.0})[0]
    assert [c.hashtag for c in weighted] == ["y", "x"]


def test_learned_weights_favour_what_is_right():
    """Would fail if a source that is always wrong got as much say as one that is always right."""
    found = {"right": [of("x")] * 20, "wrong": [of("y", "m")] * 20}
    weights = learn_fusion_weights(found, [["x"]] * 20)
    assert weights["right"] == 1 and 0 <= weights["wrong"] < 0.5
    assert weights == learn_fusion_weights(found, [["x"]] * 20)
    with pytest.raises(RankerError, match="nothing to learn"):
        learn_fusion_weights(found, [["elsewhere"]] * 20)


def test_fused_source_is_the_fusion_of_its_sources(index):
    """Would fail if guidance for training rows came from other candidates than their training candidates."""
    sources = [PostsSource(index, by="sparse"), FrequentSource({"snow": 3, "z": 9})]
    rows = [Clues("cold white flakes in the mountains number 3"), Clues()]
    fused = FusedSource(sources)
    for training, propose in ((False, fused.candidates), (True, fused.training_candidates)):
        found = gather_candidates(sources, rows, training=training)
        assert propose(rows, 5) == reciprocal_rank_fusion(found, 5)
    with pytest.raises(SourceError, match="no such sources"):
        FusedSource(sources, weights={"elsewhere": 1.0})


def test_lists_of_other_rows_are_refused():
    """Would fail if rows that a source lacks were left out without a word, or a weight could be anything."""
    found = {"a": [of("x")] * 3, "b": [of("x")] * 2}
    with pytest.raises(SourceError, match="'b' has 2 rows"):
        reciprocal_rank_fusion(found, k=3)
    with pytest.raises(RankerError, match="'b' has 2 rows"):
        learn_fusion_weights(found, [["x"]] * 3)
    with pytest.raises(RankerError, match="row 0 has the true hashtags"):
        learn_fusion_weights({"a": [of("x")]}, [["two words"]])
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(SourceError, match="0 or more"):
            FusedSource([FrequentSource({"x": 1})], weights={"frequent": weight})
    with pytest.raises(InputError, match="k=0"):
        FusedSource([FrequentSource({"x": 1})], k=0)
