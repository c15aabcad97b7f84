"""Decoding in processes of their own."""

import asyncio

import pytest
from served import UPLOAD, answers

from transformers_ggm.pipelines.call_steps import CallSteps
from transformers_ggm.serving import clip_decoding


@pytest.mark.slow
def test_a_clip_that_ends_its_process_ends_nothing_else(suggest, clips, monkeypatch, tmp_path):
    """Would fail if a clip that crashes FFmpeg, or holds it for ever, ended or held the server: both fail alone, and
    clips after them are answered as by the pipeline."""
    path, words = next(iter(clips.items()))
    send = CallSteps.sendable_prepare
    monkeypatch.setattr(CallSteps, "sendable_prepare", lambda steps: DeadlyPrepare(send(steps)))
    monkeypatch.setattr(clip_decoding, "clean_start", forking)

    async def ask(client):
        async def sent(data, name):
            return await client.post(UPLOAD, files={"video": (name, data)}, data={"description": words})

        deadly = await asyncio.gather(sent(b"crash", "a.mp4"), sent(b"hold", "b.mp4"))
        broken = await sent(b"broken", "c.mp4")
        return [*deadly, broken], await sent(path.read_bytes(), "d.mp4")

    failed, whole = answers(suggest, ask, isolate_decoding=True, decoding_threads=2, request_seconds=8.0)
    assert [each.status_code for each in failed] == [422, 504, 422]
    assert "crashed" in failed[0].json()["message"] and "c.mp4" in failed[2].json()["message"]
    assert all("Traceback" not in each.text and "/tmp" not in each.text for each in failed)
    assert whole.json()["hashtags"] == suggest(str(path), description=words)


class DeadlyPrepare:
    """Prepares items, but for those that crash or hold what decodes them."""

    def __init__(self, prepare):
        self._prepare = prepare

    def __call__(self, item):
        import os
        import time

        with open(item["video"], "rb") as file:
            data = file.read(5)
        if data == b"crash":
            os._exit(1)
        if data == b"hold":
            time.sleep(3600)
        return self._prepare(item)


def forking():
    """What a new process would import takes seconds: the tests copy this one."""
    import multiprocessing

    return multiprocessing.get_context("fork")
