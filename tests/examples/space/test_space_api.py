"""The app's API, called as its users call it."""

import dataclasses
import re

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from space_server import MAX_UPLOAD_MB, REPOSITORY

from transformers_ggm.data.rendered_shorts import render_clip
from transformers_ggm.data.rendered_shorts.recipes import FRAMES_PER_SECOND

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(space):
    return Client(space.url, verbose=False)


def test_the_schema_can_be_read(client):
    """Would fail if the endpoint had a name or arguments that nobody understands, or the page's events stood there."""
    endpoints = client.view_api(return_format="dict", print_info=False)
    assert set(endpoints["named_endpoints"]) == {"/suggest_hashtags"} and not endpoints["unnamed_endpoints"]
    parameters = endpoints["named_endpoints"]["/suggest_hashtags"]["parameters"]
    assert {parameter["parameter_name"]: parameter["parameter_has_default"] for parameter in parameters} == {
        "clip": True, "description": True, "top_n": True, "add_to_pool": True, "remove_from_pool": True,
        "history": True, "time": True,
    }  # fmt: skip


def test_answers_are_the_pipelines(client, clip, recipe, demo_model):
    """
    Would fail if the app lost the description, decoded in another way, or told of other frames than it looked at.
    """
    answer = client.predict(clip=handle_file(clip), description=recipe.description, api_name="/suggest_hashtags")
    expected = demo_model({"video": str(clip), "description": recipe.description}, return_guidance=True)
    for part in ("hashtags", "guidance"):
        assert [tag["hashtag"] for tag in answer[part]] == [tag["hashtag"] for tag in expected[part]]
        assert [tag["score"] for tag in answer[part]] == pytest.approx(
            [tag["score"] for tag in expected[part]], rel=1e-3
        )
    assert answer["frame_times"] == demo_model.processor.decode_media(str(clip)).timestamps.tolist()
    few = client.predict(clip=handle_file(clip), description=recipe.description, top_n=2, api_name="/suggest_hashtags")
    assert few["hashtags"] == answer["hashtags"][:2]


def test_words_alone(client, demo_model):
    """Would fail if a description without a clip were refused."""
    words = "first espresso of the day"
    answer = client.predict(description=words, api_name="/suggest_hashtags")
    assert [tag["hashtag"] for tag in answer["hashtags"]] == [
        tag["hashtag"] for tag in demo_model({"description": words})
    ]
    assert answer["frame_times"] == []


def test_a_pool_for_one_call(client, clip):
    """Would fail if hashtags given with a call were not used, or stayed for the next one."""
    call = {"clip": handle_file(clip), "api_name": "/suggest_hashtags"}
    before = [tag["hashtag"] for tag in client.predict(**call)["guidance"]]
    with_new = client.predict(**call, add_to_pool="#WhiteTriangle, whitefox", remove_from_pool=before[0])
    after = [tag["hashtag"] for tag in with_new["guidance"]]
    assert {"#whitetriangle", "#whitefox"} <= set(after) and before[0] not in after
    assert [tag["hashtag"] for tag in client.predict(**call)["guidance"]] == before


def test_what_cannot_be_used_is_explained(client, not_a_clip, clip, recipe, tmp_path):
    """Would fail if a client got a bare failure, server folders or a stack trace for files or hashtags of its own."""
    long = tmp_path / "long.mp4"
    render_clip(dataclasses.replace(recipe, num_frames=15 * FRAMES_PER_SECOND), long, size=32)
    for arguments, message in (
        ({"clip": handle_file(not_a_clip)}, r"^'notes\.mp4' cannot be read as a video"),
        ({"clip": handle_file(long)}, r"^'long\.mp4' is at least 10\.\d s long, more than the 10\.0 s allowed"),
        ({}, "no video and its description is empty"),
        ({"clip": handle_file(clip), "add_to_pool": "#2024"}, "no hashtags.*2024"),
        ({"clip": handle_file(clip), "remove_from_pool": "#unknowntag"}, "Not in the hashtag pool"),
        ({"clip": handle_file(clip), "add_to_pool": " ".join(f"#tag{i}" for i in range(51))}, "at most 50"),
    ):
        with pytest.raises(AppError, match=message) as error:
            client.predict(**arguments, api_name="/suggest_hashtags")
        assert "Traceback" not in str(error.value) and "MediaLimits" not in str(error.value)


@pytest.mark.parametrize("excess, status", [(0, 200), (1, 413)])
def test_files_beyond_the_limit_are_refused_while_they_come(space, excess, status):
    """Would fail if a visitor could fill the disk, or files up to the limit were not taken."""
    content = bytes(round(MAX_UPLOAD_MB * 1e6) + excess)
    response = httpx.post(f"{space.url}/gradio_api/upload", files={"files": ("a.mp4", content)}, trust_env=False)
    assert response.status_code == status


def test_nobody_else_is_told(client, space, clip):
    """Would fail if the app, while it starts or answers, looked up or called any other machine."""
    client.predict(clip=handle_file(clip), api_name="/suggest_hashtags")
    assert space.hosts() - {"127.0.0.1", "localhost", "::1", "0.0.0.0", "None", "b'127.0.0.1'"} == set()


def test_the_documentation_runs_as_written(space, clip, capsys):
    """Would fail if the API's example in the documentation named another endpoint, argument or field."""
    text = (REPOSITORY / "docs" / "space.md").read_text()
    block = re.search(r"```python\n(from gradio_client.*?)```", text, re.DOTALL)[1]
    exec(block.replace("http://127.0.0.1:7860", space.url).replace("clip.mp4", str(clip)), {})
    assert re.findall(r"^#\w+ [01]\.\d+ (?:True|False) (?:True|False)$", capsys.readouterr().out, re.MULTILINE)
