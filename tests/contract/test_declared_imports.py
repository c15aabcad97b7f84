"""What the package imports of others, beside what setup.cfg declares."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from requirement_files import ROOT, SETUP, requirements

PACKAGE = ROOT / "src" / "transformers_ggm"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Loaded by the library `evaluate` alone, where that is installed, and by who uses a pool store or serves.
OPTIONAL_MODULES = {
    PACKAGE / "evaluation" / "evaluate_hashtags" / "evaluate_hashtags.py",
    *(PACKAGE / "retrieval" / "pool_store").rglob("*.py"),
    *(PACKAGE / "serving").rglob("*.py"),
    PACKAGE / "cluster" / "ray_serving.py",
}
DISTRIBUTIONS = {
    # Of an extra that ends before the newest transformers, and is not installed with it.
    "peft": ["peft"],
    # Of extras that bring models of their own, or engines for them.
    "faster_whisper": ["faster-whisper"],
    "onnxruntime": ["onnxruntime"],
    "rapidocr": ["rapidocr"],
    **packages_distributions(),
}
PACKAGE_NEEDS = {canonicalize_name(each.name) for each in requirements()}
EXTRAS_NEED = {
    canonicalize_name(each.name) for extra in SETUP["options.extras_require"] for each in requirements(extra)
}


def third_party(node: ast.AST, is_needed: bool = True) -> Iterator[tuple[str, bool]]:
    """What is imported of other distributions, and whether the module cannot be imported without it."""
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    else:
        modules = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
    for module in modules:
        name = module.partition(".")[0]
        if name not in (*sys.stdlib_module_names, "transformers_ggm"):
            yield name, is_needed
    is_for_types = isinstance(node, ast.If) and ast.unparse(node.test).startswith("TYPE_CHECKING")
    is_needed = is_needed and not is_for_types and not isinstance(node, ast.FunctionDef | ast.Try)
    for child in ast.iter_child_nodes(node):
        yield from third_party(child, is_needed)


def distributions(path: Path, is_needed: bool) -> set[str]:
    """The distributions that a module imports from at once, or within functions only."""
    imported = third_party(ast.parse(path.read_text(encoding="utf-8")))
    names = {name for name, needed in imported if needed == is_needed}
    return {canonicalize_name(DISTRIBUTIONS[name][0]) for name in names}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_what_is_imported_is_declared(path):
    """Would fail if a module needed a library that pip installs by luck alone, since another library brings it."""
    declared = PACKAGE_NEEDS | EXTRAS_NEED if path in OPTIONAL_MODULES else PACKAGE_NEEDS
    assert distributions(path, is_needed=True) - declared == set()
    assert distributions(path, is_needed=False) - PACKAGE_NEEDS - EXTRAS_NEED == set()


def test_what_is_declared_is_imported():
    """Would fail if a library stayed among the requirements that nothing needs any more."""
    assert PACKAGE_NEEDS - {name for path in MODULES for name in distributions(path, True)} == set()
