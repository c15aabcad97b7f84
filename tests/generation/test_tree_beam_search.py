"""Beam search over a tree of tokens: the same beams as transformers' own, whatever its settings."""

from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from modeling_samples import VOCAB_SIZE, ggm_model

from transformers_ggm.errors import InputError
from transformers_ggm.generation.hashtag_scores import token_log_probs
from transformers_ggm.generation.tree_beam_search import tree_beam_search
from transformers_ggm.modeling import GGMEncoderOutput

LENGTHS = (5, 3, 4, 5)
# What a pointer head can copy.
SOURCE = torch.tensor([[7, 8, 7, 9, 4], [11, 5, 6, 1, 1], [20, 21, 22, 20, 1], [30, 9, 31, 4, 32]])


@pytest.fixture(scope="module", params=["bart", "mbart", "pointer head"])
def model(request):
    torch.manual_seed(0)
    if request.param != "pointer head":
        return ggm_model(text=request.param, audio=None)
    model = ggm_model(audio=None, pointer_head=True)
    torch.nn.init.constant_(model.pointer_head.gate.bias, 2.0)
    return model


def encoded(rows, seed):
    """Encoder states of several items, some of them shorter than others, and their mask."""
    states = torch.randn(rows, 5, 16, generator=torch.Generator().manual_seed(seed)) * 3
    return states, torch.tensor([[int(place < length) for place in range(5)] for length in LENGTHS[:rows]])


def generate(model, rows=2, seed=0, **kwargs):
    states, mask = encoded(rows, seed)
    return model.generate(
        input_ids=torch.full((rows, 5), 5), attention_mask=mask,
        encoder_outputs=GGMEncoderOutput(states, source_ids=SOURCE[:rows]), **{"max_new_tokens": 12, **kwargs},
    )  # fmt: skip


@contextmanager
def counted_passes(model):
    """The shapes that go through the decoder's first layer."""
    shapes = []
    layer = model.get_decoder().layers[0]
    hook = layer.register_forward_hook(lambda layer, args, output: shapes.append(output.shape))
    yield shapes
    hook.remove()


@pytest.mark.contract
@settings(max_examples=40, deadline=None)
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


@pytest.mark.parametrize("prompt", [[[2]], [[2, 9, 4], [2, 8, 8]]])
def test_prompts_and_padding(model, prompt):
    """Would fail if a prompt of several tokens were read at wrong places, or rows were filled up otherwise."""
    options = {
        "rows": len(prompt),
        "decoder_input_ids": torch.tensor(prompt),
        "num_beams": 3,
        "eos_token_id": [4, 9, 11],
    }
    for filling in (0, 1):
        plain = generate(model, pad_token_id=filling, **options)
        assert torch.equal(generate(model, custom_generate=tree_beam_search, pad_token_id=filling, **options), plain)


@pytest.mark.contract
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 5), ends=st.lists(st.integers(3, VOCAB_SIZE - 1), min_size=1, max_size=9, unique=True))
def test_scores_are_those_of_the_model(model, seed, ends):
    """Would fail if log-probabilities did not follow their beam, or what forbids repeats changed them."""
    found = generate(
        model, 2, seed, num_beams=4, num_return_sequences=2, no_repeat_ngram_size=2, eos_token_id=ends,
        custom_generate=tree_beam_search, return_dict_in_generate=True,
    )  # fmt: skip
    states, mask = (tensor.repeat_interleave(2, dim=0) for tensor in encoded(2, seed))
    expected = token_log_probs(model, states, mask, found.sequences, SOURCE[:2].repeat_interleave(2, dim=0))
    is_end = torch.isin(found.sequences, torch.tensor(ends)).long()
    written = is_end.cumsum(dim=1) == is_end
    assert (found.log_probs != 0)[:, 1:].equal(written[:, 1:]) and not found.log_probs[:, 0].any()
    torch.testing.assert_close(found.log_probs[written], expected[written], atol=1e-4, rtol=1e-4)


def test_a_pass_reads_each_item_once(model):
    """Would fail if the encoder's states were copied for every beam, or finished items stayed in the batch."""
    options = {"num_beams": 3, "early_stopping": True}
    # Two items are to end early.
    options["eos_token_id"] = [int(row[place]) for row, place in zip(generate(model, 4, **options), (4, 7))]
    alone = []
    for row in range(4):
        states, mask = encoded(4, 0)
        inputs = {"input_ids": torch.full((1, 5), 5), "attention_mask": mask[row : row + 1]}
        inputs["encoder_outputs"] = GGMEncoderOutput(states[row : row + 1], source_ids=SOURCE[row : row + 1])
        with counted_passes(model) as shapes:
            model.generate(**inputs, max_new_tokens=12, custom_generate=tree_beam_search, **options)
        alone.append(len(shapes))
    with counted_passes(model) as shapes:
        generate(model, 4, custom_generate=tree_beam_search, **options)
    assert [shape[1] for shape in shapes] == [1, *[3] * (len(shapes) - 1)]
    assert [shape[0] for shape in shapes] == [sum(n > i for n in alone) for i in range(max(alone))]
    assert min(alone) < max(alone)


@pytest.mark.parametrize("options", [{"num_beams": 1}, {"num_beams": 2, "do_sample": True}])
def test_what_it_is_not_for(model, options):
    """Would fail if samples were replaced by beams."""
    with pytest.raises(InputError, match="beam search without sampling"):
        generate(model, custom_generate=tree_beam_search, **options)
