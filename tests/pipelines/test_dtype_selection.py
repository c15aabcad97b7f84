"""The type of number that the pipeline chooses by itself."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from transformers import pipeline

from transformers_ggm import GGMForHashtagGeneration, HashtagGenerationPipeline
from transformers_ggm.errors import CheckpointError
from transformers_ggm.modeling import make_lora_config
from transformers_ggm.pipelines import dtype_selection as number_format
from transformers_ggm.pipelines.dtype_selection import has_bfloat16, unrounded

WORDS = {"description": "twelve hours on the highway"}
CPU = torch.device("cpu")


@pytest.fixture
def bfloat16_for_all(monkeypatch):
    """A CPU with bfloat16, and every model large enough for it."""
    monkeypatch.setattr(number_format, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(number_format, "LEAST_WEIGHTS", 0)


def load(model, **kwargs):
    return pipeline("hashtag-generation", model=model if hasattr(model, "config") else str(model), **kwargs)


def types(suggest):
    return {suggest.model.dtype, suggest.retriever.dtype}


@pytest.mark.parametrize(
    ("capabilities", "with_onednn", "expected"),
    [
        ({"architecture": "x86_64", "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, True, False),
        ({"architecture": "x86_64", "avx512_f": True, "avx512_bf16": True}, True, True),
        ({"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": True}, True, True),
        ({"architecture": "aarch64", "neon": True, "bf16": True}, True, True),
        ({"architecture": "aarch64", "neon": True, "bf16": False}, True, False),
        ({"architecture": "arm64", "neon": True, "bf16": True}, False, False),
    ],
    ids=["avx512 alone", "avx512_bf16", "amx", "arm", "old arm", "without onednn"],
)
def test_processors(monkeypatch, capabilities, with_onednn, expected):
    """Would fail if bfloat16 were taken where it is emulated, which is slow, or not taken where it is at home."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: with_onednn)
    assert has_bfloat16(CPU) is expected


@pytest.mark.parametrize(
    ("major", "cuda", "expected"), [(7, "12.8", False), (8, "12.8", True), (9, "13.0", True), (9, None, False)]
)
def test_gpus(monkeypatch, major, cuda, expected):
    """Would fail if a GPU that lacks bfloat16 were given it, or the numbers of another maker's taken for NVIDIA's."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (major, 0))
    monkeypatch.setattr(torch.version, "cuda", cuda)
    assert has_bfloat16(torch.device("cuda", 0)) is expected


@pytest.mark.contract
def test_capabilities_are_known_to_torch():
    """Would fail if torch told of the processor in other words than those that are looked for."""
    capabilities = torch.cpu.get_capabilities()
    name = "avx512_bf16" if capabilities["architecture"] == "x86_64" else "bf16"
    assert isinstance(capabilities[name], bool)


@pytest.mark.contract
def test_chosen_and_refused(checkpoint, bfloat16_for_all):
    """Would fail if no type were chosen, one that was named were not kept, or the retriever had another."""
    assert types(load(checkpoint, device="cpu")) == {torch.bfloat16}
    assert types(load(checkpoint, device_map="auto")) == {torch.bfloat16}
    for dtype in (torch.float32, "float32", torch.float16):
        named = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        assert types(load(checkpoint, device="cpu", dtype=dtype)) == {named}
    assert types(load(checkpoint, device="cpu", model_kwargs={"dtype": "float32"})) == {torch.float32}
    assert types(load(checkpoint, device="cpu", model_kwargs={"dtype": "auto"})) == {torch.float32}


def test_a_model_that_is_given_keeps_its_type(checkpoint, bfloat16_for_all):
    """Would fail if the pipeline changed a model that its user holds."""
    model = GGMForHashtagGeneration.from_pretrained(checkpoint)
    assert types(load(model, device="cpu")) == {torch.float32}
    direct = HashtagGenerationPipeline(GGMForHashtagGeneration.from_pretrained(checkpoint), device="cpu")
    assert types(direct) == {torch.float32}
    named = load(checkpoint, device="cpu", dtype="float32").model
    assert types(load(named, device="cpu")) == {torch.float32}


def test_small_models_and_old_processors(checkpoint, monkeypatch, tmp_path):
    """
    Would fail if a model were rounded where that gains nothing, or one that was saved in bfloat16 ran in it on a
    CPU that is slow at it.
    """
    monkeypatch.setattr(number_format, "has_bfloat16", lambda device: True)
    assert types(load(checkpoint, device="cpu")) == {torch.float32}
    monkeypatch.setattr(number_format, "has_bfloat16", lambda device: False)
    monkeypatch.setattr(number_format, "LEAST_WEIGHTS", 0)
    load(checkpoint, device="cpu", dtype="bfloat16").save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    assert types(load(tmp_path, device="cpu")) == {torch.float32}


def test_weights_that_are_read_when_needed_keep_their_type(checkpoint, bfloat16_for_all, tmp_path):
    """Would fail if weights that are not there were converted, which is an error, or only some of a model's were."""
    size = sum(file.stat().st_size for file in checkpoint.glob("*.safetensors"))
    places = {"max_memory": {"cpu": size // 2}, "offload_folder": str(tmp_path)}
    suggest = load(checkpoint, device_map="auto", model_kwargs=places)
    assert any(parameter.is_meta for parameter in suggest.model.parameters())
    assert types(suggest) == {torch.float32} and suggest(WORDS)


def test_saving_loses_nothing(checkpoint, bfloat16_for_all, tmp_path):
    """
    Would fail if a checkpoint that was loaded and saved had been rounded on the way, what its user changed since were
    undone, or pool and retriever did not know each other any more.
    """
    suggest = load(checkpoint, device="cpu")
    suggest.model.final_logits_bias[0, 7] = 2.5
    suggest.model.generation_config.max_length = 17
    answers = suggest(WORDS)
    suggest.save_pretrained(tmp_path)
    assert types(suggest) == {torch.bfloat16} and suggest(WORDS) == answers
    for folder in ("", "retriever"):
        before, after = (load_file(place / folder / "model.safetensors") for place in (checkpoint, tmp_path))
        assert before.keys() == after.keys()
        if not folder:
            assert after["final_logits_bias"][0, 7] == 2.5
            before["final_logits_bias"][0, 7] = 2.5
        assert all(before[name].dtype == after[name].dtype and before[name].equal(after[name]) for name in before)
    again = load(tmp_path, device="cpu")
    assert again.model.generation_config.max_length == 17 and again(WORDS) == answers


def test_saving_into_the_folder_that_was_loaded(checkpoint, bfloat16_for_all, tmp_path):
    """Would fail if the originals were looked for where they had just been overwritten."""
    folder = shutil.copytree(checkpoint, tmp_path / "own")
    load(folder, device="cpu").save_pretrained(folder)
    before, after = (load_file(place / "model.safetensors") for place in (checkpoint, folder))
    assert all(before[name].equal(after[name]) for name in before)


def test_saving_an_adapter_loses_nothing(checkpoint, bfloat16_for_all, tmp_path):
    """Would fail if what an adapter was saved with were rounded, or its base were saved in its place."""
    peft = pytest.importorskip("peft", reason="peft is not installed: it may want an older transformers")
    base = GGMForHashtagGeneration.from_pretrained(checkpoint)
    adapted = peft.get_peft_model(base, make_lora_config(base, fusion="lora", r=2))
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.5)
    adapted.save_pretrained(tmp_path / "adapter")
    suggest = load(tmp_path / "adapter", device="cpu")
    assert types(suggest) == {torch.bfloat16}
    suggest.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved" / "config.json").exists()
    before, after = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("adapter", "saved"))
    assert before.keys() == after.keys() and all(before[name].equal(after[name]) for name in before)
    assert load(tmp_path / "saved", device="cpu")(WORDS) == suggest(WORDS)


def test_a_checkpoint_that_is_gone(checkpoint, bfloat16_for_all, tmp_path):
    """Would fail if rounded weights were saved as if they were whole."""
    folder = shutil.copytree(checkpoint, tmp_path / "own")
    suggest = load(folder, device="cpu")
    shutil.rmtree(folder)
    with pytest.raises(CheckpointError, match="own cannot be read any more"):
        suggest.save_pretrained(tmp_path / "other")
    assert not (tmp_path / "other" / "retriever").exists()


def test_a_model_that_was_never_saved_is_all_there_is(checkpoint):
    """Would fail if a retriever that was made in memory could not be saved with a pipeline."""
    model = GGMForHashtagGeneration(GGMForHashtagGeneration.from_pretrained(checkpoint).config).to(torch.bfloat16)
    model.name_or_path = ""
    assert unrounded(model) is model


def test_a_resized_vocabulary(checkpoint, bfloat16_for_all):
    """Would fail if weights that have grown since could not be saved, or those beside them stayed rounded."""
    suggest = load(checkpoint, device="cpu")
    suggest.model.resize_token_embeddings(len(suggest.processor.tokenizer) + 8)
    whole = unrounded(suggest.model).state_dict()
    before = GGMForHashtagGeneration.from_pretrained(checkpoint).state_dict()
    for name, tensor in suggest.model.state_dict().items():
        expected = before[name] if before[name].shape == tensor.shape else tensor.float()
        assert whole[name].equal(expected), name
