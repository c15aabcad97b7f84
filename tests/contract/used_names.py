"""
Names of other libraries in the source that these may move without a word: private ones, and those of inner modules.
"""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

from requirement_files import ROOT

import transformers_ggm

LIBRARIES = ("accelerate", "datasets", "huggingface_hub", "peft", "torch", "transformers")
# Modules that the libraries' own documentation imports from.
DOCUMENTED = {
    "accelerate.utils",
    "huggingface_hub.errors",
    "torch.nn",
    "torch.nn.functional",
    "torch.utils.data",
    "transformers.audio_utils",
    "transformers.modeling_outputs",
    "transformers.utils.logging",
}
# Of Python's named tuples.
NOT_OF_LIBRARIES = {"_asdict"}
# What a class of ours has of its own accord, whatever its bases do.
ORDINARY = {"forward", "train", "save_pretrained", "_abc_impl"}
METHODS = (FunctionType, classmethod, property)
# Classes whose every override is told, since they call back what they need.
CALLING_BACK = ("Pipeline", "ProcessorMixin", "Trainer", "BaseVideoProcessor", "LengthGroupedSampler")


def source_files() -> list[Path]:
    """The code of the package, the examples and `train.py`."""
    folders = (ROOT / "src" / "transformers_ggm", ROOT / "examples")
    return [*(file for folder in folders for file in sorted(folder.rglob("*.py"))), ROOT / "train.py"]


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Full names of what is imported from modules of the libraries that their documentation does not import from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names if "." in alias.name]
            yield from (name for name in modules if _is_of_libraries(name) and name not in DOCUMENTED)
        elif isinstance(node, ast.ImportFrom) and not node.level and _is_of_libraries(node.module):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                is_told = node.module in (*LIBRARIES, *DOCUMENTED) and not _is_module(name)
                if not is_told and name not in DOCUMENTED:
                    yield name


def operators(tree: ast.AST) -> Iterator[str]:
    """Full names of operators, whose arguments PyTorch may change."""
    chains = (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    yield from (chain for chain in chains if chain.startswith("torch.ops.") and chain.count(".") == 3)


def private_names(trees: list[ast.AST]) -> set[str]:
    """Private attributes that are used, also by `getattr` and as keys, and that nothing here defines."""
    used, own = set(), set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                own.add(node.id if isinstance(node, ast.Name) else node.attr)
            elif isinstance(node, ast.Attribute):
                used.add(node.attr)
            elif isinstance(node, ast.keyword) and node.arg:
                used.add(node.arg)
            elif isinstance(node, ast.Call):
                used |= set(_named_in(node))
    # `_commit_hash` is set here, too, but on configurations.
    own -= {"_commit_hash", "_attn_implementation"}
    return {name for name in used - own - NOT_OF_LIBRARIES if name.isidentifier() and _is_private(name)}


def overridden_names() -> set[str]:
    """
    What classes of ours override in classes of the libraries, or set for them: private names, and all methods of the
    classes that call back.
    """
    names = set()
    for kind in _own_classes():
        bases = [base for base in kind.__mro__ if _is_of_libraries(base.__module__)]
        theirs = {name for base in bases for name in (*vars(base), *vars(base).get("__annotations__", ()))}
        ours = {name: value for base in kind.__mro__ if base not in bases for name, value in vars(base).items()}
        calls_back = any(base.__name__ in CALLING_BACK for base in bases)
        for name in theirs & ours.keys() - ORDINARY:
            is_hook = calls_back and not name.startswith("__") and isinstance(ours[name], METHODS)
            if _is_private(name) or is_hook:
                names.add(name)
    return names


def _named_in(call: ast.Call) -> Iterator[str]:
    """The attribute that a `getattr` asks for, or the key that a `get` does."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    place = {"getattr": 1, "hasattr": 1, "setattr": 1, "get": 0, "pop": 0}.get(function)
    if place is not None and len(call.args) > place and isinstance(call.args[place], ast.Constant):
        yield str(call.args[place].value)


def _own_classes() -> Iterator[type]:
    modules = [
        module.name
        for module in pkgutil.walk_packages(transformers_ggm.__path__, "transformers_ggm.")
        if not module.name.endswith((".__main__", ".evaluate_hashtags", ".ggm_remote"))
    ]
    for module in map(importlib.import_module, modules):
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == module.__name__:
                yield value


def _is_of_libraries(module: str) -> bool:
    return module.split(".")[0] in LIBRARIES


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name.strip("_") != ""


def _is_module(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    return inspect.ismodule(getattr(importlib.import_module(module), attribute, None))
