"""
Whether this code was installed, or came along with a checkpoint that was loaded with `trust_remote_code=True`.

Where the package is installed, nothing is taken from the code of a checkpoint, nor is it named again when the
checkpoint is saved: what it says of its code is left out.
"""

from typing import Any

from transformers.utils import TRANSFORMERS_DYNAMIC_MODULE_NAME

IS_REMOTE_CODE = __name__.startswith(f"{TRANSFORMERS_DYNAMIC_MODULE_NAME}.")
# Where a checkpoint names its code: what Auto classes load, and what `pipeline()` does.
CODE_FIELDS = ("auto_map", "custom_pipelines")


def without_other_code(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a configuration, less those that name code which is not this one."""
    return fields if IS_REMOTE_CODE else {name: value for name, value in fields.items() if name not in CODE_FIELDS}


def with_named_classes(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a configuration, ready for JSON: classes that `pipeline()` put there are named again."""
    for task in fields.get("custom_pipelines", {}).values():
        task["pt"] = [getattr(auto_class, "__name__", auto_class) for auto_class in task["pt"]]
    return fields
