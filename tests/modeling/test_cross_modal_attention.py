"""The cross-modal attention against a computation of its own."""

import math

import pytest
import torch
from modeling_samples import ggm_config, randomize

from transformers_ggm.modeling import CrossModalAttention

IMPLEMENTATIONS = ["eager", "sdpa"]


def cam(layer, target, source, mask=None):
    """Equations 2 to 4 row by row and head by head, with no softmax but exp and sum."""
    result = target.clone()
    heads, size = layer.num_heads, target.shape[-1] // layer.num_heads
    for row in range(len(target)):
        seen = source[row] if mask is None else source[row][mask[row].bool()]
        if not len(seen):
            continue
        pieces = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            query = target[row] @ layer.q_proj.weight[part].T + layer.q_proj.bias[part]
            key = seen @ layer.k_proj.weight[part].T + layer.k_proj.bias[part]
            value = seen @ layer.v_proj.weight[part].T + layer.v_proj.bias[part]
            scores = (query @ key.T / math.sqrt(size)).exp()
            pieces.append(scores @ value / scores.sum(-1, keepdim=True))
        result[row] += torch.cat(pieces, -1) @ layer.out_proj.weight.T + layer.out_proj.bias
    return result


def make_layer(implementation, target_size=16, source_size=24, **kwargs):
    config = ggm_config(**kwargs)
    config._attn_implementation = implementation
    return randomize(CrossModalAttention(config, target_size, source_size)).eval()


@pytest.mark.contract
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("mask", ["none", "ones", "padding", "one row empty", "all rows empty"])
def test_equals_the_equations(implementation, mask):
    """Else the model would compute something else than CAM(Q, K, V) plus the target, with or without padding."""
    layer = make_layer(implementation)
    target, source = torch.randn(3, 5, 16), torch.randn(3, 9, 24)
    masks = {
        "none": None,
        "ones": torch.ones(3, 9, dtype=torch.long),
        "padding": torch.tensor([[1] * 9, [1] * 4 + [0] * 5, [0, 1, 0] * 3]),
        "one row empty": torch.tensor([[1] * 9, [0] * 9, [1] + [0] * 8]),
        "all rows empty": torch.zeros(3, 9, dtype=torch.long),
    }
    with torch.no_grad():
        expected = cam(layer, target, source, masks[mask])
        torch.testing.assert_close(layer(target, source, masks[mask]), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.contract
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_masked_source_gets_no_gradient(implementation):
    """Else padding would be trained, and a row without sound would pull at the audio encoder."""
    layer = make_layer(implementation)
    source = torch.randn(2, 6, 24, requires_grad=True)
    mask = torch.tensor([[1, 1, 0, 1, 0, 0], [0] * 6])
    layer(torch.randn(2, 4, 16), source, mask).square().sum().backward()
    assert torch.equal(source.grad.abs().sum(-1) > 0, mask.bool())


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_row_without_source_keeps_its_target_bit_for_bit(implementation):
    """Else a row without sound would differ from the same row in a model that hears nothing."""
    layer = make_layer(implementation)
    target = torch.randn(2, 4, 16)
    mask = torch.tensor([[1, 1, 1], [0, 0, 0]])
    assert torch.equal(layer(target, torch.randn(2, 3, 24), mask)[1], target[1])


def test_dropout_only_in_training():
    """Else predictions would be random, or training would go without the dropout that was asked for."""
    layer = make_layer("sdpa", fusion_dropout=0.5)
    target, source = torch.randn(2, 4, 16), torch.randn(2, 3, 24)
    assert torch.equal(layer(target, source), layer(target, source))
    layer.train()
    assert not torch.equal(layer(target, source), layer(target, source))


def test_order_of_the_source_does_not_matter():
    """Else attention would know positions that nothing told it."""
    layer = make_layer("eager")
    target, source = torch.randn(2, 4, 16), torch.randn(2, 6, 24)
    order = torch.randperm(6)
    torch.testing.assert_close(layer(target, source[:, order]), layer(target, source), atol=1e-6, rtol=0)
