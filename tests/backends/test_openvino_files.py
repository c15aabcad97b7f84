"""Where converted models are kept."""

import pytest
import torch

pytest.importorskip("openvino")

from transformers_ggm.backends.conversion import convert
from transformers_ggm.backends.openvino_files import OpenVINOFiles, Wanted, save_openvino
from transformers_ggm.backends.openvino_model import OpenVINOModel
from transformers_ggm.errors import CheckpointError


@pytest.fixture
def linear():
    return torch.nn.Linear(3, 2)


def made(linear):
    return convert(linear, (torch.ones(2, 3),), ["numbers"], "linear")


def not_again():
    raise AssertionError("converted once more")


@pytest.mark.contract
def test_converted_once(linear, own_cache):
    """Would fail if a model were converted at every start, or other weights were taken for the same."""
    wanted = Wanted("linear", linear, ("numbers",))
    first = OpenVINOFiles().get(wanted, lambda: made(linear))
    second = OpenVINOFiles().get(wanted, not_again)
    numbers = torch.randn(4, 3)
    for model in (first, second):
        found = OpenVINOModel(model, torch.float32)({"numbers": numbers})[0]
        torch.testing.assert_close(found, linear(numbers).detach())
    linear.weight.data += 1
    with pytest.raises(AssertionError, match="once more"):
        OpenVINOFiles().get(wanted, not_again)


def test_kept_in_a_checkpoint(linear, tmp_path):
    """Would fail if a checkpoint's own were not taken, or those of other weights were."""
    wanted = Wanted("linear", linear, ("numbers",))
    save_openvino(tmp_path, [(wanted, made(linear))])
    files = OpenVINOFiles(tmp_path / "openvino")
    assert files.has(wanted) and not files.has(Wanted("linear", linear, ("numbers",), int8=True))
    files.get(wanted, not_again)
    # It is the same however the checkpoint was loaded.
    files.get(Wanted("linear", linear.to(torch.bfloat16), ("numbers",)), not_again)
    linear.bias.data += 1
    with pytest.raises(CheckpointError, match="other weights"):
        files.get(wanted, not_again)


@pytest.mark.parametrize("name", ["openvino.json", "xml"])
def test_damaged(linear, tmp_path, name):
    """Would fail if what a library raises at a damaged file came through."""
    wanted = Wanted("linear", linear, ("numbers",))
    save_openvino(tmp_path, [(wanted, made(linear))])
    file = next((tmp_path / "openvino").glob(f"*{name}"))
    file.write_text("cut")
    with pytest.raises(CheckpointError, match=file.name):
        OpenVINOFiles(tmp_path / "openvino").get(wanted, not_again)
