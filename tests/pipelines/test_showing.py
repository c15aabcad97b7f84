"""What a call of the pipeline shows: its filters, with the bundled checkpoint."""

import numpy as np
import pytest

pytest.importorskip("ahocorasick_rs", reason="pip install transformers-ggm[safety]")
pytest.importorskip("wordfreq", reason="pip install transformers-ggm[safety]")

from transformers import pipeline

from transformers_ggm.errors import InputError
from transformers_ggm.pipelines.showing import Showing
from transformers_ggm.recommendation import Candidate, FrequentSource, Recommender
from transformers_ggm.recommendation.filters import HashtagFilter, Removed

ITEM = {"description": "first snow in toronto"}


@pytest.fixture(scope="module")
def suggest():
    return pipeline("hashtag-generation")


@pytest.fixture(scope="module")
def written(suggest):
    """All that the model writes."""
    return [answer["hashtag"][1:] for answer in suggest(ITEM)]


def test_nothing_asked_for_changes_nothing(suggest, written):
    """Would fail if filters that find nothing changed scores or order."""
    assert suggest(ITEM, safe=True) == suggest(ITEM)
    assert suggest(ITEM, near_duplicates=False, prefer_pool="free") == suggest(ITEM)


def test_what_is_blocked_is_told_and_not_shown(suggest, written):
    """Would fail if a blocked hashtag were shown, or those behind it did not move up where there is a `top_n`."""
    answer = suggest(ITEM, blocked=[written[0]], top_n=1, return_removed=True)
    assert [each["hashtag"][1:] for each in answer["hashtags"]] == [written[1]]
    [removed] = answer["removed"]
    assert (removed["hashtag"], removed["reason"]) == (f"#{written[0]}", "blocked")


def test_a_call_adds_to_what_the_pipeline_was_made_with(written):
    """Would fail if one argument of a call took away the pipeline's others, or could not take back its own."""
    suggest = pipeline("hashtag-generation", blocked=[written[0]])
    assert [each["hashtag"][1:] for each in suggest(ITEM)] == written[1:]
    assert [each["hashtag"][1:] for each in suggest(ITEM, near_duplicates=False)] == written[1:]
    assert [each["hashtag"][1:] for each in suggest(ITEM, blocked=[])] == written


def test_guidance_has_nothing_unsafe():
    """Would fail if the model were shown an unsafe hashtag, or told of it."""
    screen = Showing.of({"safe": True}).screen(None, None)
    removed = {}
    assert screen.keep({"snow": 0.9, "th1nspo": 0.8}, removed) == {"snow": 0.9}
    assert [
        each.hashtag for each in screen.keep_candidates([Candidate("snow", 1), Candidate("c0caine", 2)], removed)
    ] == ["snow"]
    assert {tag: each.category for tag, each in removed.items()} == {"th1nspo": "self-harm", "c0caine": "drugs"}


def test_what_is_left_out_does_not_guide_the_model(suggest):
    """Would fail if the model were shown a blocked hashtag, or `return_guidance` told of it."""
    clip = np.zeros((4, 64, 64, 3), np.uint8)
    tag = suggest(clip, return_guidance=True)["guidance"][0]["hashtag"]
    answer = suggest(clip, return_guidance=True, return_removed=True, blocked=[tag])
    assert tag not in {each["hashtag"] for each in [*answer["guidance"], *answer["hashtags"]]}
    assert tag in {each["hashtag"] for each in answer["removed"]}


def test_capitals_are_those_of_the_commonest_spelling(suggest, written):
    """Would fail if people's own capitals gave way to guessed ones, or showed where no platform asks for them."""
    tag = next(tag for tag in written if tag.isascii() and len(tag) > 5)
    odd = tag[:3] + tag[3:].capitalize()
    pool = suggest.hashtag_pool.copy()
    pool.observe([([odd], "2026-01-01T08:00:00Z")] * (1 + dict(zip(pool.hashtags, pool.counts)).get(tag, 0)))
    shown = [answer["hashtag"] for answer in suggest(ITEM, platform="instagram", hashtag_pool=pool)]
    assert f"#{odd}" in shown
    assert [answer["hashtag"][1:] for answer in suggest(ITEM, hashtag_pool=pool)] == written


def test_platforms_limit_and_write_with_capitals(suggest):
    """Would fail if more were shown than X advises, or words began without capitals."""
    answers = suggest(ITEM, platform="x")
    assert len(answers) == 2 and any(answer["hashtag"][1].isupper() for answer in answers)


def test_known_calls_for_reach_are_left_out_on_demand(suggest, written, tmp_path):
    """Would fail if what a recommender learned were lost by saving it, left out unasked, or made up."""
    with pytest.raises(InputError, match="does not know any"):
        suggest(ITEM, reach_calls=True)
    assert suggest(ITEM, reach_calls=False) == suggest(ITEM)
    counts = {written[0]: 1, "snow": 1}
    recommender = Recommender([FrequentSource(counts)], counts=counts, reach_calls=[written[0]])
    recommender.save_pretrained(tmp_path)
    recommender = Recommender.from_pretrained(tmp_path)
    assert recommender.reach_calls == {written[0]}
    knowing = pipeline("hashtag-generation", recommender=recommender)
    for asked, shown in (({}, written), ({"reach_calls": True}, written[1:]), ({"reach_calls": []}, written)):
        assert [each["hashtag"][1:] for each in knowing(ITEM, **asked)] == shown


def test_a_filter_of_ones_own_counts(suggest, written):
    """Would fail if it were not asked."""

    class Never(HashtagFilter):
        name = "never"

        def removed(self, hashtags):
            return [Removed(hashtag, self.name) for hashtag in hashtags]

    answer = suggest([ITEM, ITEM], filters=[Never()], return_removed=True, batch_size=2)
    assert [row["hashtags"] for row in answer] == [[], []]
    assert {each["reason"] for row in answer for each in row["removed"]} == {"never"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"platform": "myspace"},
        {"prefer_pool": "always"},
        {"blocked": ["*"]},
        {"safe": "yes"},
        {"reach_calls": "fyp"},
        {"filters": ["x"]},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_bad_arguments_are_refused_before_anything_is_decoded(suggest, arguments):
    """Would fail if a typing slip showed what was to be left out."""
    with pytest.raises(InputError, match=next(iter(arguments))):
        suggest(ITEM, **arguments)
