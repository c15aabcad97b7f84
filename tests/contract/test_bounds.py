"""What setup.cfg allows, beside what was tested: the lock, and the newest versions."""

import re

import pytest
from requirement_files import FAST_MOVERS, LOCK, LOCK_LINES, SETUP, bound, locked, next_major, next_minor, requirements

PYTHONS = re.findall(r"Python :: (3\.\d+)", SETUP["metadata"]["classifiers"])
MACHINES = {"linux": "x86_64", "darwin": "arm64", "win32": "AMD64"}
EVERY_REQUIREMENT = requirements("dev")


def environment(python: str, system: str) -> dict[str, str]:
    """What markers see on a machine."""
    release = {"python_version": python, "python_full_version": f"{python}.13"}
    return release | {"sys_platform": system, "platform_machine": MACHINES[system]}


def test_every_python_from_the_lowest_is_named():
    """Would fail if a Python between the lowest and the newest that are supported were not tested."""
    assert SETUP["options"]["python_requires"] == f">={PYTHONS[0]}"
    assert [int(python.split(".")[1]) for python in PYTHONS] == list(range(10, 10 + len(PYTHONS)))


@pytest.mark.parametrize("system", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_one_allowed_version_of_everything(python, system):
    """Would fail if a requirement were not locked on some machine, twice, or outside its bounds."""
    for requirement in EVERY_REQUIREMENT:
        versions = locked(requirement.name, environment(python, system))
        assert len(versions) == 1, requirement
        assert versions[0] in requirement.specifier, requirement


@pytest.mark.parametrize("requirement", EVERY_REQUIREMENT, ids=str)
def test_upper_bounds_end_after_what_was_tested(requirement):
    """
    Would fail if a bound allowed a minor version (a major version of slow movers) that nobody tried, or if a fast
    mover had none. What the newest versions are is asked in `test_installed_versions.py`.
    """
    newest, upper = max(locked(requirement.name)), bound(requirement, "<")
    others = [bound(each, "<") for each in EVERY_REQUIREMENT if each.name == requirement.name]
    if requirement.name not in FAST_MOVERS:
        assert upper in (None, next_major(newest))
    elif upper == min(others):
        assert upper == next_minor(newest)
    else:
        # The lock has every extra, one of which ends before.
        assert upper > next_minor(newest)


def test_extras_with_a_bound_of_their_own_are_known():
    """
    Would fail if an extra narrowed down a requirement of the package, which decides what the lock can have, unseen.
    """
    package = {requirement.name for requirement in requirements()}
    narrowed = [requirement.name for requirement in EVERY_REQUIREMENT[len(package) :] if requirement.name in package]
    assert narrowed == ["transformers"]


def test_pip_reads_the_lock_as_constraints_of_any_machine():
    """
    Would fail if the lock had what pip refuses in constraints (extras, editable paths), or where a machine found it.
    """
    line = re.compile(r"[a-z0-9-]+==[\w.]+( ; [\w.'<>=!* ()]+)?")
    assert [entry for entry in LOCK_LINES if not line.fullmatch(entry)] == []
    assert "/" not in LOCK.read_text()
