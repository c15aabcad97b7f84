"""What setup.cfg asks for and what constraints.txt locks, parsed."""

import configparser
import os
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
# `make lock` tests its new lock before it puts it into place.
LOCK = ROOT / os.environ.get("GGM_CONSTRAINTS", "constraints.txt")

# Names move in every minor version of these.
FAST_MOVERS = {
    "accelerate",
    "datasets",
    "huggingface_hub",
    "peft",
    "ray",
    "torch",
    "torchao",
    "torchvision",
    "transformers",
}

SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
LOCK_LINES = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
LOCKED = [Requirement(line) for line in LOCK_LINES]


def requirements(*extras: str) -> list[Requirement]:
    """What the package needs, with the requirements of extras after it."""
    texts = [SETUP["options"]["install_requires"], *(SETUP["options.extras_require"][extra] for extra in extras)]
    return [Requirement(line) for text in texts for line in text.splitlines() if line]


def bound(requirement: Requirement, operator: str) -> Version | None:
    """The version beside an operator, such as `>=` for the floor and `<` for the upper bound."""
    versions = [Version(part.version) for part in requirement.specifier if part.operator == operator]
    return versions[0] if versions else None


def next_minor(version: Version) -> Version:
    """1.2.3 -> 1.3"""
    return Version(f"{version.major}.{version.minor + 1}")


def next_major(version: Version) -> Version:
    """1.2.3 -> 2"""
    return Version(f"{version.major + 1}")


def locked(name: str, environment: dict[str, str] | None = None) -> list[Version]:
    """The versions that are locked of a package: in an environment of PEP 508, or in any."""
    return [
        bound(line, "==")
        for line in LOCKED
        if canonicalize_name(line.name) == canonicalize_name(name)
        and (environment is None or line.marker is None or line.marker.evaluate(environment))
    ]
