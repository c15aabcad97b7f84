"""Decoding that stops when so many hashtags are written: the same beginnings, in every way of decoding."""

import pytest
import torch
from transformers import StoppingCriteriaList, pipeline

from transformers_ggm.errors import InputError
from transformers_ggm.generation.stopping_criteria import HashtagLimit
from transformers_ggm.pipelines import DEMO_CHECKPOINT, ggm_writing
from transformers_ggm.processing import GGMProcessor

WORDS = [
    {"description": "The best thrift store in town, then a new personal best on the bench press"},
    {"description": "Packing the trunk for the drive to the coast, then paying almost nothing for these boots"},
    {"description": "first snow"},
]


@pytest.fixture(scope="module")
def suggest():
    """The bundled checkpoint."""
    return pipeline("hashtag-generation", device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def tokenizer():
    return GGMProcessor.from_pretrained(DEMO_CHECKPOINT).tokenizer


@pytest.mark.parametrize(
    "written, limit, expected",
    [
        ("#thriftfinds", 1, False),
        ("#thriftfinds #", 1, True),
        ("#thriftfinds #gymday", 2, False),
        ("#thriftfinds #gymday #", 2, True),
        ("#thriftfinds #gymday #", 3, False),
        ("#thriftfinds #thriftfinds #", 2, False),
        ("#thriftfinds #2024 #", 2, False),
    ],
)
def test_when_it_ends(tokenizer, written, limit, expected):
    """Would fail if the last hashtag were cut, or hashtags that nobody gets were counted."""
    ids = torch.tensor([[2, *tokenizer(written, add_special_tokens=False)["input_ids"]]])
    criterion = StoppingCriteriaList([HashtagLimit(tokenizer, limit)])
    assert criterion(ids, None).tolist() == [expected]


@pytest.mark.parametrize("own_searches", [True, False])
def test_the_first_ones_are_written(suggest, monkeypatch, own_searches):
    """Would fail if drafts ran past the limit, a row of a batch stopped with another one, or others were written."""
    if not own_searches:
        monkeypatch.setattr(ggm_writing, "search_arguments", lambda *_: {})
    whole = suggest(WORDS, num_beams=1, batch_size=3)
    limited = suggest(WORDS, num_beams=1, batch_size=3, max_hashtags=2)
    assert {len(tags) for tags in whole} != {2} and [len(tags) for tags in limited] == [min(len(t), 2) for t in whole]
    for all_of_them, few in zip(whole, limited):
        assert {tag["hashtag"]: tag["score"] for tag in all_of_them}.items() >= {
            tag["hashtag"]: pytest.approx(tag["score"], abs=1e-4) for tag in few
        }.items()


def test_beams_are_those_of_generate(suggest, monkeypatch):
    """Would fail if a limit ended other beams here than in transformers' own search."""
    own = suggest(WORDS, num_beams=4, batch_size=3, max_hashtags=2)
    monkeypatch.setattr(ggm_writing, "search_arguments", lambda *_: {})
    plain = suggest(WORDS, num_beams=4, batch_size=3, max_hashtags=2)
    assert [[tag["hashtag"] for tag in tags] for tags in own] == [[tag["hashtag"] for tag in tags] for tags in plain]
    assert all(len(tags) <= 2 for tags in own)


@pytest.mark.parametrize("limit", [0, "3", True])
def test_impossible_limits(suggest, limit):
    """Would fail if a limit that means nothing were taken."""
    with pytest.raises(InputError, match="max_hashtags"):
        suggest(WORDS[0], max_hashtags=limit)
