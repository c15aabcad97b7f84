"""Weights in eight bits, by torchao."""

import pytest
import torch
from transformers import TorchAoConfig, pipeline

from transformers_ggm.errors import CheckpointError
from transformers_ggm.pipelines import DEMO_CHECKPOINT

ao = pytest.importorskip("torchao.quantization")

ITEMS = [{"description": words} for words in ("twelve hours on the highway", "first snow of the year", "my cat naps")]


@pytest.fixture(scope="module", params=["Int8WeightOnlyConfig", "Int8DynamicActivationInt8WeightConfig"])
def quantised(request):
    config = TorchAoConfig(getattr(ao, request.param)())
    kwargs = {"quantization_config": config}
    return pipeline("hashtag-generation", model=DEMO_CHECKPOINT, device="cpu", dtype="bfloat16", model_kwargs=kwargs)


@pytest.mark.contract
def test_layers_are_quantised_and_embeddings_are_not(quantised):
    """
    Would fail if weights were loaded whole in silence, or the embeddings, which the output layer is tied to, were
    quantised or untied.
    """
    model = quantised.model
    for layer in (model.get_decoder().layers[0].fc1, model.get_encoder().text_encoder.layers[0].fc1):
        assert type(layer.weight).__name__ == "Int8Tensor" and layer.weight.qdata.dtype == torch.int8
    assert type(model.lm_head.weight) is torch.nn.Parameter and model.lm_head.weight is model.model.shared.weight
    assert model.dtype == quantised.retriever.dtype == torch.bfloat16


def test_suggests_what_whole_weights_suggest(quantised):
    """Would fail if quantised weights were garbled: the first hashtag is a sure one."""
    whole = pipeline("hashtag-generation", model=DEMO_CHECKPOINT, device="cpu", dtype="float32")
    # Words alone: the bundled retriever goes by pictures.
    found, expected = (suggest(ITEMS, num_guidance=0) for suggest in (quantised, whole))
    assert [tags[0]["hashtag"] for tags in found] == [tags[0]["hashtag"] for tags in expected]


@pytest.mark.contract
def test_saving_is_refused(quantised, tmp_path):
    """Would fail if a checkpoint were written that cannot be loaded, or a part of one."""
    with pytest.raises(CheckpointError, match="quantise it at each loading"):
        quantised.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_a_type_is_not_chosen_for_quantised_weights(monkeypatch):
    """
    Would fail if weights of eight bits were widened, or those beside them got another type than was quantised for.
    """
    monkeypatch.setattr("transformers_ggm.pipelines.dtype_selection.LEAST_WEIGHTS", 0)
    monkeypatch.setattr("transformers_ggm.pipelines.dtype_selection.has_bfloat16", lambda device: True)
    kwargs = {"quantization_config": TorchAoConfig(ao.Int8WeightOnlyConfig())}
    suggest = pipeline("hashtag-generation", model=DEMO_CHECKPOINT, device="cpu", model_kwargs=kwargs)
    assert suggest.model.lm_head.weight.dtype == torch.float32
    assert type(suggest.model.get_decoder().layers[0].fc1.weight).__name__ == "Int8Tensor"
