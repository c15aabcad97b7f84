"""Greedy search with drafts: the same tokens as without, in fewer passes of the decoder, whatever the drafts are."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from modeling_samples import VOCAB_SIZE, ggm_model

from transformers_ggm.errors import InputError
from transformers_ggm.modeling import GGMEncoderOutput
from transformers_ggm.modeling.drafted_decoding import HashtagDrafts, drafted_greedy_search

TOKENS = st.integers(3, VOCAB_SIZE - 1)
HASHTAGS = st.lists(st.lists(TOKENS, min_size=1, max_size=5), max_size=6)


@pytest.fixture(scope="module", params=["bart", "mbart"])
def model(request):
    torch.manual_seed(0)
    return ggm_model(text=request.param, audio=None).eval()


def generate(model, seed=0, **kwargs):
    states = torch.randn(1, 5, 16, generator=torch.Generator().manual_seed(seed))
    mask = torch.ones(1, 5, dtype=torch.int64)
    return model.generate(
        input_ids=torch.full((1, 5), 5), attention_mask=mask, num_beams=1,
        encoder_outputs=GGMEncoderOutput(last_hidden_state=states), **{"max_new_tokens": 12, **kwargs},
    )  # fmt: skip


def drafted(model, hashtags, first=(), **kwargs):
    return generate(model, custom_generate=drafted_greedy_search, drafts=HashtagDrafts(hashtags, first), **kwargs)


@settings(max_examples=40, deadline=None)
@given(hashtags=HASHTAGS, first=st.lists(TOKENS, max_size=3), seed=st.integers(0, 3), length=st.integers(1, 14))
def test_drafts_change_nothing(model, hashtags, first, seed, length):
    """Would fail if a wrong guess were kept, or positions or cached states were off by one after it."""
    plain = generate(model, seed, max_new_tokens=length, no_repeat_ngram_size=3)
    assert torch.equal(
        drafted(model, hashtags, first, seed=seed, max_new_tokens=length, no_repeat_ngram_size=3), plain
    )


def test_right_drafts_save_passes(model):
    """Would fail if drafts were thrown away although they were right."""
    plain = generate(model)[0].tolist()
    passes = []
    hook = model.get_decoder().register_forward_hook(lambda *_: passes.append(1))
    # What will be written, cut into hashtags by the token that is written second.
    sign = plain[1]
    places = [place for place, token in enumerate(plain) if token == sign] + [len(plain)]
    tags = [plain[start:end] for start, end in itertools.pairwise(places)]
    result = drafted(model, [tag for tag in tags if len(tag) > 1] or [plain[1:]], plain[1:])
    hook.remove()
    assert result[0].tolist() == plain and len(passes) < len(plain) - 1


def test_end_token_stops(model):
    """Would fail if decoding went on behind the end token because a draft did."""
    plain = generate(model, max_new_tokens=6)[0].tolist()
    end = plain[3]
    stopped = generate(model, eos_token_id=end)
    guess = [plain[1], *plain[2:], 7, 8]
    assert torch.equal(drafted(model, [guess], guess, eos_token_id=end), stopped)
    assert stopped[0, -1] == end


@pytest.mark.parametrize(
    "written, expected",
    [
        ([2], [1, 4, 5, 9]),
        ([2, 9], [4, 5, 6, 9]),
        ([2, 9, 4, 5], [6, 9]),
        ([2, 9, 7, 8], [9, 4, 5, 6, 9]),
        ([2, 9, 7, 8, 9], [4, 5, 6, 9]),
        ([2, 9, 7, 8, 9, 4, 5, 6], []),
        ([2, 1, 7], [8, 9]),
        ([2, 9, 11], [9, 4, 5, 6, 9]),
    ],
)
def test_guesses(written, expected):
    """Would fail if a hashtag were guessed twice, one that begins otherwise were, or the best were not the first."""
    assert HashtagDrafts([[9, 4, 5, 6], [9, 7, 8]], [1, 4, 5]).after(written) == expected


def test_nothing_to_guess_from():
    """Would fail if an item without guidance could not be decoded."""
    assert HashtagDrafts([]).after([2, 9]) == [] and HashtagDrafts([[9]]).after([2]) == []


def test_one_row_and_one_beam(model):
    """Would fail if several rows were decoded with the drafts of one."""
    states = GGMEncoderOutput(last_hidden_state=torch.randn(2, 5, 16))
    options = {"custom_generate": drafted_greedy_search, "drafts": HashtagDrafts([]), "num_beams": 1}
    with pytest.raises(InputError, match="one row"):
        model.generate(input_ids=torch.full((2, 5), 5), encoder_outputs=states, **options)
