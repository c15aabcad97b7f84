"""The application on two replicas of a small cluster, and what it does when one of them is killed or replaced."""

import asyncio
import socket
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from pydantic import ValidationError
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema
from transformers import pipeline

from transformers_ggm.cluster.ray_serving import APPLICATION, Replica, Scale, Served, build_app
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.errors import ArgumentError
from transformers_ggm.retrieval.pool_store import PoolReader, PoolStore

EXAMPLE = Path(__file__).parents[2] / "examples" / "serving" / "ray_serve.yaml"
NUM_CLIENTS, MAX_REQUESTS = 6, 16


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Has the pool of the bundled checkpoint."""
    made = PoolStore(f"sqlite:///{tmp_path_factory.mktemp('store')}/pool.db")
    made.put(pipeline("hashtag-generation", device="cpu").hashtag_pool)
    return made


@pytest.fixture(scope="module")
def suggest(store):
    """One machine with the same store."""
    return pipeline("hashtag-generation", device="cpu", safe=True, hashtag_pool=PoolReader(store).pool)


@pytest.fixture(scope="module")
def config(store):
    """The example, for a small cluster."""
    (app,) = yaml.safe_load(EXAMPLE.read_text())["applications"]
    app["args"] = {
        "store": str(store.engine.url),
        "settings": {"max_requests": MAX_REQUESTS, "request_seconds": 300.0, "isolate_decoding": False},
    }
    (options,) = app["deployments"]
    options["autoscaling_config"] |= {"min_replicas": 2, "max_replicas": 2}
    # Replicas of a busy machine are slow, and not to be replaced for it.
    options |= {"ray_actor_options": {"num_cpus": 0.5}, "health_check_timeout_s": 300}
    return app


@pytest.fixture(scope="module")
def url(cluster, config):
    """Two replicas answer there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    deploy(config)
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def deploy(config):
    """As `serve deploy` does, which needs Ray's dashboard."""
    _get_global_client().deploy_apps(ServeDeploySchema(applications=[config]))
    while (status := serve.status().applications[config["name"]]).status != "RUNNING":
        assert status.status != "DEPLOY_FAILED", status.message
        time.sleep(0.2)


def replicas():
    found = psutil.Process().children(recursive=True)
    return {each for each in found if "ServeReplica" in "".join(each.cmdline())}


class Asking:
    """Clients in a thread of their own that ask for words, one request after the other, until the block ends."""

    def __init__(self, url):
        self._url, self._stopped = url, threading.Event()
        self.outcomes, self.under_way = {}, set()

    def __enter__(self):
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        self.wait_for(2 * NUM_CLIENTS)
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._thread.join()

    def failed(self):
        return {request: outcome for request, outcome in self.outcomes.items() if outcome != "right"}

    def wait_for(self, number):
        """Until so many more have answers."""
        end = len(self.outcomes) + number
        while len(self.outcomes) < end and self._thread.is_alive():
            self._stopped.wait(0.05)

    async def _run(self):
        await asyncio.gather(*(self._ask(number) for number in range(NUM_CLIENTS)))

    async def _ask(self, number):
        turn = 0
        async with httpx.AsyncClient(timeout=600) as client:
            while not self._stopped.is_set():
                request_id, turn = f"{number}-{turn}", turn + 1
                self.under_way.add(request_id)
                asked = {"description": f"snow {request_id}", "request_id": request_id}
                try:
                    answer = await client.post(f"{self._url}/v1/hashtags", json=asked)
                    is_right = answer.status_code == 200 and answer.json()["request_id"] == request_id
                    self.outcomes[request_id] = "right" if is_right else f"{answer.status_code} {answer.text}"
                except httpx.HTTPError as error:
                    self.outcomes[request_id] = repr(error)
                self.under_way.discard(request_id)


@pytest.mark.slow
@pytest.mark.contract
def test_the_answers_are_those_of_one_machine(url, suggest, rendered):
    """Would fail if replicas answered otherwise than the pipeline, or an answer were for another request's clip."""
    files = [rendered / "0.mp4", rendered / "1.mp4", rendered / "more" / "3.mp4"]
    expected = [suggest(str(file), description="snow") for file in files]

    async def ask():
        async with httpx.AsyncClient(base_url=url, timeout=120) as client:
            sent = [
                client.post(
                    "/v1/hashtags/upload",
                    data={"description": "snow", "request_id": f"{number}-{turn}"},
                    files={"video": file.read_bytes()},
                )
                for turn in range(4)
                for number, file in enumerate(files)
            ]
            broken = client.post("/v1/hashtags/upload", files={"video": b"no clip"})
            return await asyncio.gather(*sent, broken)

    *answers, broken = asyncio.run(ask())
    assert broken.status_code == 422 and broken.json()["error"] == "MediaError"
    for index, answer in enumerate(answers):
        turn, number = divmod(index, len(files))
        told = answer.json()
        assert told["request_id"] == f"{number}-{turn}"
        assert [tag["hashtag"] for tag in told["hashtags"]] == [tag["hashtag"] for tag in expected[number]]
        scores = [tag["score"] for tag in expected[number]]
        assert [tag["score"] for tag in told["hashtags"]] == pytest.approx(scores, abs=1e-4)


@pytest.mark.slow
def test_all_replicas_learn_a_new_hashtag(url, store, suggest, tmp_path):
    """Would fail if a replica did not follow the store."""
    recipe = sample_recipes("test", 19)[18]
    render_clip(recipe, str(tmp_path / "clip.mp4"))
    video = (tmp_path / "clip.mp4").read_bytes()

    async def hashtags():
        async with httpx.AsyncClient(base_url=url, timeout=120) as client:
            sent = [
                client.post("/v1/hashtags/upload", data={"description": recipe.description}, files={"video": video})
                for _ in range(16)
            ]
            answers = await asyncio.gather(*sent)
        return [{tag["hashtag"] for tag in answer.json()["hashtags"]} for answer in answers]

    assert not any("#brownarrow" in found for found in asyncio.run(hashtags()))
    store.add(["brownarrow"], suggest.retriever, suggest.retriever_processor)
    for _ in range(20):
        if all("#brownarrow" in found for found in asyncio.run(hashtags())):
            return
    pytest.fail("some replica still has the old pool")


@pytest.mark.slow
def test_too_many_requests_are_told_to_come_back(url):
    """Would fail if requests were piled up in the proxy without a bound, or refused without saying until when."""

    async def ask():
        async with httpx.AsyncClient(base_url=url, timeout=120, limits=httpx.Limits()) as client:
            asked = {"description": "snow " * 1000}
            sent = [client.post("/v1/hashtags", json=asked) for _ in range(20 * MAX_REQUESTS)]
            return await asyncio.gather(*sent)

    answers = asyncio.run(ask())
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers if answer.status_code == 429)


@pytest.mark.slow
def test_a_killed_replica_loses_no_more_than_it_has(url):
    """Would fail if requests were sent to a dead replica, or it were not replaced."""
    before = replicas()
    with Asking(url) as asking:
        victim = before.pop()
        under_way = {*asking.under_way}
        victim.kill()
        asking.wait_for(5 * NUM_CLIENTS)
        while len(replicas()) < 2:
            asking.wait_for(1)
    assert asking.failed().keys() <= under_way
    assert before < replicas()


@pytest.mark.slow
def test_what_is_blocked_changes_at_once(url, config):
    """Would fail if replicas were restarted for a word, or went on to show it."""
    before = replicas()
    asked = {"description": "first snow", "top_n": 1}
    (first,) = httpx.post(f"{url}/v1/hashtags", json=asked, timeout=60).json()["hashtags"]
    config["deployments"][0]["user_config"] = {"blocked": [first["hashtag"]]}
    deploy(config)
    for _ in range(8):
        (other,) = httpx.post(f"{url}/v1/hashtags", json=asked, timeout=60).json()["hashtags"]
        assert other["hashtag"] != first["hashtag"]
    assert replicas() == before


@pytest.mark.slow
def test_an_update_fails_no_request(url, config):
    """Would fail if replicas were replaced all at once, or went without answering what they had."""
    before = replicas()
    with Asking(url) as asking:
        config["args"]["settings"]["max_upload_bytes"] = 1000
        deploy(config)
        asking.wait_for(2 * NUM_CLIENTS)
    assert asking.failed() == {}
    assert not before & replicas()
    answer = httpx.post(f"{url}/v1/hashtags/upload", files={"video": bytes(2000)}, timeout=60)
    assert answer.status_code == 413


def test_the_example_is_what_ray_takes():
    """Would fail if the configuration file in the examples had a key that Ray or this package does not know."""
    (app,) = ServeDeploySchema.model_validate(yaml.safe_load(EXAMPLE.read_text())).applications
    assert app.import_path == f"{build_app.__module__}:{build_app.__qualname__}"
    build_app(Served.model_validate(app.args))
    assert app.name == APPLICATION and [each.name for each in app.deployments] == [Replica.name]


@pytest.mark.contract
def test_wrong_options_are_refused_before_anything_is_started():
    """Would fail if a mistake in a configuration file were found only by replicas that do not start."""
    with pytest.raises(ValidationError, match="checkpoint"):
        Served.model_validate({"checkpoint": "org/name"})
    with pytest.raises(ArgumentError, match="max_batch_size=0"):
        build_app(Served(settings={"max_batch_size": 0}))
    with pytest.raises(ArgumentError, match="min_replicas=2, max_replicas=1"):
        Scale(min_replicas=2)


@pytest.mark.parametrize("given", [{"api_key": "a key of sixteen"}, {"settings": {"api_key": "a key of sixteen"}}])
def test_a_key_is_no_argument_of_replicas(given):
    """Would fail if a key could be given where Ray shows it to who looks at the cluster."""
    with pytest.raises(ValidationError, match="api_key"):
        Served.model_validate(given)
