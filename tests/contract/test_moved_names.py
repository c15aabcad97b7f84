"""Names of transformers that have moved, or are about to."""

import pytest
from transformers import utils
from transformers.utils import peft_utils
from transformers.utils.deprecation import deprecate_kwarg

from transformers_ggm import GGMForHashtagGeneration
from transformers_ggm.pipelines import DEMO_CHECKPOINT

pytestmark = pytest.mark.contract


def test_former_names_of_arguments_are_taken_with_a_warning():
    """Would fail if a caller's `past_key_values` were refused, lost or taken without a word."""

    @deprecate_kwarg("past_key_values", "9.0.0", new_name="cache")
    def forward(cache=None):
        return cache

    assert forward(cache=3) == 3
    with pytest.warns(FutureWarning, match="past_key_values"):
        assert forward(past_key_values=3) == 3


def test_peft_is_found_where_it_is():
    """Would fail if training an adapter were refused where peft is installed."""
    try:
        import peft  # noqa: F401
    except ImportError:
        assert not utils.is_peft_available()
    else:
        assert utils.is_peft_available()


def test_files_of_adapters_have_one_name():
    """Would fail if an adapter were saved under one name and sought under another."""
    assert utils.ADAPTER_CONFIG_NAME == peft_utils.ADAPTER_CONFIG_NAME == "adapter_config.json"
    assert peft_utils.ADAPTER_SAFE_WEIGHTS_NAME == "adapter_model.safetensors"


def test_adapters_are_told_from_whole_models(tmp_path):
    """Would fail if a whole model were taken for an adapter, or an adapter for a whole model."""
    assert peft_utils.find_adapter_config_file(str(DEMO_CHECKPOINT)) is None
    (tmp_path / "adapter_config.json").write_text("{}")
    assert peft_utils.find_adapter_config_file(str(tmp_path)) == str(tmp_path / "adapter_config.json")


def test_parts_that_stay_where_they_are_have_the_backbones_names():
    """Would fail if accelerate moved the cache of a model that is spread over devices at every step."""
    model = GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT)
    decoders = type(model.get_decoder())._skip_keys_device_placement
    assert set([decoders] if isinstance(decoders, str) else decoders) <= set(model._skip_keys_device_placement)
