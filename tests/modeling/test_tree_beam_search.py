"""Beam search over a tree of tokens: the same beams as transformers' own, whatever its settings."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from modeling_samples import VOCAB_SIZE, ggm_model

from transformers_ggm.errors import InputError
from transformers_ggm.modeling import GGMEncoderOutput
from transformers_ggm.modeling.token_tree import ScoredSequences
from transformers_ggm.modeling.tree_beam_search import tree_beam_search
from transformers_ggm.pipelines.scores import token_log_probs

LENGTHS = (5, 3, 4, 5)


@pytest.fixture(scope="module", params=["bart", "mbart"])
def model(request):
    torch.manual_seed(0)
    return ggm_model(text=request.param, audio=None).eval()


def encoded(rows, seed):
    """Encoder states of several items, some of them shorter than others, and their mask."""
    states = torch.randn(rows, 5, 16, generator=torch.Generator().manual_seed(seed)) * 3
    return states, torch.tensor([[int(place < length) for place in range(5)] for length in LENGTHS[:rows]])


def generate(model, rows=2, seed=0, **kwargs):
    states, mask = encoded(rows, seed)
    return model.generate(
        input_ids=torch.full((rows, 5), 5), attention_mask=mask,
        encoder_outputs=GGMEncoderOutput(last_hidden_state=states), **{"max_new_tokens": 12, **kwargs},
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 4),
    seed=st.integers(0, 5),
    length=st.integers(1, 14),
    num_beams=st.integers(2, 5),
    ends=st.lists(st.integers(3, VOCAB_SIZE - 1), min_size=1, max_size=12, unique=True),
    early_stopping=st.sampled_from([False, True, "never"]),
    length_penalty=st.sampled_from([-1.0, 0.0, 1.0, 2.5]),
    ngram=st.sampled_from([0, 2, 3]),
    data=st.data(),
)
def test_same_beams(model, rows, seed, length, num_beams, ends, early_stopping, length_penalty, ngram, data):
    """Would fail if a beam read another one's tokens, an item was finished too early, or ended beams were mixed up."""
    options = {
        "rows": rows, "seed": seed, "max_new_tokens": length, "num_beams": num_beams, "eos_token_id": ends,
        "early_stopping": early_stopping, "length_penalty": length_penalty, "no_repeat_ngram_size": ngram,
        "num_return_sequences": data.draw(st.integers(1, num_beams)),
    }  # fmt: skip
    plain = generate(model, **options)
    assert torch.equal(generate(model, custom_generate=tree_beam_search, **options), plain)
