"""Adapters in the pipeline, and loading in few bits."""

import json

import pytest
from transformers import BitsAndBytesConfig, pipeline
from transformers.quantizers.auto import AutoHfQuantizer
from transformers.utils import is_bitsandbytes_available

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor

ITEM = {"description": "twelve hours on the highway"}


class Reached(Exception):
    """Stands for the quantiser, which needs a GPU."""


def suggest_with(folder, **kwargs):
    return pipeline("hashtag-generation", model=str(folder), device="cpu", **kwargs)


def test_parts_that_an_adapter_lacks_are_its_bases(checkpoint, adapter):
    """
    Would fail if an adapter without retriever, pool or processor beside it could not be used, or were not applied.
    """
    adapted, base = suggest_with(adapter), suggest_with(checkpoint)
    assert len(adapted.hashtag_pool) == len(base.hashtag_pool) and adapted.retriever is not None
    assert adapted.processor.num_guidance == base.processor.num_guidance
    assert adapted(ITEM) != base(ITEM)
    assert any(".lora_A." in name for name, _ in adapted.model.named_parameters())


@pytest.mark.contract
def test_processor_beside_an_adapter_goes_before_its_bases(checkpoint, adapter, tmp_path):
    """Would fail if an adapter were used with other lengths than those it was trained with."""
    for file in adapter.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    processor = GGMProcessor.from_pretrained(checkpoint)
    processor.num_guidance = 2
    processor.save_pretrained(tmp_path)
    assert suggest_with(tmp_path).processor.num_guidance == 2
    given = GGMProcessor.from_pretrained(checkpoint)
    assert suggest_with(tmp_path, processor=given).processor is given
    assert suggest_with(tmp_path, processor=str(checkpoint)).processor.num_guidance == given.num_guidance


@pytest.mark.contract
def test_saved_pipeline_of_an_adapter_loads_again(adapter, checkpoint, tmp_path):
    """Would fail if it were saved as a whole model without weights, or lost its base."""
    suggest = suggest_with(adapter)
    suggest.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved" / "config.json").exists()
    config = json.loads((tmp_path / "saved" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(checkpoint)
    again = suggest_with(tmp_path / "saved")
    assert again(ITEM) == suggest(ITEM)


@pytest.mark.parametrize("bits", [{"load_in_8bit": True}, {"load_in_4bit": True}])
def test_quantization_config_reaches_transformers(checkpoint, monkeypatch, bits):
    """Would fail if our classes kept the argument from transformers, and weights were loaded whole in silence."""
    config = BitsAndBytesConfig(**bits)

    def from_config(quantization_config, **kwargs):
        assert quantization_config.to_dict() == config.to_dict()
        raise Reached

    monkeypatch.setattr(AutoHfQuantizer, "from_config", from_config)
    with pytest.raises(Reached):
        GGMForHashtagGeneration.from_pretrained(checkpoint, quantization_config=config)
    with pytest.raises(Reached):
        suggest_with(checkpoint, model_kwargs={"quantization_config": config})


@pytest.mark.skipif(is_bitsandbytes_available(), reason="bitsandbytes is there")
def test_few_bits_without_bitsandbytes(checkpoint):
    """Would fail if the missing package were not named, or the model were loaded whole instead."""
    with pytest.raises(ImportError, match="bitsandbytes"):
        suggest_with(checkpoint, model_kwargs={"quantization_config": BitsAndBytesConfig(load_in_4bit=True)})
