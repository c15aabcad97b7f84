"""The table of names in docs/compatibility.md against the code and the tests."""

import ast
import re

import pytest
from requirement_files import ROOT
from used_names import imported_names, operators, overridden_names, private_names, source_files

PACKAGE = ROOT / "src" / "transformers_ggm"
ROW = re.compile(r"^\| (?P<names>`.*?) \| (?P<files>`.*?) \| (?P<what>.+?) \| (?P<tests>`.*?) \|$", re.MULTILINE)
TABLE = [
    {name: re.findall("`([^`]+)`", row[name]) for name in ("names", "files", "tests")}
    for row in ROW.finditer((ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8"))
]
NAMES = {name for row in TABLE for name in row["names"]}
TESTS = sorted({test for row in TABLE for test in row["tests"]})


@pytest.fixture(scope="module")
def trees():
    return [ast.parse(file.read_text(encoding="utf-8")) for file in source_files()]


def last(name):
    return name.rpartition(".")[2]


def test_imports_from_inner_modules_are_in_the_table(trees):
    """Would fail if a name were imported that a library may move without a word, and no test told of that."""
    used = {name for tree in trees for name in (*imported_names(tree), *operators(tree))}
    assert len(used) > 30
    assert used - NAMES == set()


def test_private_names_are_in_the_table(trees):
    """Would fail if a private attribute of a library were used, and no test told when it is gone."""
    used = private_names(trees)
    assert {"_fingerprint", "_new_shared", "_commit_hash"} <= used
    assert used - {last(name) for name in NAMES} == set()


def test_what_is_overridden_is_in_the_table():
    """Would fail if a method were overridden that a library may stop to call, and no test told of that."""
    used = overridden_names()
    assert {"_init_weights", "_get_train_sampler", "run_single"} <= used
    assert used - {last(name) for name in NAMES} == set()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["names"][0])
def test_names_are_where_the_table_says(row):
    """Would fail if a name had gone from the code, or into another file, and stayed in the table."""
    for file in row["files"]:
        source = (PACKAGE / file).read_text(encoding="utf-8")
        assert any(re.search(rf"\b{re.escape(last(name))}\b", source) for name in row["names"]), file
    sources = "".join((PACKAGE / file).read_text(encoding="utf-8") for file in row["files"])
    assert [name for name in row["names"] if not re.search(rf"\b{re.escape(last(name))}\b", sources)] == []


@pytest.mark.parametrize("test", TESTS)
def test_tests_of_the_table_run_with_every_version(test):
    """Would fail if the table named a test that is not there, or one that `make test-lowest` does not run."""
    file, _, function = test.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    marks = [
        ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and "pytestmark" in ast.unparse(node)
    ]
    (definition,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    marks += [ast.unparse(decorator) for decorator in definition.decorator_list]
    assert any("pytest.mark.contract" in mark for mark in marks)
