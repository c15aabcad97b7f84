"""Language models in checkpoints of this package."""

import pytest
import torch
from instructed_samples import SEEING, WRITERS, video
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSeq2SeqLM,
    AutoProcessor,
    BartConfig,
    LlamaConfig,
    T5Gemma2Config,
)

from transformers_ggm import InstructedConfig, InstructedForHashtagGeneration, InstructedProcessor
from transformers_ggm.errors import CheckpointError


@pytest.fixture(scope="module", params=WRITERS)
def loaded(request, tmp_path_factory):
    folder = WRITERS[request.param](tmp_path_factory.mktemp("language_model"))
    return request.param, folder, InstructedForHashtagGeneration.from_language_model_pretrained(folder)


def inputs(name, folder, model):
    processor = InstructedProcessor.from_language_model_pretrained(folder, model.config.takes_images)
    return processor(text=["snow"], videos=[video() if name in SEEING else None])


@pytest.mark.contract
def test_computes_what_the_language_model_does(loaded):
    """Would fail if the wrapper changed the logits, the loss or what is generated."""
    name, folder, model = loaded
    auto_class = AutoModelForImageTextToText if name in SEEING else AutoModelForCausalLM
    plain = auto_class.from_pretrained(folder).eval()
    batch = inputs(name, folder, model)
    with torch.no_grad():
        own = model(**batch, labels=batch["input_ids"])
        expected = plain(**batch, labels=batch["input_ids"])
        assert torch.equal(own.logits, expected.logits) and torch.equal(own.loss, expected.loss)
        written = plain.generate(**batch, do_sample=False, max_new_tokens=5)
        assert torch.equal(model.generate(**batch, max_new_tokens=5), written)


@pytest.mark.contract
def test_round_trip(loaded, tmp_path):
    """Would fail if a weight, a tie or a generation setting were lost or drawn anew on the way through a folder."""
    name, folder, model = loaded
    model.save_pretrained(tmp_path)
    again, info = InstructedForHashtagGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    before, after = model.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert tied == (again.get_output_embeddings().weight is again.get_input_embeddings().weight)
    assert tied == (name in ("llama", "qwen3-vl"))
    assert again.generation_config.max_new_tokens == 48 and not again.generation_config.do_sample
    assert again.generation_config.eos_token_id == model.generation_config.eos_token_id
    batch = inputs(name, folder, model)
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, again.eval()(**batch).logits)
    assert isinstance(AutoModelForSeq2SeqLM.from_pretrained(tmp_path), InstructedForHashtagGeneration)


def test_adapter(loaded, tmp_path):
    """Would fail if an adapter of peft did not find its way back into the language model."""
    from peft import LoraConfig, get_peft_model

    name, folder, model = loaded
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    model.save_pretrained(base)
    InstructedProcessor.from_language_model_pretrained(folder, model.config.takes_images).save_pretrained(base)
    fresh = InstructedForHashtagGeneration.from_pretrained(base)
    config = LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", init_lora_weights=False)
    adapted = get_peft_model(fresh, config).eval()
    batch = inputs(name, folder, model)
    adapted.save_pretrained(adapter)
    again = InstructedForHashtagGeneration.from_pretrained(adapter).eval()
    with torch.no_grad():
        changed = adapted(**batch).logits
        assert not torch.allclose(changed, model(**batch).logits, atol=1e-3)
        assert torch.allclose(again(**batch).logits, changed, atol=1e-5)


def test_processor_beside_it(loaded, tmp_path):
    """Would fail if `AutoProcessor` gave another processor than the one that was saved beside the model."""
    _, folder, model = loaded
    model.save_pretrained(tmp_path)
    processor = InstructedProcessor.from_language_model_pretrained(folder, model.config.takes_images, num_guidance=3)
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(again, InstructedProcessor) and again.num_guidance == 3


def test_other_models_are_refused(tmp_path):
    """Would fail if a model that answers nothing were found out when it is first asked."""
    with pytest.raises(ValueError, match="neither"):
        InstructedConfig({"model_type": "vit"})
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        InstructedForHashtagGeneration.from_language_model_pretrained(tmp_path)
    assert InstructedConfig(LlamaConfig()).takes_images is False


def test_encoder_decoders_are_refused(tmp_path):
    """Would fail if BART, which transformers also loads as a decoder alone, were prompted, and answered nonsense."""
    for config in (BartConfig(d_model=16, encoder_layers=1, decoder_layers=1), T5Gemma2Config()):
        with pytest.raises(ValueError, match="encoder-decoder"):
            InstructedConfig(config)
    BartConfig(d_model=16).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="encoder-decoder"):
        InstructedForHashtagGeneration.from_language_model_pretrained(tmp_path)
