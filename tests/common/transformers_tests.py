"""
transformers' own common tests, from the source distribution of the installed version: `make test-common` unpacks it
and names its folder `tests` by the environment variable TRANSFORMERS_TESTS. Nothing of it is part of this repository.
"""

import importlib
import os
import sys
import types
from pathlib import Path

from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES, MODEL_MAPPING_NAMES

FOLDER = os.environ.get("TRANSFORMERS_TESTS")
_PACKAGE = "transformers_tests_of_the_source_distribution"
# What the common tests import although the source distribution does not have it.
_MISSING = {
    "generation.test_utils": {"GenerationTesterMixin": type("GenerationTesterMixin", (), {})},
    "exporters.test_export": {"ExportTesterMixin": type("ExportTesterMixin", (), {})},
    "utils.test_configuration_utils": {
        "config_common_kwargs": {"return_dict": False, "output_hidden_states": True, "dtype": "float16"}
    },
}


def load(module: str) -> types.ModuleType:
    """
    A module of transformers' tests, such as `"test_modeling_common"`. They tell by the lists of transformers' own
    models which of them have a loss and labels, so ours are put there.
    """
    if _PACKAGE not in sys.modules:
        _module(_PACKAGE).__path__ = [str(Path(FOLDER))]
        for name, content in _MISSING.items():
            _module(f"{_PACKAGE}.{name.split('.')[0]}").__path__ = []
            vars(_module(f"{_PACKAGE}.{name}")).update(content)
        # Of a folder that the source distribution does not have; it downloads what is not used here.
        vars(_module("fetch_hub_objects_for_ci")).update(url_to_local_path=lambda url: url)
        MODEL_MAPPING_NAMES.update(ggm="GGMModel", hashtag_retriever="HashtagRetriever")
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.update(ggm="GGMForHashtagGeneration")
    return importlib.import_module(f"{_PACKAGE}.{module}")


def _module(name: str) -> types.ModuleType:
    return sys.modules.setdefault(name, types.ModuleType(name))
