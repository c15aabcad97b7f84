"""What tests of other backends share."""

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Converted models of a test stay with it."""
    monkeypatch.setattr("transformers_ggm.backends.openvino_files.HF_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"
