"""The pipeline with chosen types, devices and attention."""

import pytest
import torch
from transformers import pipeline

from transformers_ggm.errors import InputError
from transformers_ggm.pipelines import DEMO_CHECKPOINT

ITEMS = [{"description": words} for words in ("twelve hours on the highway", "first snow of the year", "my cat naps")]


def suggestions(**arguments):
    suggest = pipeline("hashtag-generation", model=DEMO_CHECKPOINT, **arguments)
    # Words alone: the bundled retriever goes by pictures.
    return suggest, suggest(ITEMS, num_guidance=0)


@pytest.fixture(scope="module")
def expected():
    return suggestions(device="cpu")[1]


def assert_alike(found, expected, tolerance):
    assert [[tag["hashtag"] for tag in tags] for tags in found] == [
        [tag["hashtag"] for tag in tags] for tags in expected
    ]
    for tags, others in zip(found, expected):
        assert [tag["score"] for tag in tags] == pytest.approx([tag["score"] for tag in others], abs=tolerance)


@pytest.mark.parametrize(
    "arguments",
    [
        {"device_map": "auto"},
        {"device": "cpu", "model_kwargs": {"attn_implementation": "eager"}},
        {"device": "cpu", "model_kwargs": {"attn_implementation": "sdpa"}},
    ],
    ids=["device_map", "eager", "sdpa"],
)
def test_placed_or_attending_otherwise(expected, arguments):
    """Would fail if suggestions depended on how the model was placed or on the kernel of its attention."""
    suggest, found = suggestions(**arguments)
    assert_alike(found, expected, 1e-4)
    assert str(suggest.retriever.device) == "cpu"


def test_bfloat16(expected):
    """Would fail if the parts of the pipeline did not agree on a type, or rounding changed what is suggested first."""
    suggest, found = suggestions(dtype="bfloat16", device="cpu")
    assert suggest.model.dtype == suggest.retriever.dtype == torch.bfloat16
    assert [tags[0]["hashtag"] for tags in found] == [tags[0]["hashtag"] for tags in expected]


def test_misplaced_argument_of_the_model_is_explained():
    """Would fail if an argument of the model that is given to the pipeline were dropped or hard to understand."""
    with pytest.raises(InputError, match=r"model_kwargs=\{'attn_implementation': \.\.\.\}"):
        pipeline("hashtag-generation", model=DEMO_CHECKPOINT, device="cpu", attn_implementation="eager")


def test_attention_that_is_not_there_is_refused():
    """Would fail if another attention than the one asked for were taken without a word."""
    with pytest.raises((ValueError, ImportError), match="nothing"):
        suggestions(device="cpu", model_kwargs={"attn_implementation": "nothing"})
