"""The workflows, which cannot run here, against what they call."""

import re

import pytest
import yaml
from requirement_files import ROOT, SETUP

WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}
JOBS = [(f"{file}:{name}", job) for file, workflow in WORKFLOWS.items() for name, job in workflow["jobs"].items()]
COMMANDS = {
    command: name for name, job in JOBS for step in job["steps"] for command in step.get("run", "").splitlines()
}


def test_every_python_is_tried():
    """Would fail if a Python that is supported were not in the matrix, or one that is not were."""
    pythons = re.findall(r"Python :: (3\.\d+)", SETUP["metadata"]["classifiers"])
    assert WORKFLOWS["tests.yml"]["jobs"]["locked"]["strategy"]["matrix"]["python"] == pythons


def test_every_set_of_versions_is_tried():
    """Would fail if a command were called that `make` does not know, or one of those that try versions never were."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {command.removeprefix("make ") for command in COMMANDS if command.startswith("make ")}
    assert called <= targets
    assert {"test", "test-slow", "quality", "test-lowest", "test-newest", "test-upstream"} <= called
    script = (ROOT / ".ci" / "run").read_text()
    in_turn = re.search("^for target in (.*); do$", script, re.MULTILINE)[1].split()
    in_ci = {*in_turn, *re.findall(r"^ +timeout .* make ([a-z-]+)", script, re.MULTILINE)}
    assert in_ci <= targets
    assert called - in_ci == {"test-upstream"}


def test_the_main_branch_is_tried_every_week():
    """Would fail if nobody were told of a name that has moved in transformers before users are."""
    # YAML reads the key `on` as true.
    (schedule,) = WORKFLOWS["upstream.yml"][True]["schedule"]
    *_, day_of_month, month, day_of_week = schedule["cron"].split()
    assert (day_of_month, month) == ("*", "*") and day_of_week in "0123456"


@pytest.mark.parametrize(("name", "job"), JOBS, ids=[name for name, _ in JOBS])
def test_jobs_may_read_and_end(name, job):
    """
    Would fail if a job could write to the repository, keep its token, run an action of no known version, or hang.
    """
    assert WORKFLOWS[name.partition(":")[0]]["permissions"] == {"contents": "read"} and "permissions" not in job
    assert job["timeout-minutes"] <= 90
    for step in job["steps"]:
        assert "run" in step or re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False
