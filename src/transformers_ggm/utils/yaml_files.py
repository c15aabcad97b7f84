"""Configurations in YAML."""

from pathlib import Path
from typing import Any

import yaml


def read_yaml_mapping(path: str | Path, what: str) -> dict[str, Any]:
    """
    The contents of a YAML file that maps names to values.

    Args:
        path (`str` or `Path`): the file.
        what (`str`): what it must map, for the message.

    Raises:
        ValueError: the file is missing, or holds something else.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"The configuration {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must map {what}.")
    return content
