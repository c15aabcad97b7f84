"""Versions of peft and transformers that do not go together are told before anything is trained or loaded wrong."""

from importlib import metadata

import pytest

from transformers_ggm.modeling import peft_versions
from transformers_ggm.modeling.peft_versions import peft_mismatch

REQUIRES = [
    "torch>=2.11",
    "transformers<5.25,>=5.17",
    'peft<0.22,>=0.20; extra == "lora"',
    'transformers<5.24,>=5.18; extra == "lora"',
    'faiss-cpu>=1.9; extra == "faiss"',
]


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ({"peft": "0.21.2", "transformers": "5.23.0"}, None),
        ({"peft": "0.21.2", "transformers": "5.24.0"}, "transformers<5.24,>=5.18, but 5.24.0"),
        ({"peft": "0.21.2", "transformers": "5.17.0"}, "transformers<5.24,>=5.18, but 5.17.0"),
        ({"peft": "0.19.0", "transformers": "5.23.0"}, "peft<0.22,>=0.20, but 0.19.0"),
        ({"transformers": "5.23.0"}, "peft<0.22,>=0.20, but none"),
    ],
)
def test_what_is_installed(monkeypatch, installed, told):
    """
    Would fail if a training ended in an error at its last step, or an adapter lost weights when it is loaded, since
    nobody looked at the versions.
    """

    def version(name):
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(peft_versions, "requires", lambda name: REQUIRES)
    monkeypatch.setattr(peft_versions, "version", version)
    message = peft_mismatch()
    assert message is None if told is None else told in message and "pip install" in message


def test_not_installed_by_pip(monkeypatch):
    """Would fail if code that came along with a checkpoint, of which no versions are known, refused every adapter."""

    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(peft_versions, "requires", requires)
    assert peft_mismatch() is None
