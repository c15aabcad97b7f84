"""`make test-lowest` and `make test-newest` run with what they are named after."""

import os
from importlib.metadata import version
from importlib.util import find_spec

import pytest
from packaging.version import Version
from requirement_files import FAST_MOVERS, bound, next_minor, requirements

pytestmark = pytest.mark.contract
VERSIONS = os.environ.get("GGM_VERSIONS")
# lora's lowest versions are tried by themselves.
ASKED = requirements("test") if find_spec("peft") is None else requirements("test", "lora")
LOWEST = {
    each.name: max(bound(other, ">=") for other in ASKED if other.name == each.name and bound(other, ">="))
    for each in ASKED
    if bound(each, ">=")
}


@pytest.mark.skipif(VERSIONS != "lowest", reason="only `make test-lowest` installs the lowest versions")
@pytest.mark.parametrize("name", LOWEST)
def test_the_lowest_versions_can_be_installed_together(name):
    """Would fail if another requirement kept a floor from being installed: nobody could have tried that version."""
    assert Version(Version(version(name)).public) == LOWEST[name]


@pytest.mark.skipif(VERSIONS != "newest", reason="only `make test-newest` installs the newest versions")
@pytest.mark.parametrize("requirement", [each for each in requirements() if each.name in FAST_MOVERS], ids=str)
def test_the_newest_versions_can_be_installed_together(requirement):
    """Would fail if a bound allowed a version that no environment can have, which nobody could have tried."""
    assert bound(requirement, "<") == next_minor(Version(version(requirement.name)))
