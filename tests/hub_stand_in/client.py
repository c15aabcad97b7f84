"""How a test turns the real client of the Hub to the stand-in."""

from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import transformers.utils.hub
from huggingface_hub import constants, file_download
from huggingface_hub.utils import _http

from .server import StandInHub


def point_client_at(hub: StandInHub, monkeypatch: pytest.MonkeyPatch, cache_dir: Path) -> None:
    """
    Sets what `huggingface_hub` would have read from HF_ENDPOINT, HF_HUB_CACHE, HF_TOKEN, HF_HUB_DISABLE_XET and
    HF_HUB_OFFLINE on import. Waiting before another try is left out.

    Args:
        hub ([`StandInHub`]): the server.
        monkeypatch (`pytest.MonkeyPatch`): takes it back.
        cache_dir (`Path`): a folder for this test alone.
    """
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache_dir))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "hf_someone")
    # Made on import, with the endpoint of then.
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", hub.url)
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None, raising=False)
    at_once = SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr(_http, "time", at_once)
    monkeypatch.setattr(file_download, "time", at_once)


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets what the client would have read from HF_HUB_OFFLINE=1."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
