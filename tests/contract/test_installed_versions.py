"""`make test-lowest` and `make test-newest` run with what they are named after."""

import os
from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.version import Version
from requirement_files import FAST_MOVERS, bound, next_minor, requirements

pytestmark = pytest.mark.contract
VERSIONS = os.environ.get("GGM_VERSIONS")
RUNTIME = requirements("app", "baselines", "data", "faiss", "lora", "torchao")


def installed(name: str) -> Version:
    """The installed version of a package; skips where there is none."""
    try:
        return Version(version(name))
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")


@pytest.mark.skipif(VERSIONS != "lowest", reason="only `make test-lowest` installs the lowest versions")
@pytest.mark.parametrize("requirement", [each for each in RUNTIME if bound(each, ">=")], ids=str)
def test_the_lowest_versions_can_be_installed_together(requirement):
    """Would fail if another requirement kept a floor from being installed: nobody could have tried that version."""
    lowest = bound(requirement, ">=")
    assert Version(installed(requirement.name).public) == lowest


@pytest.mark.skipif(VERSIONS != "newest", reason="only `make test-newest` installs the newest versions")
@pytest.mark.parametrize("requirement", [each for each in requirements() if each.name in FAST_MOVERS], ids=str)
def test_the_newest_versions_can_be_installed_together(requirement):
    """Would fail if a bound allowed a version that no environment can have, which nobody could have tried."""
    assert bound(requirement, "<") == next_minor(installed(requirement.name))
