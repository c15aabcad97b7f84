"""What requests are answered with."""

import asyncio
import functools
import io
import json
import re
import time
import warnings

import pytest
from fastapi import UploadFile
from prometheus_client.parser import text_string_to_metric_families
from served import HASHTAGS, UPLOAD, HeldModels, answers, client_of, posted

from transformers_ggm import HashtagPool
from transformers_ggm.pipelines.call_steps import CallSteps
from transformers_ggm.pipelines.demo_checkpoint import DEMO_CHECKPOINT
from transformers_ggm.serving import Engine, ServingSettings, create_app, load_engine
from transformers_ggm.serving.request_options import HashtagRequest, UploadForm


def test_answers_are_the_pipelines(suggest, clips):
    """Would fail if a clip that is sent were answered otherwise than by the pipeline, or an option were lost."""
    path, words = next(iter(clips.items()))
    options = {"top_n": 4, "min_score": 0.01, "platform": "tiktok", "return_removed": True}
    expected = suggest({"video": str(path), "description": words}, **options)
    form = {"description": words, "request_id": "mine", **options}
    answer = posted(suggest, UPLOAD, data=form, files={"video": path.read_bytes()})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"request_id": "mine", **json.loads(json.dumps(expected))}
    by_path = posted(
        suggest, json={"path": path.name, "description": words, **options}, given={"root": str(path.parent)}
    )
    assert by_path.json() == {"request_id": None, **json.loads(json.dumps(expected))}


def test_words_alone_and_clues(suggest):
    """Would fail if a request without a clip were refused, or clues that the pipeline takes did not reach it."""
    clues = {
        "description": "first snow",
        "transcript": "look",
        "screen_text": "wow",
        "history": ["#cats", ["a", "b"], {"hashtags": ["c"], "time": "2026-06-29T16:30:37Z"}],
        "time": "2026-06-30T16:30:37Z",
        "language": "en",
        "country": "CA",
    }
    assert posted(suggest, json=clues).json()["hashtags"] == suggest(clues)
    form = UploadForm(**{**clues, "history": json.dumps(clues["history"])}, video=UploadFile(io.BytesIO()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert form.item() == HashtagRequest(**clues).item()
    wrong = {"description": "snow", "history": "#cats"}
    answer = posted(suggest, UPLOAD, data=wrong, files={"video": b"no clip"})
    assert answer.status_code == 422 and "history" in answer.json()["message"]


def test_concurrent_requests_share_batches_and_keep_their_answers(suggest, clips, monkeypatch):
    """Would fail if requests were answered one by one, or one got another's answer: each has its own clip, options and
    platform, and is compared with the pipeline's answer to it alone."""
    files = {path.name: (path, words) for path, words in clips.items()}
    asked = [
        {"description": files[name][1], "top_n": 1 + number % 5, "platform": platform, "request_id": str(number)}
        for number, (name, platform) in enumerate(zip([*files] * 4, [None, "tiktok"] * 8))
    ]
    sizes, run = [], CallSteps.run
    monkeypatch.setattr(CallSteps, "run", lambda steps, prepared: sizes.append(len(prepared)) or run(steps, prepared))

    async def ask(client):
        names = [*files] * 4
        sent = (client.post(HASHTAGS, json={**each, "path": name}) for name, each in zip(names, asked))
        found = await asyncio.gather(*sent)
        return found, (await client.get("/metrics")).text

    root = str(next(iter(clips)).parent)
    found, metrics = answers(suggest, ask, root=root, max_wait_seconds=0.5, max_batch_size=8)
    alone = functools.cache(
        lambda name, platform: suggest(str(files[name][0]), description=files[name][1], platform=platform)
    )
    for number, (answer, each, name) in enumerate(zip(found, asked, [*files] * 4)):
        expected = alone(name, each["platform"])[: each["top_n"]]
        assert answer.json()["request_id"] == str(number)
        shown = answer.json()["hashtags"]
        assert [tag["hashtag"] for tag in shown] == [tag["hashtag"] for tag in expected]
        assert [tag["score"] for tag in shown] == pytest.approx([tag["score"] for tag in expected], abs=1e-4)
    assert sum(sizes) == 16 and max(sizes) > 1
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
    }
    assert samples["ggm_requests_total", HASHTAGS, "200"] == 16
    assert samples["ggm_batch_size_count",] == len(sizes) and samples["ggm_batch_size_sum",] == 16
    assert samples["ggm_request_seconds_count", HASHTAGS] == 16
    assert samples["ggm_in_flight_requests",] == samples["ggm_queue_length",] == 0


def test_a_bad_clip_fails_alone(suggest, clips):
    """Would fail if one clip that cannot be read ended the batch of others, or its message named a file of
    the server."""
    path = next(iter(clips))

    async def ask(client):
        sent = [b"broken", path.read_bytes(), b"", path.read_bytes()[:200]]
        return await asyncio.gather(*(client.post(UPLOAD, files={"video": ("my.mp4", data)}) for data in sent))

    broken, whole, empty, cut = answers(suggest, ask, max_wait_seconds=0.2)
    assert [each.status_code for each in (broken, whole, empty, cut)] == [422, 200, 422, 422]
    for answer in (broken, empty, cut):
        assert answer.json()["error"] == "MediaError" and "my.mp4" in answer.json()["message"]
        assert "/tmp" not in answer.text and "Traceback" not in answer.text


@pytest.mark.parametrize(
    "request_body, told",
    [
        ({}, "description"),
        ({"description": "#only #hashtags"}, "description"),
        ({"description": "snow", "top_n": 0}, "top_n"),
        ({"description": "snow", "min_score": 2}, "min_score"),
        ({"description": "snow", "platform": "myspace"}, "myspace"),
        ({"description": "snow", "explain": True}, "explain"),
        ({"description": "snow", "time": "2026-06-29T16:30:37"}, "time"),
        ({"description": "snow", "topn": 3}, "topn"),
        ({"url": "http://example.com/a.mp4", "path": "a.mp4"}, "not both"),
        ([], "body"),
    ],
)
def test_wrong_fields(request_body, told, suggest):
    """Would fail if a wrong field were passed over, or answered without saying which it is."""
    answer = posted(suggest, json=request_body)
    assert answer.status_code == 422 and told in answer.json()["message"], answer.text
    assert set(answer.json()) == {"error", "message", "request_id"}


def test_faults_of_the_server_tell_nothing_of_it(suggest, monkeypatch):
    """Would fail if an answer had a traceback, a message of a library or a path of the server, or none came at all."""

    def broken(steps, prepared):
        raise RuntimeError("/secret/place")

    monkeypatch.setattr(CallSteps, "run", broken)
    answer = posted(suggest, json={"description": "snow", "request_id": "r"})
    assert answer.status_code == 500 and answer.json()["error"] == "ServerError"
    assert "secret" not in answer.text and answer.json()["request_id"] == "r"
    for path, status in (("/nowhere", 404), (HASHTAGS, 405)):
        missing = answers(suggest, lambda client, path=path: client.get(path))
        assert missing.status_code == status and set(missing.json()) == {"error", "message", "request_id"}


def test_an_answer_that_takes_too_long_is_given_up(suggest, monkeypatch):
    """Would fail if a client waited for ever, or what nobody waits for any more were worked at all the same."""
    models = HeldModels(monkeypatch)

    async def ask(client):
        first = asyncio.ensure_future(client.post(HASHTAGS, json={"description": "first"}))
        assert await asyncio.to_thread(models.begun.wait, 60)
        late = await client.post(HASHTAGS, json={"description": "late", "request_id": "late"})
        waits = [line for line in (await client.get("/metrics")).text.splitlines() if line.startswith("ggm_queue")]
        models.let_go.set()
        return late, waits, await first

    late, waits, _ = answers(suggest, ask, request_seconds=0.3)
    assert late.status_code == 504 and late.json()["request_id"] == "late"
    assert waits == ["ggm_queue_length 0.0"]


def test_unsafe_hashtags_are_not_shown(suggest, monkeypatch):
    """Would fail if a server showed what must not be shown, in its hashtags or in what guided it."""
    monkeypatch.setattr(suggest, "_writer", _Writes(suggest._writer, {"heilhitler": 0.8, "snowfall": 0.5}))
    answer = posted(suggest, json={"description": "first snow", "return_removed": True}).json()
    assert [tag["hashtag"] for tag in answer["hashtags"]] == ["#snowfall"]
    assert "#heilhitler" in [tag["hashtag"] for tag in answer["removed"]]


class _Writes:
    """A writer that writes what it is told."""

    def __init__(self, writer, written):
        self._writer, self._written = writer, written

    def __getattr__(self, name):
        return getattr(self._writer, name)

    def write(self, rows, shown, *further):
        return {**self._writer.write(rows, shown, *further), "written": [self._written] * len(shown)}


def test_served_is_safe_unless_told_otherwise():
    """Would fail if somebody who says nothing about it got a server that shows unsafe hashtags."""
    assert load_engine(ServingSettings(), device="cpu").suggest._showing == {"safe": True}
    assert load_engine(ServingSettings(), device="cpu", safe=False).suggest._showing == {}


def test_feedback_is_kept(suggest, tmp_path):
    """Would fail if what people make of suggestions were lost, or a server kept it that was not asked to."""
    file = tmp_path / "feedback.jsonl"
    given = {"description": "first snow", "accepted": ["#Winter"], "rejected": ["lake"]}
    answer = posted(suggest, "/v1/feedback", json=given, given={"feedback_file": str(file)})
    assert answer.json() == {"hashtags": ["winter"], "rejected": ["lake"]}
    row = json.loads(file.read_text())
    assert (row["description"], row["hashtags"], row["rejected"]) == ("first snow", ["winter"], ["lake"])
    both = {**given, "rejected": ["winter"]}
    assert posted(suggest, "/v1/feedback", json=both, given={"feedback_file": str(file)}).status_code == 422
    assert posted(suggest, "/v1/feedback", json=given).status_code == 404


def test_pool_of_a_store(tmp_path, clips):
    """Would fail if a hashtag that another process adds were not suggested within a second or so, or one that is
    blocked were shown."""
    pytest.importorskip("sqlalchemy", reason="pip install transformers-ggm[store]")
    from transformers_ggm.retrieval.pool_commands import load_retriever
    from transformers_ggm.retrieval.pool_store import PoolStore

    url = f"sqlite:///{tmp_path}/pool.db"
    elsewhere = PoolStore(url)
    elsewhere.put(HashtagPool.from_pretrained(DEMO_CHECKPOINT, subfolder="hashtag_pool"))
    path, words = next(iter(clips.items()))
    engine = load_engine(ServingSettings(root=str(path.parent), isolate_decoding=False), store=url, device="cpu")
    asked = {"path": path.name, "description": words, "return_removed": True}

    async def until(client, wanted):
        end = time.monotonic() + 30
        while not wanted((await client.post(HASHTAGS, json=asked)).json()):
            assert time.monotonic() < end, "it never came"
            await asyncio.sleep(0.05)

    async def ask():
        async with client_of(engine) as client:
            shown = (await client.post(HASHTAGS, json=asked)).json()["hashtags"][0]["hashtag"]
            await asyncio.to_thread(elsewhere.add, ["#BrandNewThing"], *load_retriever(str(DEMO_CHECKPOINT)))
            end = time.monotonic() + 30
            while "brandnewthing" not in engine.suggest.hashtag_pool:
                assert time.monotonic() < end, "it never came"
                await asyncio.sleep(0.02)
            await asyncio.to_thread(elsewhere.block, [shown[1:]])
            await until(client, lambda answer: shown not in [tag["hashtag"] for tag in answer["hashtags"]])
            answer = (await client.post(HASHTAGS, json=asked)).json()
            assert shown in [tag["hashtag"] for tag in answer["removed"]]
            assert (await client.get("/ready")).json() == {"status": "ok"}
            engine.reader.problem = "gone"
            told = await client.get("/ready")
            assert told.status_code == 200 and "store" in told.json()["status"]
            engine.reader.problem = None

    asyncio.run(ask())


def test_openapi_tells_of_everything(suggest, tmp_path):
    """Would fail if a field, an error or the key were not described, or a reference led nowhere."""
    settings = ServingSettings(api_key="k" * 16, feedback_file=str(tmp_path / "feedback.jsonl"))
    page = create_app(Engine(suggest, settings)).openapi()
    assert page["openapi"].startswith("3.") and set(page["paths"]) == {
        HASHTAGS, UPLOAD, "/v1/feedback", "/health", "/ready", "/metrics",
    }  # fmt: skip
    for reference in re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(page)):
        assert reference in page["components"]["schemas"]
    request = page["components"]["schemas"]["HashtagRequest"]
    assert all("description" in field for field in request["properties"].values()) and request["examples"]
    operation = page["paths"][UPLOAD]["post"]
    assert {"200", "401", "413", "422", "429", "504"} <= set(operation["responses"])
    assert operation["security"] and "multipart/form-data" in operation["requestBody"]["content"]


def test_steps_are_not_taken_of_options_that_do_not_fit(suggest):
    """Would fail if the options of a call were looked at only when its clips had been decoded."""
    with pytest.raises(ValueError, match="myspace"):
        CallSteps.of(suggest, platform="myspace")
