"""Encoders of PyTorch as models of OpenVINO."""

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput

pytest.importorskip("openvino")

from transformers_ggm.backends.conversion import convert_encoder
from transformers_ggm.backends.openvino_model import OpenVINOModel
from transformers_ggm.errors import CheckpointError


class Tokens(torch.nn.Module):
    """An encoder of a row of numbers, which may do something that a trace does not have."""

    def __init__(self, changes=lambda states: states):
        super().__init__()
        self.layer, self.changes = torch.nn.Linear(4, 4), changes

    def forward(self, values, return_dict=True):
        return BaseModelOutput(last_hidden_state=self.changes(self.layer(values)))


def test_any_number_of_rows():
    """Would fail if the number of rows or tokens of the example were fixed."""
    encoder = Tokens()
    compiled = OpenVINOModel(convert_encoder(encoder, {"values": torch.randn(1, 5, 4)}, "tokens"), torch.float32)
    for shape in ((1, 5, 4), (3, 2, 4), (7, 9, 4)):
        values = torch.randn(shape)
        torch.testing.assert_close(compiled({"values": values})[0], encoder(values).last_hidden_state)


@pytest.mark.parametrize(
    "changes, message",
    [
        (lambda states: states * (1 if len(states) == 2 else -1), "something else than PyTorch"),
        (lambda states: torch.linalg.eigvals(states[:, :4, :4]).real[..., None], "cannot be converted"),
    ],
    ids=["branches", "unknown operation"],
)
def test_what_cannot_be_converted_is_told(changes, message):
    """Would fail if an encoder were taken whose trace computes something else, or a converter's error came through."""
    with pytest.raises(CheckpointError, match=message):
        convert_encoder(Tokens(changes), {"values": torch.randn(1, 5, 4)}, "tokens")


def test_the_module_stays_as_it_is():
    """Would fail if converting changed the type, the mode or the weights of what it converts."""
    encoder = Tokens().to(torch.bfloat16).train()
    before = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    convert_encoder(encoder, {"values": torch.randn(1, 5, 4)}, "tokens")
    assert encoder.training
    for name, weight in encoder.state_dict().items():
        assert weight.dtype == torch.bfloat16 and torch.equal(weight, before[name])
