"""Models of OpenVINO between tensors of PyTorch."""

import threading

import pytest
import torch

pytest.importorskip("openvino")

from transformers_ggm.backends.conversion import convert
from transformers_ggm.backends.openvino_model import OpenVINOModel


@pytest.fixture(scope="module")
def doubling():
    """A model that doubles numbers."""

    class Doubling(torch.nn.Module):
        def forward(self, numbers):
            return numbers * 2

    return convert(Doubling(), (torch.ones(2, 3),), ["numbers"], "doubling")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_types(doubling, dtype):
    """Would fail if a type were not taken, or another one came back than the rest computes in."""
    found = OpenVINOModel(doubling, dtype)({"numbers": torch.tensor([[1.5, 2, 3]], dtype=dtype)})[0]
    assert found.dtype == dtype and found.tolist() == [[3, 4, 6]]


def test_answers_stay(doubling):
    """Would fail if the memory of an answer were written to by the next call."""
    model = OpenVINOModel(doubling, torch.float32)
    first = model({"numbers": torch.ones(1, 3)})[0]
    model({"numbers": torch.zeros(1, 3)})
    assert first.tolist() == [[2, 2, 2]]


def test_threads_do_not_mix(doubling, hurried):
    """Would fail if calls of several threads shared a request."""
    model, wrong = OpenVINOModel(doubling, torch.float32), []

    def ask(number):
        for _ in range(50):
            found = model({"numbers": torch.full((4, 3), float(number))})[0]
            wrong.extend(value for value in found.flatten().tolist() if value != 2 * number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
