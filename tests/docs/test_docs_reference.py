"""What the pages of the reference document, before any site is built."""

import importlib
import re
from collections import Counter
from pathlib import Path

import griffe

import transformers_ggm

ROOT = Path(__file__).resolve().parents[2]
API = ROOT / "docs" / "api"


def documented() -> list[str]:
    return [path for page in API.glob("*.md") for path in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)]


def test_every_public_name_is_documented_once():
    """Would fail if a name were made public and not documented, or documented twice."""
    counts = Counter(documented())
    assert {path for path in counts if path.count(".") == 1} == {
        f"transformers_ggm.{name}" for name in transformers_ggm.__all__
    }
    assert set(counts.values()) == {1}


def test_only_public_names_are_documented():
    """Would fail if the reference promised what its module does not give."""
    for path in documented():
        module, _, name = path.rpartition(".")
        module = importlib.import_module(module)
        public = getattr(module, "__all__", None) or [key for key in vars(module) if not key.startswith("_")]
        assert name in public, path


def test_names_of_folders_are_documented():
    """Would fail if a class or function that a folder exports had no entry, under its own or the package's name."""
    entries = {path.rpartition(".")[2] for path in documented()}
    folders = (
        "modeling",
        "processing",
        "evaluation",
        "hub_cards",
        "retrieval",
        "data",
        "recommendation",
        "hub",
        "training",
        "serving",
    )
    for folder in (*folders, "experiments.baselines", "experiments.human_rating"):
        module = importlib.import_module(f"transformers_ggm.{folder}")
        assert set(module.__all__) <= entries, folder


def test_entries_are_classes_and_functions():
    """Would fail if an entry showed a module that goes by the name of what is in it."""
    package = griffe.load("transformers_ggm", search_paths=[str(ROOT / "src")], resolve_aliases=True)
    for path in documented():
        entry = package[path.removeprefix("transformers_ggm.")]
        assert entry.is_class or entry.is_function, path
        assert entry.docstring, path
