"""What the docstrings of public names tell."""

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
from pathlib import Path

import pytest

import transformers_ggm

PACKAGE = Path(transformers_ggm.__file__).parent
FOLDERS = [
    ".".join(["transformers_ggm", *path.parent.relative_to(PACKAGE).parts]) for path in PACKAGE.rglob("__init__.py")
]


def public() -> dict[str, object]:
    """Classes and functions that the package or one of its folders exports, by dotted name; each once."""
    found = {}
    for folder in sorted(FOLDERS, key=len):
        module = importlib.import_module(folder)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if (inspect.isclass(value) or inspect.isfunction(value)) and value not in found.values():
                found[f"{folder}.{name}"] = value
    return found


def own_methods(kind: type) -> dict[str, object]:
    """Public methods of a class that its bases in other libraries do not have, and so cannot tell of."""
    others = [base for base in kind.__mro__[1:] if not base.__module__.startswith("transformers_ggm")]
    methods = {name: getattr(value, "__func__", value) for name, value in vars(kind).items() if name[0] != "_"}
    return {
        name: value
        for name, value in methods.items()
        if inspect.isfunction(value) and not any(hasattr(base, name) for base in others)
    }


PUBLIC = public()
METHODS = {
    f"{name}.{method}": value
    for name, kind in PUBLIC.items()
    if inspect.isclass(kind) and kind.__name__ in transformers_ggm.__all__
    for method, value in own_methods(kind).items()
}
CALLABLES = PUBLIC | METHODS


def section(value, title: str) -> str:
    """The indented lines below a title of a docstring."""
    found = re.search(
        rf"^{title}:.*\n((?:    .*\n|\s*\n)*)", inspect.cleandoc(value.__doc__ or "") + "\n", re.MULTILINE
    )
    return found[1] if found else ""


def parameters(value) -> set[str]:
    """What must be told of: not what starts with `_`, nor fields that say by themselves what they are for."""
    signature = inspect.signature(value.__init__ if inspect.isclass(value) else value)
    names = {name for name in signature.parameters if name[0] != "_" and name not in ("self", "cls", "args", "kwargs")}
    if inspect.isclass(value) and dataclasses.is_dataclass(value):
        inherited = {name for base in value.__mro__[1:] for name in getattr(base, "__dataclass_fields__", ())}
        helped = {field.name for field in dataclasses.fields(value) if "help" in field.metadata}
        names -= helped | inherited
    return names


@pytest.mark.parametrize("name", CALLABLES)
def test_every_argument_is_told_of(name):
    """Would fail if what an argument means could be known from the code alone."""
    value = CALLABLES[name]
    assert value.__doc__, name
    if inspect.isclass(value) and issubclass(value, Exception):
        return
    told = section(value, "Args") + section(value, "Attributes")
    assert {each for each in parameters(value) if not re.search(rf"\b{each}\b", told)} == set()


def entry(told: str, name: str) -> str:
    """What an `Args` section says of one argument, or of several that it names together."""
    found = re.search(rf"^ {{4}}(?=\S)[^\n]*\b{name}\b[^\n]*(?:\n {{8}}[^\n]*)*", told, re.MULTILINE)
    return found[0] if found else ""


@pytest.mark.parametrize("name", [name for name, value in CALLABLES.items() if not inspect.isclass(value)])
def test_every_default_is_told_of(name):
    """Would fail if what is done without an argument could be known from the code alone, but for `None`."""
    function = CALLABLES[name]
    given = inspect.signature(function).parameters
    with_default = {
        each for each in parameters(function) if given[each].default not in (inspect.Parameter.empty, None)
    }
    entries = {each: entry(section(function, "Args"), each) for each in with_default}
    assert {
        each for each, text in entries.items() if not re.search(r"default|\b[Aa]s (for|in)\b|[Ss]ee", text)
    } == set()


def body(function) -> list[ast.AST]:
    """The nodes of a function, without those of functions within it."""
    nodes, found = list(ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].body), []
    while nodes:
        node = nodes.pop()
        found.append(node)
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            nodes += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if inspect.isfunction(value)])
def test_results_and_errors_are_told_of(name):
    """Would fail if what a function gives or raises could be known from the code alone."""
    function = PUBLIC[name]
    nodes = body(inspect.unwrap(function))
    gives = any(isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom)) and node.value is not None for node in nodes)
    raises = any(isinstance(node, ast.Raise) and node.exc is not None for node in nodes)
    assert not gives or re.search(r"^\s*Returns\b", function.__doc__, re.MULTILINE)
    assert not raises or section(function, "Raises")


@pytest.mark.parametrize("name", transformers_ggm.__all__)
def test_what_the_package_exports_has_an_example(name):
    """Would fail if a class or function at the top had no example; that they run is seen by the doctests."""
    assert ">>> " in getattr(transformers_ggm, name).__doc__
