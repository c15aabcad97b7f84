"""The layout of the package: which folder may import which, and how large files and functions may become."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import transformers_ggm

PACKAGE = Path(transformers_ggm.__file__).parent
# From the bottom to the top: a folder may import those before it.
FOLDERS = (
    "utils", "modeling", "processing", "generation", "evaluation", "hub_cards", "retrieval", "data",
    "recommendation", "backends", "pipelines", "hub", "training", "serving", "cluster", "experiments", "cli",
)  # fmt: skip
# At the top of the package, besides the folders: what all may import, what nobody does, and the package itself.
FOR_ALL = ("errors", "version")
FOR_NONE = ("__init__", "__main__")
MAX_LINES, MAX_FUNCTION_LINES = 600, 60
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The modules of the package that a module imports anywhere, for types alone or within functions too."""
    package = ["transformers_ggm", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "transformers_ggm"}
        elif isinstance(node, ast.ImportFrom):
            origin = [] if node.level == 0 else package[: len(package) - node.level + 1]
            origin = ".".join([*origin, *([node.module] if node.module else [])])
            if origin.split(".")[0] == "transformers_ggm":
                found |= {_defining(origin, alias.name) for alias in node.names}
    return found


def _defining(module: str, name: str) -> str:
    """The module that an import of a name from another module asks for."""
    inner = PACKAGE.parent.joinpath(*module.split("."), name)
    return f"{module}.{name}" if inner.with_suffix(".py").is_file() or inner.is_dir() else module


def folder_of(module: str) -> str:
    """The folder, or the loose module, of a module: `"data"` of `"transformers_ggm.data.prepare.parts"`."""
    return f"{module}.__init__".split(".")[1]


def name_of(path: Path) -> str:
    parts = ["transformers_ggm", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_the_top_of_the_package_holds_folders():
    """Would fail if a loose module were put at the top of the package, or a folder had no place in the order."""
    loose = {path.stem for path in PACKAGE.glob("*.py")}
    assert loose <= {*FOR_ALL, *FOR_NONE}
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_run_one_way(folder):
    """Would fail if a folder imported one that stands after it, or the package itself, even for a type."""
    allowed = {*FOR_ALL, *FOLDERS[: FOLDERS.index(folder) + 1]}
    back = {
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in PACKAGE.joinpath(folder).rglob("*.py")
        for module in imported(path)
        if folder_of(module) not in allowed
    }
    assert not back, "\n".join(sorted(back))


def test_no_imports_run_in_a_circle():
    """Would fail if two modules needed each other, which a reader then has to read at once."""
    graph = {name_of(path): imported(path) - {name_of(path)} for path in MODULES if path.name != "__init__.py"}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_files_and_functions_are_short(path):
    """Would fail if a file or a function outgrew what can be read in one go."""
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MAX_LINES
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    lengths = {node.name: _length(node) for node in ast.walk(ast.parse(source)) if isinstance(node, functions)}
    assert not {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES}


def _length(function: ast.FunctionDef) -> int:
    """The lines of a function, its docstring aside."""
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    return lines - (first.end_lineno - first.lineno + 1 if ast.get_docstring(function) is not None else 0)
