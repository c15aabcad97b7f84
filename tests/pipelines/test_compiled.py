"""A pipeline whose parts are compiled."""

import shutil

import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo.utils import counters
from transformers import pipeline

from transformers_ggm.errors import InputError

WORDS = ["twelve hours on the highway", "cake for breakfast because I am a year older", "cake", "a year older, again"]


def load(folder, **kwargs):
    return pipeline("hashtag-generation", model=str(folder), dtype="float32", **kwargs)


@pytest.fixture
def fresh():
    """No compiled code from before, nor after."""
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def answers_of(suggest, clips):
    """One item and several, clips and words, of several lengths, by beams, by drafts and a token at a time."""
    first, second, *others = clips
    yield suggest({"video": first, "description": WORDS[0]})
    yield suggest({"video": second, "description": WORDS[1]}, num_beams=1)
    yield suggest({"video": second}, num_guidance=0, num_beams=1)
    yield suggest([{"video": clip, "description": words} for clip, words in zip(clips, WORDS)], batch_size=3)
    yield suggest([{"description": words} for words in WORDS], batch_size=3, num_beams=2, num_return_sequences=2)
    yield suggest([*others], batch_size=2, num_beams=1, max_new_tokens=9)


def assert_alike(found, expected):
    assert len(found) == len(expected)
    for tags, others in zip(found, expected):
        if isinstance(tags, list):
            assert_alike(tags, others)
        else:
            assert tags == others | {"score": pytest.approx(others["score"], abs=1e-5)}


@pytest.mark.contract
def test_captured_once_and_says_the_same(checkpoint, clips, fresh):
    """
    Would fail if a static cache changed a hashtag, if nothing were compiled, or if each new length of a text took
    another minute.
    """
    batches = [[{"video": clip, "description": text} for clip in clips][:2] for text in WORDS[:2]]
    plain, suggest = load(checkpoint, device="cpu"), load(checkpoint, device="cpu", compile=True)
    expected = [plain(batch, batch_size=2) for batch in batches]
    assert not counters["stats"]
    graphs = []
    # Without a C++ compiler: what is captured runs as it is.
    with torch.compiler.set_stance(force_backend="eager"):
        for batch, answers in zip(batches, expected):
            assert_alike(suggest(batch, batch_size=2), answers)
            graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] == graphs[1] >= 4


@pytest.mark.slow
def test_other_lengths_are_not_compiled_anew(checkpoint, clips, fresh):
    """Would fail if another length of a clip or another number of beams or tokens took another minute."""
    suggest = load(checkpoint, device="cpu", compile=True)
    paths = sorted(clips)
    with torch.compiler.set_stance(force_backend="eager"):
        for rows in (1, 2):
            suggest([{"video": clip, "description": WORDS[0]} for clip in paths[:rows]], batch_size=rows)
        graphs = counters["stats"]["unique_graphs"]
        for rows in (1, 2, 3):
            for clip, words in zip(paths[::-1], WORDS):
                items = [{"video": clip, "description": words}] * rows
                suggest(items, batch_size=rows, num_beams=rows + 1, max_new_tokens=rows + 3)
    assert counters["stats"]["unique_graphs"] == graphs


@pytest.mark.slow
def test_says_the_same_in_machine_code(checkpoint, clips, fresh):
    """
    Would fail if what PyTorch makes of the captured parts computed otherwise, or if running them uncompiled in
    between, for drafts, left something behind.
    """
    expected = list(answers_of(load(checkpoint, device="cpu"), clips))
    assert_alike(list(answers_of(load(checkpoint, device="cpu", compile=True), clips)), expected)


def test_saved_as_if_nothing_were_compiled(checkpoint, fresh, tmp_path):
    """Would fail if compiled parts could not be saved, or had other names in the checkpoint."""
    load(checkpoint, device="cpu", compile=True).save_pretrained(tmp_path)
    before, after = (load_file(folder / "model.safetensors") for folder in (checkpoint, tmp_path))
    assert before.keys() == after.keys() and all(before[name].equal(after[name]) for name in before)


@pytest.mark.contract
def test_without_a_compiler(checkpoint, monkeypatch, tmp_path):
    """Would fail if the missing compiler came to light at the first call, in the words of PyTorch."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"C\+\+ compiler.*CXX"):
        load(checkpoint, device="cpu", compile=True)


@pytest.mark.contract
def test_a_spread_model_is_refused(checkpoint, tmp_path):
    """Would fail if weights that are not there were compiled, which ends in an error of PyTorch's."""
    size = sum(file.stat().st_size for file in checkpoint.glob("*.safetensors"))
    places = {"max_memory": {"cpu": size // 2}, "offload_folder": str(tmp_path)}
    with pytest.raises(InputError, match=r"disk.*device_map"):
        load(checkpoint, device_map="auto", model_kwargs=places, compile=True)
    assert load(checkpoint, device_map="auto", compile=True)
