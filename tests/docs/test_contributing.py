"""What CONTRIBUTING.md and SECURITY.md say is so."""

import ast
import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest
from test_layout import FOLDERS

from transformers_ggm.processing import MediaLimits

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "transformers_ggm"
CONTRIBUTING, SECURITY = ((ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "SECURITY.md"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def in_code(text):
    """What stands in backticks, outside of blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def test_files_are_there():
    """Would fail if a contributor were sent to a file or a folder that has moved."""
    is_path = re.compile(r"[\w/]+/[\w./]*|[\w/]+\.(py|md)")
    paths = [code for code in in_code(CONTRIBUTING + SECURITY) if is_path.fullmatch(code)]
    places = (ROOT, PACKAGE, ROOT / "tests" / "data" / "sources")
    assert [path for path in paths if not any((place / path).exists() for place in places)] == []
    assert len(paths) > 20


def test_targets_are_there():
    """Would fail if a contributor were told to make what the Makefile does not have."""
    targets = set(re.findall(r"\bmake (?:VENV=\S+ )?([a-z-]+)", CONTRIBUTING + SECURITY))
    assert targets >= {"test", "quality"}
    assert not {target for target in targets if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)}


@pytest.mark.parametrize("name", ["tower_of", "as_tokens", "drop_pooling", "TEXT_BACKBONES", "RawRows", "InferredRows",
                                  "TABLE_SUFFIXES", "METRICS", "hashtag_metrics_per_video"])  # fmt: skip
def test_names_are_there(name):
    """Would fail if a contributor looked for a name that is another one now."""
    modules = ("modeling.backbones", "modeling.configuration_ggm", "data.sources.rows", "data.sources.shorts_source",
               "hub_cards.results", "evaluation.metrics")  # fmt: skip
    assert name in in_code(CONTRIBUTING)
    assert any(hasattr(importlib.import_module(f"transformers_ggm.{module}"), name) for module in modules)


def test_folders_are_in_the_order_of_their_imports():
    """Would fail if the table of folders lacked one, or had another order than the test of imports."""
    rows = re.findall(r"^\| `(\w+)` \|", CONTRIBUTING, re.MULTILINE)
    assert tuple(rows) == FOLDERS


def test_limits_are_those_of_the_code():
    """Would fail if a default of `MediaLimits` were another one than who serves strangers was told."""
    told = dict(re.findall(r"^\| `(max_\w+)` \| ([\d.]+) \|$", SECURITY, re.MULTILINE))
    assert told == {field.name: str(field.default) for field in fields(MediaLimits) if field.name in told}
    assert {field.name for field in fields(MediaLimits)} - set(told) == {"max_damaged_share"}


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_no_pickle_is_read():
    """Would fail if a file could run code as it is read. Worker processes talk to their own parent alone."""
    unsafe = {"pickle.load", "pickle.loads", "torch.load", "joblib.load", "yaml.load", "np.load", "eval", "exec"}
    found = [(path.name, ast.unparse(call.func)) for path, tree in TREES.items() for call in calls(tree)]
    assert [entry for entry in found if entry[1] in unsafe] == []


def test_code_of_checkpoints_is_never_trusted_by_itself():
    """Would fail if the package ran a checkpoint's code for who did not say so."""
    trusting = [
        path.name
        for path, tree in TREES.items()
        for call in calls(tree)
        for keyword in call.keywords
        if keyword.arg == "trust_remote_code" and getattr(keyword.value, "value", None) is True
    ]
    assert trusting == []
