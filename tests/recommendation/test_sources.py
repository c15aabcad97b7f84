"""The sources that look into posts, words and history."""

from dataclasses import replace
from datetime import datetime, timezone

import pytest
import torch

from transformers_ggm import HashtagPool, PostIndex
from transformers_ggm.errors import InputError, PostIndexError, RetrieverMismatchError, SourceError
from transformers_ggm.recommendation import (
    Clues,
    FrequentSource,
    HistorySource,
    PoolSource,
    PostsSource,
    WordsSource,
    clues_of,
)
from transformers_ggm.recommendation.sources.history import DECAY


def hashtags(candidates):
    return [candidate.hashtag for candidate in candidates]


def test_posts_vote_by_similarity():
    """Would fail if the score were not the share of the neighbours' similarity, against hand-made numbers."""
    index = PostIndex.build(
        [{"description": "snow", "hashtags": ["a", "b"]}, {"description": "snow", "hashtags": ["b"]}]
    )
    found = PostsSource(index, by="sparse").candidates([Clues("snow")], k=5)[0]
    assert [(c.hashtag, pytest.approx(c.score)) for c in found] == [("b", 1.0), ("a", 0.5)]
    assert found[0].evidence == {"similarity": pytest.approx(1.0), "posts": 2.0, "nearest": 1.0}


def test_training_rows_do_not_see_themselves(posts, index):
    """Would fail if guidance in training gave away the answer, and was never as bad as later."""
    unlike = {
        "id": "odd",
        "description": "something else altogether",
        "hashtags": ["odd"],
        "time": "2025-01-01T00:00:00Z",
    }
    index.add([unlike])
    source = PostsSource(index, by="sparse")
    clue = Clues(unlike["description"])
    assert "odd" in hashtags(source.candidates([clue], k=5)[0])
    assert "odd" not in hashtags(source.training_candidates([clue], k=5)[0])


def test_posts_are_earlier_than_the_row(posts, index):
    """Would fail if a post that was made after the row helped it."""
    row = Clues("guitar verse and chorus", time=datetime(2025, 1, 1, tzinfo=timezone.utc))
    assert PostsSource(index, by="sparse").candidates([row], k=5) == [[]]


def test_posts_need_an_index_that_fits(index):
    """Would fail if a search that the index was not built for failed only when a row comes."""
    with pytest.raises(PostIndexError, match="searched by sparse only"):
        PostsSource(index, by="dense")
    assert PostsSource(index).name == "posts_sparse"


def test_words_are_scored_by_keyphraseness():
    """Would fail if words that are hardly ever tagged scored as much as those that nearly always are."""
    tagged = [{"description": "back in new york", "hashtags": ["newyork"]}] * 3
    untagged = [
        {"description": "back home", "hashtags": ["home"]},
        {"description": "back to back", "hashtags": ["back"]},
    ]
    source = WordsSource.build([*tagged, *untagged, *[{"description": "back", "hashtags": ["x"]}] * 5])
    found = source.candidates([Clues("back in New York!")], k=5)[0]
    assert [(c.hashtag, pytest.approx(c.score)) for c in found] == [
        ("newyork", (3 + 0.2) / (3 + 1)),
        ("back", (1 + 0.2) / (10 + 1)),
    ]


def test_words_of_any_text_and_script():
    """Would fail if speech or screen text were not read, or scripts without spaces had no words."""
    source = WordsSource({"手绘": 3, "snow": 2, "ski": 1, "rain": 9})
    row = Clues("今天的手绘教程", transcript="it may snow", screen_text="SKI")
    assert set(hashtags(source.candidates([row], k=9)[0])) == {"手绘", "snow", "ski"}


def test_words_do_not_know_a_training_row():
    """Would fail if a hashtag that only the row itself used were known to it in training."""
    posts = [
        {"description": "rare words", "hashtags": ["rare", "words"]},
        {"description": "words", "hashtags": ["words"]},
    ]
    source = WordsSource.build(posts)
    row = clues_of(posts)[0]
    assert set(hashtags(source.candidates([row], k=5)[0])) == {"rare", "words"}
    assert hashtags(source.training_candidates([row], k=5)[0]) == ["words"]


def test_words_tell_where_they_stand():
    """Would fail if the ranker were told of another text than the one that the words stand in."""
    source = WordsSource({"snow": 3, "lake": 2, "park": 1, "dog": 1})
    row = Clues("snow today", transcript="snow on the lake", screen_text="lake park")
    found = {candidate.hashtag: candidate.evidence for candidate in source.candidates([row], k=5)[0]}
    names = ("in_description", "in_transcript", "in_screen_text")
    places = {hashtag: tuple(evidence[name] for name in names) for hashtag, evidence in found.items()}
    assert places == {"snow": (1, 1, 0), "lake": (0, 1, 1), "park": (0, 0, 1)}


def test_history_decays():
    """Would fail if an old habit counted as much as what the author does now, against hand-made numbers."""
    row = Clues(history=[["new"], ["old"], ["old"]])
    found = HistorySource().candidates([row, Clues()], k=5)
    total = 1 + DECAY + DECAY**2
    assert [(c.hashtag, pytest.approx(c.score)) for c in found[0]] == [
        ("old", (DECAY + DECAY**2) / total),
        ("new", 1 / total),
    ]
    assert found[0][0].evidence == {
        "share": pytest.approx(2 / 3), "last": 0.0, "recent": 2.0, "posts": 3.0, "constancy": 0.5, "size": 1.0,
    }  # fmt: skip
    assert found[1] == []


def test_history_fades_with_age():
    """Would fail if posts of last week and of years ago counted the same where times are known."""
    from transformers_ggm.recommendation import EarlierPost

    now = datetime(2026, 6, 1, tzinfo=timezone.utc)
    posts = [EarlierPost(("older",), now.replace(year=2020)), EarlierPost(("newer",), now.replace(month=5))]
    found = HistorySource().candidates([Clues(history=posts, time=now)], k=2)[0]
    assert hashtags(found) == ["newer", "older"]


def test_frequent_ones():
    """Would fail if the most used hashtags were not first, or unused ones were proposed."""
    assert hashtags(FrequentSource({"a": 1, "b": 5, "c": 0, "d": 1}).candidates([Clues()], k=9)[0]) == ["b", "a", "d"]


@pytest.mark.parametrize(
    "source",
    [
        FrequentSource({"a": 1, "b": 2, "c": 3}),
        WordsSource({"a": 1, "b": 2, "c": 3}),
        HistorySource(),
        PostsSource(PostIndex.build([{"description": "a b", "hashtags": ["a", "b", "c"]}]), by="sparse"),
    ],
    ids=lambda source: source.name,
)
def test_batches_and_empty_rows(source):
    """Would fail if a row's candidates depended on its batch, a row without clues failed, or k did not hold."""
    rows = [Clues(), Clues("a b c", history=[["a", "b", "c"]]), Clues("zzz")]
    together = source.candidates(rows, k=2)
    assert together == [source.candidates([row], k=2)[0] for row in rows]
    assert max(map(len, together)) == 2 and source.candidates([], k=2) == []
    for row in together:
        assert [c.score for c in row] == sorted((c.score for c in row), reverse=True)
        assert all(set(c.evidence) in (set(), set(source.evidence)) for c in row)


class Letters:
    """Stands in for a text encoder."""

    def encode(self, texts, **options):
        return torch.tensor([[float(text.count(letter)) for letter in "abcdefgh"] for text in texts])

    def fingerprint(self):
        return "letters"


def test_pool_by_the_words_of_its_hashtags(monkeypatch):
    """Would fail if an untrained pool of words found others than those nearest by the encoder."""
    import transformers_ggm.recommendation.sources.pool as module

    monkeypatch.setattr(module, "TextEncoder", Letters)
    source = PoolSource.of_words({"aab": 1, "hhh": 2}, Letters(), word_splitter="whole")
    rows = source.candidates([Clues("b a a"), Clues(), Clues("h")], k=1)
    assert [hashtags(row) for row in rows] == [["aab"], [], ["hhh"]]
    other = Letters()
    other.fingerprint = lambda: "other"
    with pytest.raises(RetrieverMismatchError):
        PoolSource(source.pool, other)


def test_pool_of_words_by_the_first_numbers(monkeypatch):
    """Would fail if a pool of words kept whole vectors, or what is added later were not cut or not found."""
    import transformers_ggm.recommendation.sources.pool as module

    monkeypatch.setattr(module, "TextEncoder", Letters)
    source = PoolSource.of_words({"aab": 1, "hhh": 2}, Letters(), word_splitter="whole", dim=3)
    source.add_hashtags({"ccc": 1})
    assert source.pool.dim == 3 < source.pool.whole_dim
    # The first three letters are all that is known.
    assert [hashtags(row) for row in source.candidates([Clues("a b a h h h"), Clues("c h h h")], k=1)] == [
        ["aab"],
        ["ccc"],
    ]


def test_one_pass_of_the_encoder_for_pool_and_posts(monkeypatch):
    """Would fail if a row were encoded once for the pool and once more for the posts, or as training asks."""
    import transformers_ggm.recommendation.sources.pool as module

    monkeypatch.setattr(module, "TextEncoder", Letters)
    encoder = Letters()
    pool = PoolSource.of_words({"aab": 1, "hhh": 2}, encoder, word_splitter="whole")
    posts = PostsSource(PostIndex.build([{"description": "a b", "hashtags": ["x"]}], encoder), by="dense")
    asked = []
    monkeypatch.setattr(encoder, "encode", lambda texts: asked.append(texts) or Letters.encode(encoder, texts))
    rows = [Clues("b a a"), Clues(), Clues("h")]
    first = [source.candidates(rows, k=2) for source in (pool, posts)]
    assert asked == [["b a a", "", "h"]]
    posts.training_candidates(rows, k=2)
    assert first == [source.candidates(rows, k=2) for source in (pool, posts)] and len(asked) == 1
    assert [hashtags(row) for row in first[1]] == [["x"], [], []]


def test_settings_that_mean_nothing(index):
    """Would fail if what can never propose anything, or fails at every row, were made."""
    for make in (
        lambda: PostsSource(index, neighbours=0),
        lambda: HistorySource(posts=0),
        lambda: FrequentSource({"snow": -1}),
        lambda: FrequentSource({"snow": float("nan")}),
    ):
        with pytest.raises(InputError):
            make()
    pool = HashtagPool(["a"], torch.eye(1), retriever_fingerprint="letters")
    with pytest.raises(SourceError, match="`processor` is missing"):
        PoolSource(pool, Letters())
    index._posts = replace(index._posts, table=index._posts.table.slice(0, 0))
    with pytest.raises(PostIndexError, match="no posts"):
        PostsSource(index)


@pytest.mark.parametrize("text", ["snow " * 200_000, "初雪が降った山" * 143_000, "x" * 1_000_000])
def test_texts_of_a_million_characters(text):
    """Would fail if one long text took minutes, or all the memory, in any of the sources that read texts."""
    posts = [{"description": text, "hashtags": ["snow", "初雪"]}]
    row = Clues(text)
    words = WordsSource.build(posts).candidates([row], k=5)[0]
    found = PostsSource(PostIndex.build(posts), by="sparse").candidates([row], k=5)[0]
    assert set(hashtags(found)) == {"snow", "初雪"} and set(hashtags(words)) <= {"snow", "初雪"}


class ColourEncoder:
    """Encodes the frames of a clip by their mean colour."""

    reads = "frames"

    def encode(self, inputs):
        return torch.stack([torch.zeros(3) if f is None else f.float().mean(dim=(0, 2, 3)) for f in inputs])

    def fingerprint(self):
        return "colours"


def test_posts_by_their_pictures():
    """Would fail if posts were not found by their pictures, or rows and posts without pictures were in the way."""
    red, blue = (torch.zeros(2, 3, 4, 4, dtype=torch.uint8) for _ in range(2))
    red[:, 0], blue[:, 2] = 200, 100
    posts = [
        {"frames": red, "description": "a walk", "hashtags": ["fire"]},
        {"description": "a walk", "hashtags": ["unseen"]},
        {"frames": blue, "hashtags": ["sea"]},
    ]
    index = PostIndex.build(posts, ColourEncoder())
    source = PostsSource(index, by="dense")
    assert source.name == "posts_frames" and index.reads == "frames"
    rows = [Clues(frames=blue), Clues("a walk"), Clues(frames=red, time="2026-01-01T00:00:00Z")]
    found = [[candidate.hashtag for candidate in row] for row in source.candidates(rows, k=5)]
    assert found == [["sea"], [], ["fire"]]
    assert source.candidates([Clues("a walk")], k=5) == [[]]
    assert source.training_candidates([Clues(frames=red)], k=5) == [[]]
    assert [c.hashtag for c in PostsSource(index, by="sparse").candidates([Clues("a walk")], k=5)[0]] == [
        "fire",
        "unseen",
    ]
    with pytest.raises(PostIndexError, match="vectors of frames"):
        index.search(["a walk"], by="dense")
