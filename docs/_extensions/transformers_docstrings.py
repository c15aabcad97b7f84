"""
The extension of griffe that hands mkdocstrings the package's docstrings as Markdown, with links that lead somewhere.
"""

import builtins
import dataclasses
import importlib
import re
import sys
from pathlib import Path

import griffe
import transformers
from mkdocs.plugins import get_plugin_logger

sys.path.insert(0, str(Path(__file__).parent))

from docstring_markdown import to_markdown

logger = get_plugin_logger("transformers_docstrings")

API_PAGES = Path(__file__).resolve().parents[1] / "api"
_DIRECTIVE = re.compile(r"^::: (\S+)$", re.MULTILINE)


def documented_names(pages: Path = API_PAGES) -> dict[str, str]:
    """What the pages of the reference document: dotted paths by last names."""
    texts = [page.read_text(encoding="utf-8") for page in sorted(pages.glob("*.md"))]
    return {path.rpartition(".")[2]: path for text in texts for path in _DIRECTIVE.findall(text)}


class Linker:
    """
    Turns what stands in [`brackets`] into links to the reference, as transformers' documentation does.

    Args:
        package (`griffe.Module`): where names that no page documents must be, lest they are mistakes.
        documented (`dict[str, str]`): the dotted path of everything that has an entry of its own, by its name.
    """

    def __init__(self, package: griffe.Module, documented: dict[str, str]):
        self.documented = documented
        self.names = set(_names_in(package))

    def __call__(self, target: str) -> str:
        """Markdown: a link where the reference has an entry, else the name as code."""
        parts = target.removeprefix("~").split(".")
        label = parts[-1] if target.startswith("~") else ".".join(parts)
        for position, part in enumerate(parts):
            if part in self.documented:
                path = ".".join([self.documented[part], *parts[position + 1 :]])
                return f"[`{label}`][{path}]"
        if parts[-1] not in self.names and not _is_elsewhere(parts):
            logger.warning(f"a docstring links to `{target}`, which is nowhere")
        return f"`{label}`"


def _names_in(package: griffe.Module) -> list[str]:
    names = []
    for name, member in package.members.items():
        names.append(name)
        if not member.is_alias and (member.is_module or member.is_class):
            names += _names_in(member)
    return names


def _is_elsewhere(parts: list[str]) -> bool:
    return hasattr(builtins, parts[-1]) or hasattr(transformers, parts[-1])


class TransformersDocstrings(griffe.Extension):
    """Rewrites all docstrings of a package once it is loaded, and gives arguments of `train.py` their help as one."""

    def on_package(self, *, pkg: griffe.Module, **kwargs) -> None:
        """Called by griffe."""
        link = Linker(pkg, documented_names())
        for member in _own_members(pkg):
            if member.is_class and "dataclass" in member.labels:
                _describe_fields(member)
            if member.docstring:
                member.docstring.value = to_markdown(member.docstring.value, link)


def _own_members(parent: griffe.Object) -> list[griffe.Object]:
    members = [parent]
    for member in parent.members.values():
        if not member.is_alias:
            members += _own_members(member)
    return members


def _describe_fields(described: griffe.Class) -> None:
    """The help that a field of a dataclass has for the command line becomes its docstring."""
    attributes = {name: member for name, member in described.members.items() if member.is_attribute}
    if not any("metadata" in str(attribute.value) for attribute in attributes.values()):
        return
    real = getattr(importlib.import_module(described.module.path), described.name)
    for field in dataclasses.fields(real):
        attribute = attributes.get(field.name)
        if attribute is not None and "help" in field.metadata:
            attribute.docstring = griffe.Docstring(field.metadata["help"], parent=attribute)
            default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
            attribute.value = None if default is dataclasses.MISSING else repr(default)
