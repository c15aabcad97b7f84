"""Options of a server."""

import dataclasses
import inspect
import subprocess
import sys

import pytest

from transformers_ggm.cli.ggm_serve import serve as command
from transformers_ggm.errors import ArgumentError
from transformers_ggm.serving import ServingSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_batch_size": 0}, {"max_requests": -1}, {"max_wait_seconds": -0.1}, {"request_seconds": 0.0},
        {"root": "nowhere"}, {"api_key": "short"},
    ],
)  # fmt: skip
def test_wrong_options(wrong):
    """Would fail if a server started with an option that it cannot work with."""
    with pytest.raises(ArgumentError, match=next(iter(wrong)).replace("api_key", "key")):
        ServingSettings(**wrong)


def test_the_key_is_not_shown():
    """Would fail if a log of the options had the key in it."""
    assert "a key of sixteen" not in repr(ServingSettings(api_key="a key of sixteen letters"))


def test_the_commands_defaults_are_the_settings():
    """Would fail if the command and `ServingSettings` meant two things by saying nothing."""
    told = {name: option.default for name, option in inspect.signature(command).parameters.items()}
    for field in dataclasses.fields(ServingSettings):
        if told.get(field.name) is not None:
            assert told[field.name] == field.default, field.name
    assert {field.name for field in dataclasses.fields(ServingSettings)} - set(told) == {
        "allowed_hosts", "api_key", "feedback_file", "isolate_decoding",
    }  # fmt: skip


@pytest.mark.slow
def test_nothing_is_imported_that_only_servers_need():
    """Would fail if who does not serve had to install FastAPI, or waited for its import; or if who lacks it were not
    told what to install."""
    code = (
        "import sys; import transformers_ggm, transformers_ggm.cli;"
        "assert 'transformers_ggm.serving' not in sys.modules and 'uvicorn' not in sys.modules;"
        "sys.modules['uvicorn'] = None; from transformers_ggm.cli import main; sys.exit(main(['serve']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1 and "pip install transformers-ggm[serve]" in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr
