"""The example that compares contrastive search with beams and greedy search."""

from functools import partial

import pytest
import torch
from modeling_samples import ggm_model

from transformers_ggm.modeling import GGMEncoderOutput

ROWS, LENGTH = 3, 9
STATES = torch.randn(ROWS, 5, 16, generator=torch.Generator().manual_seed(0)) * 3
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])


@pytest.fixture(scope="module")
def example(load_example):
    return load_example("contrastive_search")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return ggm_model(audio=None)


def generate(model, rows, **arguments):
    return model.generate(
        input_ids=torch.full((len(rows), 5), 5), attention_mask=MASK[rows],
        encoder_outputs=GGMEncoderOutput(STATES[rows]), max_length=LENGTH, num_beams=1, do_sample=False, **arguments,
    )  # fmt: skip


def test_without_a_penalty_it_is_greedy_search(model, example):
    """Would fail if candidates were scored behind another text than their own, or rows that have ended went on."""
    search = partial(example.contrastive_search, candidates=3, penalty_alpha=0.0)
    rows = list(range(ROWS))
    assert torch.equal(generate(model, rows, custom_generate=search), generate(model, rows))


def test_tokens_are_those_of_the_equation(model, example):
    """Would fail if the penalty were not the largest cosine to the states before, or a row knew of the others'."""
    search = partial(example.contrastive_search, candidates=4, penalty_alpha=0.6)
    rows = list(range(ROWS))
    together = generate(model, rows, custom_generate=search, min_length=LENGTH)
    greedy = generate(model, rows, min_length=LENGTH)
    assert not torch.equal(together, greedy)
    for row in rows:
        assert together[row].tolist() == by_the_equation(model, row, candidates=4, alpha=0.6)


@torch.no_grad()
def by_the_equation(model, row, candidates, alpha):
    """A token, a candidate and a cosine at a time."""

    def read(ids):
        encoded = GGMEncoderOutput(STATES[row : row + 1])
        output = model(
            encoder_outputs=encoded, attention_mask=MASK[row : row + 1], decoder_input_ids=torch.tensor([ids]),
            output_hidden_states=True,
        )  # fmt: skip
        return output.decoder_hidden_states[-1][0], output.logits[0, -1]

    ids = [model.generation_config.decoder_start_token_id]
    end = model.generation_config.eos_token_id
    while len(ids) < LENGTH:
        states, logits = read(ids)
        logits[end] = -torch.inf  # `min_length` forbids it
        probabilities = logits.softmax(dim=-1)
        scores = {}
        for token in probabilities.topk(candidates).indices.tolist():
            own = read([*ids, token])[0][-1]
            likeness = max(float(own @ state / own.norm() / state.norm()) for state in states)
            scores[token] = (1 - alpha) * float(probabilities[token]) - alpha * likeness
        ids.append(max(scores, key=scores.get))
    return ids


def test_cells_count_what_is_right_and_what_differs(example):
    """Would fail if hashtags were counted once for every clip, or wrong ones as right."""
    truth = [["rain", "boat"], ["rain"], ["drums"]]
    plain = example.hashtag_metrics_per_video(truth, truth)
    cells = example.cells([["rain", "sea"], ["rain"], ["sea"]], truth, plain)
    assert cells[3:] == ["1.33", "0.67", "2", "1"]
