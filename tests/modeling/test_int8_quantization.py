"""Linear layers that multiply int8 matrices."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from transformers_ggm.errors import CheckpointError
from transformers_ggm.modeling.int8_quantization import Int8Linear, has_int8, is_quantized, quantize_linears

needs_int8 = pytest.mark.skipif(not has_int8(), reason="this CPU has no int8 dot products")


def by_hand(linear, inputs):
    """The same rounding in whole numbers of PyTorch."""
    weight, rows = linear.weight.float(), inputs.float().flatten(0, -2)
    weight_scales, row_scales = (t.abs().amax(-1).clamp(min=1e-30).double() / 127 for t in (weight, rows))
    whole_weight = (weight.double() / weight_scales[:, None]).round().long()
    whole_rows = (rows.double() / row_scales[:, None]).round().long()
    outputs = (whole_rows @ whole_weight.T).double() * row_scales[:, None] * weight_scales
    outputs = outputs if linear.bias is None else outputs + linear.bias.double()
    return outputs.view(*inputs.shape[:-1], -1)


@pytest.mark.contract
@needs_int8
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    sizes=st.tuples(st.integers(1, 70), st.integers(1, 40)),
    has_bias=st.booleans(),
    scale=st.sampled_from([1e-20, 1e-3, 1.0, 1e6]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
@torch.inference_mode()
def test_is_the_product_of_rounded_numbers(shape, sizes, has_bias, scale, seed):
    """Would fail if a scale, the offset of the inputs or the bias were wrong, or inputs were changed."""
    torch.manual_seed(seed)
    linear, inputs = nn.Linear(*sizes, bias=has_bias), torch.randn(*shape, sizes[0]) * scale
    before = inputs.clone()
    outputs, expected = Int8Linear(linear)(inputs), by_hand(linear, inputs)
    assert outputs.shape == (*shape, sizes[1]) and outputs.dtype == torch.float32
    # A number in the middle between two may be rounded either way.
    step = inputs.abs().amax() / 127 * linear.weight.abs().amax()
    torch.testing.assert_close(outputs.double(), expected, atol=float(step) * 1.01, rtol=1e-5)
    assert (outputs.double() - expected).abs().mean() <= 0.1 * step + 1e-6 * expected.abs().max()
    assert torch.equal(inputs, before)


@needs_int8
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_is_near_the_layer(dtype):
    """Would fail if eight bits cost more than a hundredth, or another type came out than went in."""
    torch.manual_seed(0)
    linear, inputs = nn.Linear(768, 300).to(dtype), torch.randn(2, 50, 768).to(dtype)
    outputs, expected = Int8Linear(linear)(inputs), linear.float()(inputs.float())
    assert outputs.dtype == dtype
    assert (outputs.float() - expected).std() < 0.015 * expected.std()


@needs_int8
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_rows_do_not_know_of_each_other(dtype):
    """Would fail if what a clip gets depended on those beside it in the batch, however large they are."""
    layer = Int8Linear(nn.Linear(96, 64).to(dtype))
    rows = torch.randn(40, 96).to(dtype)
    rows[7:] *= 1000
    assert torch.equal(layer(rows)[3], layer(rows[3]))
    assert torch.equal(layer(torch.zeros(2, 96, dtype=dtype)), layer.bias.expand(2, -1))
    assert torch.equal(layer(rows.T.contiguous().T), layer(rows))
    assert layer(rows[:0]).shape == (0, 64)
    # More than are rounded at a time.
    many = torch.randn(2500, 96).to(dtype)
    assert torch.equal(layer(many), torch.cat([layer(row) for row in many.split(1)]))


@pytest.mark.contract
@needs_int8
def test_is_not_saved():
    """Would fail if a checkpoint were written that lacks these weights."""
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2), nn.Conv1d(2, 2, 1)))
    assert not is_quantized(model)
    quantize_linears(model)
    kinds = [type(part) for part in (model[0], model[2][0], model[2][1])]
    assert kinds == [Int8Linear, Int8Linear, nn.Conv1d] and is_quantized(model)
    with pytest.raises(CheckpointError, match="int8=True when you load"):
        model.state_dict()


@pytest.mark.parametrize(
    ("capabilities", "with_onednn", "expected"),
    [
        ({"avx512_vnni": True}, True, True),
        ({"avx512_vnni": False, "avx_vnni": True}, True, True),
        ({"amx_int8": True}, True, True),
        ({"avx2": True, "avx512_vnni": False}, True, False),
        ({"avx512_vnni": True}, False, False),
        ({"neon": True}, True, False),
    ],
)
def test_processors(monkeypatch, capabilities, with_onednn, expected):
    """Would fail if sums overflowed on CPUs that add up eight-bit products in sixteen bits."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: with_onednn)
    assert has_int8() is expected
