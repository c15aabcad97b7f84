"""Which of transformers' common tests do not pass, and why: a test that fails without standing there fails the run."""

import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import transformers
import transformers_tests
import yaml
from packaging.specifiers import SpecifierSet

# Without the source distribution there is nothing to run.
collect_ignore_glob = [] if transformers_tests.FOLDER else ["test_*.py"]

FOLDER = Path(__file__).parent
# Where the tiny configurations and tokenizers are.
sys.path += [str(FOLDER.parent / "modeling"), str(FOLDER.parent / "processing")]
# Of transformers' own marks those that its common tests use.
MARKS = ("accelerate_tests", "flash_attn_test", "flash_attn_3_test", "flash_attn_4_test", "torch_compile_test")


def pytest_configure(config):
    for mark in MARKS:
        config.addinivalue_line("markers", f"{mark}: of transformers' common tests")


def pytest_collection_modifyitems(items):
    """Expects the tests of `not_passing.yaml` to fail: one that passes has to be taken off the list."""
    for item in items:
        if FOLDER not in item.path.parents:
            continue
        for pattern, reason in not_passing().items():
            if fnmatchcase(f"{item.cls.__name__}::{item.name}", pattern):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def not_passing() -> dict[str, str]:
    """Reasons by patterns of `Class::test`, for the installed version of transformers."""
    reasons = {}
    for entry in yaml.safe_load((FOLDER / "not_passing.yaml").read_text(encoding="utf-8")):
        if transformers.__version__ in SpecifierSet(entry.get("transformers", "")):
            reasons |= dict.fromkeys(entry["tests"], entry["reason"])
    return reasons
