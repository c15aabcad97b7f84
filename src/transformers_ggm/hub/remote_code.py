"""
This package's code beside a checkpoint, for `trust_remote_code=True` where the package is not installed.

transformers fetches the module that a checkpoint names and those it imports by `from .name import`, out of one folder.
So the modules of this package that a pipeline needs are written side by side, their imports of each other turned to
that form, and otherwise as they are.
"""

import ast
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..modeling import GGMConfig, HashtagRetrieverConfig, RetrievalOnlyConfig
from ..utils.checkpoint_layout import RETRIEVER_FOLDER, read_configuration
from ..utils.files import write_json, write_text
from . import ggm_remote

_PACKAGE = Path(__file__).parent
_ENTRY = ggm_remote.__name__.rpartition(".")[2]
ENTRY_MODULE = f"{_ENTRY}.py"
_MODEL_CLASSES = {
    GGMConfig.model_type: ("GGMConfig", "GGMModel", "GGMForHashtagGeneration"),
    HashtagRetrieverConfig.model_type: ("HashtagRetrieverConfig", "HashtagRetriever"),
    RetrievalOnlyConfig.model_type: ("RetrievalOnlyConfig", "RetrievalOnlyModel"),
}
_PROCESSOR_CLASSES = {
    GGMConfig.model_type: "GGMProcessor",
    HashtagRetrieverConfig.model_type: "HashtagRetrieverProcessor",
    RetrievalOnlyConfig.model_type: "ClipProcessor",
}
_PIPELINES = {
    "hashtag-generation": {"impl": f"{_ENTRY}.HashtagGenerationPipeline", "pt": ["AutoModelForSeq2SeqLM"]},
}


def save_remote_code(folder: str | os.PathLike) -> list[Path]:
    """
    Writes the code of this package that a checkpoint needs into its folder, and into its configurations where the
    Auto classes and `pipeline()` find it (`auto_map`, `custom_pipelines`): with `trust_remote_code=True` the
    checkpoint then works where this package is not installed. Where it is, the code is not loaded.

    The code is that of the installed version; write it again after an upgrade.

    Args:
        folder (`str` or `os.PathLike`): A checkpoint folder, or that of a retriever alone.

    Returns:
        `list[Path]`: The modules that were written.

    Raises:
        CheckpointError: The folder has no `config.json` or `processor_config.json` of a generator or retriever.

    Example:

    ```python
    >>> import pathlib, shutil, tempfile
    >>> from transformers_ggm import save_remote_code
    >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT

    >>> folder = shutil.copytree(DEMO_CHECKPOINT, pathlib.Path(tempfile.mkdtemp(), "checkpoint"))
    >>> "modeling_ggm.py" in {path.name for path in save_remote_code(folder)}
    True

    ```
    """
    folder = Path(folder)
    configurations = dict(_configurations(folder))
    if (folder / RETRIEVER_FOLDER).is_dir():
        configurations |= _configurations(folder / RETRIEVER_FOLDER)
    # The code comes first: a configuration must not name what is not there.
    for name, source in accompanying_modules().items():
        write_text(folder / name, source)
    for file, content in configurations.items():
        write_json(file, content)
    return [folder / name for name in accompanying_modules()]


@cache
def accompanying_modules() -> dict[str, str]:
    """The modules that a checkpoint is accompanied by: file names, and the code for them."""
    sources, waiting = {}, [_PACKAGE / ENTRY_MODULE]
    while waiting:
        module = waiting.pop()
        if module.name not in sources:
            sources[module.name], imported = _side_by_side(module)
            waiting += imported
    return dict(sorted(sources.items()))


def _configurations(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The configurations of a model and its processor, as they name the code; that of the model comes last."""
    config = _read(folder / "config.json")
    model_type = config.get("model_type")
    if model_type not in _MODEL_CLASSES:
        raise CheckpointError(
            f"{folder / 'config.json'} has the model type {model_type!r}: code is written for checkpoints of the types"
            f" {' and '.join(map(repr, _MODEL_CLASSES))}."
        )
    processor = _read(folder / "processor_config.json")
    processor["auto_map"] = _auto_map(_PROCESSOR_CLASSES[model_type])
    processor["video_processor"] = {**processor["video_processor"], "auto_map": _auto_map("GGMVideoProcessor")}
    yield folder / "processor_config.json", processor
    config["auto_map"] = _auto_map(*_MODEL_CLASSES[model_type])
    if model_type != HashtagRetrieverConfig.model_type:
        config["custom_pipelines"] = _PIPELINES
    yield folder / "config.json", config


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise CheckpointError(f"{file.parent} is no checkpoint: it has no {file.name}.")
    return read_configuration(file)


def _auto_map(*names: str) -> dict[str, str]:
    return {ggm_remote.AUTO_CLASSES[getattr(ggm_remote, name)]: f"{_ENTRY}.{name}" for name in names}


def _side_by_side(module: Path) -> tuple[str, list[Path]]:
    """The code of a module with its relative imports from beside it, and the modules that they import."""
    source = module.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    imported: list[Path] = []
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.level]
    for node in sorted(imports, key=lambda node: node.lineno, reverse=True):
        statements = []
        for origin, names in _origins(module, node).items():
            imported.append(origin)
            statements.append(f"{' ' * node.col_offset}from .{origin.stem} import {', '.join(names)}\n")
        lines[node.lineno - 1 : node.end_lineno] = statements
    return "".join(lines), imported


def _origins(module: Path, node: ast.ImportFrom) -> dict[Path, list[str]]:
    """The modules that define what an import statement takes, maybe by way of a package, and the names from each."""
    place = module.parents[node.level - 1].joinpath(*(node.module or "").split("."))
    if not place.is_dir():
        return {place.with_suffix(".py"): [_written(alias) for alias in node.names]}
    package = place / "__init__.py"
    statements = [
        line for line in ast.parse(package.read_text(encoding="utf-8")).body if isinstance(line, ast.ImportFrom)
    ]
    origins: dict[Path, list[str]] = {}
    for alias in node.names:
        statement = next(line for line in statements if alias.name in (taken.name for taken in line.names))
        [origin] = _origins(package, ast.ImportFrom(statement.module, [ast.alias(alias.name)], statement.level))
        origins.setdefault(origin, []).append(_written(alias))
    return origins


def _written(alias: ast.alias) -> str:
    return alias.name if alias.asname is None else f"{alias.name} as {alias.asname}"
