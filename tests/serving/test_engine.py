"""What an engine does besides answering requests."""

import asyncio

import pytest

from transformers_ggm.errors import InputError
from transformers_ggm.serving import Engine, ServingSettings
from transformers_ggm.serving.loading import read_api_key
from transformers_ggm.serving.request_options import HashtagRequest


def test_what_is_blocked_while_it_runs(suggest):
    """Would fail if a hashtag were shown that was blocked after the start, or left out once it is allowed again."""

    async def scenario():
        engine = Engine(suggest, ServingSettings(isolate_decoding=False))
        asked = HashtagRequest(description="first snow")

        async def shown():
            return [tag["hashtag"] for tag in await engine.answer(asked.item(), asked)]

        async with engine.running():
            first, *_ = before = await shown()
            engine.block([first])
            assert first not in await shown()
            engine.block(())
            assert await shown() == before
            with pytest.raises(InputError):
                engine.block(["*"])
            assert await shown() == before

    asyncio.run(scenario())


def test_where_a_key_comes_from(monkeypatch, tmp_path):
    """Would fail if the end of a line were taken for a part of the key, or a server that has a key were open."""
    monkeypatch.delenv("GGM_API_KEY", raising=False)
    assert read_api_key(None) is None
    monkeypatch.setenv("GGM_API_KEY", "that of the environment")
    assert read_api_key(None) == "that of the environment"
    (tmp_path / "key").write_text("that of the file\n")
    assert read_api_key(tmp_path / "key") == "that of the file"
