"""Greedy search with drafts: the same tokens as without, in fewer passes of the decoder, whatever the drafts are."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from modeling_samples import VOCAB_SIZE, ggm_model

from transformers_ggm.errors import InputError
from transformers_ggm.generation.hashtag_scores import token_log_probs
from transformers_ggm.generation.speculative_decoding import HashtagDrafts, drafted_greedy_search
from transformers_ggm.modeling import GGMEncoderOutput

TOKENS = st.integers(3, VOCAB_SIZE - 1)
HASHTAGS = st.lists(st.lists(TOKENS, min_size=1, max_size=5), max_size=6)
# Whatever is begun, the known hashtag is the same, or goes on by these tokens.
COMPLETE = st.lists(TOKENS, max_size=4).flatmap(
    lambda known: st.sampled_from([lambda begun: known, lambda begun: [*begun, *known]])
)
LENGTHS = (5, 3, 4)
# What a pointer head can copy.
SOURCE = torch.tensor([[7, 8, 7, 9, 4], [11, 5, 6, 1, 1], [20, 21, 22, 20, 1]])


@pytest.fixture(scope="module", params=["bart", "mbart", "pointer head"])
def model(request):
    torch.manual_seed(0)
    if request.param != "pointer head":
        return ggm_model(text=request.param, audio=None)
    model = ggm_model(audio=None, pointer_head=True)
    torch.nn.init.constant_(model.pointer_head.gate.bias, 2.0)
    return model


def generate(model, seed=0, rows=1, **kwargs):
    states = torch.randn(rows, 5, 16, generator=torch.Generator().manual_seed(seed)) * 3
    mask = torch.tensor([[int(place < length) for place in range(5)] for length in LENGTHS[:rows]])
    return model.generate(
        input_ids=torch.full((rows, 5), 5), attention_mask=mask,
        encoder_outputs=GGMEncoderOutput(states, source_ids=SOURCE[:rows]),
        **{"max_new_tokens": 12, "num_beams": 1, **kwargs},
    )  # fmt: skip


def drafted(model, *drafts, **kwargs):
    return generate(model, rows=len(drafts), custom_generate=drafted_greedy_search, drafts=drafts, **kwargs)


def pieces_of(ids):
    """What was written, as drafts: cut into hashtags by the token that is written second."""
    places = [place for place, token in enumerate(ids) if token == ids[1]] + [len(ids)]
    tags = [ids[start:end] for start, end in itertools.pairwise(places)]
    return [tag for tag in tags if len(tag) > 1] or [ids[1:]]


@pytest.mark.contract
@settings(max_examples=30, deadline=None)
@given(
    drafts=st.lists(
        st.builds(HashtagDrafts, HASHTAGS, st.lists(TOKENS, max_size=3), st.just([]), COMPLETE), min_size=1, max_size=3
    ),
    seed=st.integers(0, 3),
    length=st.integers(1, 14),
    ends=st.lists(TOKENS, min_size=1, max_size=8, unique=True),
)
def test_drafts_change_nothing(model, drafts, seed, length, ends):
    """Would fail if a wrong guess were kept, or positions or cached states were off by one after it."""
    options = {"seed": seed, "max_new_tokens": length, "no_repeat_ngram_size": 3, "eos_token_id": ends}
    assert torch.equal(drafted(model, *drafts, **options), generate(model, rows=len(drafts), **options))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 3),
    right=st.lists(st.integers(0, 12), min_size=3, max_size=3),
    wrong=st.lists(TOKENS, min_size=3, max_size=3),
)
def test_drafts_that_are_right_for_a_while(model, seed, right, wrong):
    """Would fail if rows whose drafts go wrong at different places, some of them never, were mixed up."""
    plain = generate(model, seed, rows=3)
    guesses = [[*ids[1 : 1 + good], bad, *ids[2 + good :]] for ids, good, bad in zip(plain.tolist(), right, wrong)]
    drafts = [HashtagDrafts([[3, *guess]], guess) for guess in guesses]
    assert torch.equal(drafted(model, *drafts, seed=seed), plain)


def test_right_drafts_save_passes(model):
    """Would fail if drafts were thrown away although they were right, in a batch too."""
    plain = generate(model, rows=3).tolist()
    passes = []
    hook = model.lm_head.register_forward_hook(lambda *_: passes.append(1))
    result = drafted(model, *(HashtagDrafts(pieces_of(ids), ids[1:]) for ids in plain))
    hook.remove()
    assert result.tolist() == plain and len(passes) < len(plain[0]) - 1


def test_end_token_stops(model):
    """Would fail if decoding went on behind the end token because a draft did."""
    plain = generate(model, max_new_tokens=6)[0].tolist()
    end = plain[3]
    stopped = generate(model, eos_token_id=end)
    guess = [plain[1], *plain[2:], 7, 8]
    assert torch.equal(drafted(model, HashtagDrafts([guess], guess), eos_token_id=end), stopped)
    assert stopped[0, -1] == end


@settings(max_examples=15, deadline=None)
@given(drafts=st.lists(st.builds(HashtagDrafts, HASHTAGS), min_size=2, max_size=2), seed=st.integers(0, 3))
def test_scores_are_those_of_the_model(model, drafts, seed):
    """Would fail if log-probabilities belonged to other tokens, or what forbids repeats changed them."""
    ends = torch.tensor([4, 9, 14, 20, 30])
    options = {"no_repeat_ngram_size": 2, "eos_token_id": ends.tolist(), "return_dict_in_generate": True}
    found = drafted(model, *drafts, seed=seed, **options)
    states = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(seed)) * 3
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    expected = token_log_probs(model, states, mask, found.sequences, SOURCE[:2])
    is_end = torch.isin(found.sequences, ends).long()
    written = is_end.cumsum(dim=1) == is_end
    assert (found.log_probs != 0)[:, 1:].equal(written[:, 1:]) and not found.log_probs[:, 0].any()
    torch.testing.assert_close(found.log_probs[written], expected[written], atol=1e-4, rtol=1e-4)


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


@pytest.mark.parametrize(
    "written, expected",
    [
        ([2, 9, 11], [12, 13, 9]),
        ([2, 9, 11, 12, 13], [9, 4, 5, 6, 9]),
        ([2, 9, 11, 14], [9, 4, 5, 6, 9]),
        ([2, 9, 7], [8, 9]),
        ([2, 9, 7, 8], [9, 4, 5, 6, 9]),
        ([2, 9], [4, 5, 6, 9]),
    ],
)
def test_guesses_of_known_hashtags(written, expected):
    """
    Would fail if a hashtag that was not retrieved were not guessed, one that is whole were gone on with, or a known
    one went before those that were retrieved.
    """
    known = {11: [11, 12, 13], 7: [7, 8, 15], 4: [4, 5, 9]}
    drafts = HashtagDrafts([[9, 4, 5, 6], [9, 7, 8]], complete=lambda begun: known.get(begun[0], []))
    assert drafts.after(written) == expected


def test_guesses_behind_an_opening():
    """Would fail if the token that opens a text were taken for a wrong guess."""
    drafts = HashtagDrafts([[9, 4, 5, 6]], [1, 4, 5], opening=[0])
    assert [drafts.after(written) for written in ([2], [2, 0], [2, 3])] == [[0, 1, 4, 5, 9], [1, 4, 5, 9], []]


def test_nothing_to_guess_from():
    """Would fail if an item without guidance could not be decoded."""
    assert HashtagDrafts().after([2, 9]) == [] and HashtagDrafts([[9]]).after([2]) == []


@pytest.mark.parametrize(
    "options, message",
    [({"num_beams": 2}, "greedy"), ({"do_sample": True}, "greedy"), ({"drafts": [HashtagDrafts()] * 2}, "2 drafts")],
)
def test_what_drafts_are_not_for(model, options, message):
    """Would fail if beams or samples were replaced by greedy search, or a row had another one's drafts."""
    with pytest.raises(InputError, match=message):
        generate(model, custom_generate=drafted_greedy_search, **{"drafts": [HashtagDrafts()], **options})
