"""What has to be true of the image that serves; hadolint says nothing about these."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def instructions():
    """By their names, in the order of the file; lines that go on are joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    return [line.split(maxsplit=1) for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def of(instructions, name):
    return [rest for found, rest in instructions if found == name]


def test_everything_is_installed_by_the_lock(instructions):
    """Would fail if an image got other versions than those that were tested."""
    installs = [rest for rest in of(instructions, "RUN") if "pip install" in rest]
    assert installs and all("--constraint constraints.txt" in rest for rest in installs)


def test_the_user_has_no_rights(instructions):
    """Would fail if the server ran as root, or as a user whose number Kubernetes cannot tell from root's."""
    last = [index for index, (name, _) in enumerate(instructions) if name == "FROM"][-1]
    (user,) = of(instructions[last:], "USER")
    assert int(user) > 0
    assert not any(name in ("RUN", "COPY", "ADD") for name, _ in instructions[instructions.index(["USER", user]) :])


def test_signals_reach_the_server(instructions):
    """Would fail if a shell stood between Docker and the server, which then would not hear that it is to end."""
    for name in ("ENTRYPOINT", "CMD"):
        assert all(rest.startswith("[") for rest in of(instructions, name))
    assert of(instructions, "HEALTHCHECK")


def test_nothing_else_gets_into_an_image(instructions):
    """Would fail if keys, clips or the history of a checkout were sent to Docker, or a key were an argument."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    taken = {line[1:] for line in lines if line.startswith("!")}
    copied = {name for rest in of(instructions, "COPY") if "--from" not in rest for name in rest.split()[:-1]}
    assert copied == taken
    assert all((ROOT / name).exists() for name in copied)
    given = " ".join([*of(instructions, "ARG"), *of(instructions, "ENV")])
    assert not re.search("KEY|TOKEN|PASSWORD|SECRET", given)
