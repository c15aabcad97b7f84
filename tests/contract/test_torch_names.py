"""What we rely on in PyTorch that it does not document."""

import pytest
import torch
from torch import nn
from torch._utils import ExceptionWrapper
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

pytestmark = pytest.mark.contract


def test_batch_norms_have_one_base():
    """Would fail if frozen batch statistics could not be told from other norms any more."""
    norms = (nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.BatchNorm3d(2), nn.SyncBatchNorm(2))
    others = (nn.LayerNorm(2), nn.GroupNorm(1, 2), nn.InstanceNorm2d(2))
    assert all(isinstance(norm, _BatchNorm) for norm in norms)
    assert not any(isinstance(norm, _BatchNorm) for norm in others)


def test_attention_has_a_projection_of_its_own_class():
    """
    Would fail if the layer whose weights PyTorch's attention reads past its `forward` looked like any other, and
    adapters were put on it without effect.
    """
    assert isinstance(nn.MultiheadAttention(4, 1).out_proj, NonDynamicallyQuantizableLinear)
    assert not isinstance(nn.Linear(4, 4), NonDynamicallyQuantizableLinear)


def test_storage_can_be_made_in_shared_memory():
    """Would fail if batches of worker processes had to be copied."""
    storage = torch.UntypedStorage._new_shared(24)
    tensor = torch.empty(0).set_(storage, 0, (2, 3))
    assert tensor.is_shared() and tensor.shape == (2, 3) and storage.nbytes() == 24


def test_exceptions_travel_with_their_type():
    """Would fail if an error in a worker process came out as another one, or without its text."""
    try:
        raise KeyError("snow")
    except KeyError:
        wrapped = ExceptionWrapper(where="in a test")
    with pytest.raises(KeyError, match="snow"):
        wrapped.reraise()
