"""What the built wheel holds, and how the package's types look from outside."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "from setuptools.build_meta import build_wheel; build_wheel('dist')"


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """The files of a wheel that is built from a copy of the checkout."""
    if not (ROOT / "setup.cfg").is_file():
        pytest.skip("there is no checkout to build")
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
    subprocess.run([sys.executable, "-c", BUILD], cwd=folder, check=True, capture_output=True)
    with ZipFile(next(folder.glob("dist/*.whl"))) as wheel:
        return set(wheel.namelist())


def test_the_wheel_says_that_the_package_is_typed(names):
    """Would fail if type checkers ignored the annotations of an installed package."""
    assert "transformers_ggm/py.typed" in names


def test_the_wheel_holds_every_file_of_the_package(names):
    """Would fail if an installed package lacked a module, a card's template or a part of the bundled checkpoint."""
    package = ROOT / "src" / "transformers_ggm"
    files = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path.relative_to(package.parent).as_posix() for path in files} <= names


@pytest.mark.slow
@pytest.mark.skipif(find_spec("pyright") is None, reason="pyright is not installed")
def test_type_checkers_find_nothing_in_the_examples():
    """Would fail if the annotations of the public API were wrong for who uses it as the examples do."""
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if not re.search(r"^\d+ errors?, ", found.stdout, re.MULTILINE):
        pytest.skip(f"pyright could not start, as without Node.js: {found.stderr[-200:]}")
    assert found.returncode == 0, found.stdout
