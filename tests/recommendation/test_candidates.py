"""The interface of sources, and asking several of them."""

import pytest

from transformers_ggm.errors import InputError, SourceError
from transformers_ggm.recommendation import (
    Candidate,
    CandidateSource,
    Clues,
    FrequentSource,
    gather_candidates,
    register_source,
    source_class,
)
from transformers_ggm.recommendation.candidates import SOURCES


class Fixed(CandidateSource):
    """Proposes the same for every row."""

    def __init__(self, name, *hashtags):
        self.name, self.hashtags = name, hashtags

    def candidates(self, rows, k):
        return [[Candidate(tag, 1.0 / (place + 1)) for place, tag in enumerate(self.hashtags)] for _ in rows]


class Failing(CandidateSource):
    name = "failing"

    def candidates(self, rows, k):
        raise RuntimeError("out of order")


def test_all_sources_are_registered():
    """Would fail if a source of the package could not be found by the name that the documentation gives."""
    names = {"pool", "posts", "words", "history", "classifier", "generator", "frequent", "fused"}
    assert names <= set(SOURCES) and source_class("frequent") is FrequentSource
    with pytest.raises(SourceError, match="use one of"):
        source_class("no such")
    with pytest.raises(SourceError, match="already"):
        register_source("posts")(Fixed)


def test_candidates_are_normalised_and_each_there_once():
    """Would fail if spellings of one hashtag were two candidates, or more came than were asked for."""
    found = gather_candidates([Fixed("a", "#Snow", "snow", "SNOW", "ski", "lake")], [Clues()], k=2)
    assert [(candidate.hashtag, candidate.score) for candidate in found["a"][0]] == [("snow", 1.0), ("ski", 0.25)]


class Unscored(CandidateSource):
    """Proposes a hashtag with a score, or evidence, that is no number."""

    name, evidence = "failing", ("seen",)

    def __init__(self, score, seen):
        self.score, self.seen = score, seen

    def candidates(self, rows, k):
        return [[Candidate("snow", self.score, {"seen": self.seen})] for _ in rows]


class Answering(CandidateSource):
    """Answers anything."""

    name = "failing"

    def __init__(self, answer):
        self.answer = answer

    def candidates(self, rows, k):
        return self.answer


@pytest.mark.parametrize(
    "source",
    [
        Failing(),
        Fixed("failing", "two words"),
        Unscored(float("nan"), 1.0),
        Unscored(float("inf"), 1.0),
        Unscored(1.0, float("nan")),
        Answering(None),
        Answering([["snow"], ["snow"]]),
        Answering([None, None]),
    ],
)
def test_a_source_that_fails_is_named(source, caplog):
    """Would fail if nobody could tell which source failed, or one that fails took the others with it."""
    others = Fixed("fine", "snow")
    with pytest.raises(SourceError, match="'failing' failed"):
        gather_candidates([others, source], [Clues(), Clues()])
    found = gather_candidates([others, source], [Clues(), Clues()], on_error="skip")
    assert found["failing"] == [[], []] and found["fine"][0][0].hashtag == "snow"


@pytest.mark.parametrize(
    ("sources", "options"),
    [([Fixed("a", "x"), Fixed("a", "y")], {}), ([Fixed("", "x")], {}), ([Fixed("a", "x")], {"on_error": "no"})],
)
def test_what_cannot_be_asked(sources, options):
    """Would fail if two sources of one name overwrote each other's scores."""
    with pytest.raises(SourceError):
        gather_candidates(sources, [Clues()], **options)


def test_wrong_number_of_rows():
    """Would fail if a source that lost a row gave all rows after it another row's candidates."""

    class Short(CandidateSource):
        name = "short"

        def candidates(self, rows, k):
            return [[]]

    with pytest.raises(SourceError, match="1 lists of candidates for 2 rows"):
        gather_candidates([Short()], [Clues(), Clues()])


def test_rows_that_are_no_clues():
    """Would fail if a data row, with its own hashtags, were handed to sources, or none were asked for."""
    with pytest.raises(InputError, match="clues_of"):
        gather_candidates([Fixed("a", "snow")], [Clues(), {"description": "x", "hashtags": ["x"]}])
    for k in (0, -1, 2.5):
        with pytest.raises(InputError, match=f"k={k}"):
            gather_candidates([Fixed("a", "snow")], [Clues()], k)
