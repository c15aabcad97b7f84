"""What a training notes of itself beside its checkpoints: the card of the result is filled from it."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers.utils import is_peft_available

from ..utils.files import write_json

RECORD = "arguments.json"
PACKAGES = ("transformers-ggm", "transformers", "torch", "datasets", "tokenizers", "accelerate")


class TrainingRecord:
    """
    Facts about one training, in `arguments.json` beside its checkpoints. Only one process may write.

    Args:
        folder (`str` or `Path`): the folder of the checkpoints; made where it is missing.

    Example:

    ```python
    >>> import tempfile
    >>> from transformers_ggm.training.run_records import TrainingRecord
    >>> folder = tempfile.TemporaryDirectory()
    >>> record = TrainingRecord(folder.name)
    >>> record.write(steps=4)
    >>> record.add(loss=2.5)
    >>> record.read()
    {'steps': 4, 'loss': 2.5}

    ```
    """

    def __init__(self, folder: str | Path):
        self.path = Path(folder, RECORD)

    def read(self) -> dict[str, Any] | None:
        """What was written, or `None` where there is nothing."""
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else None

    def write(self, **facts: Any) -> None:
        """Writes facts, ready for JSON, in the place of all that was there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, facts)

    def add(self, **facts: Any) -> None:
        """Adds facts to those that are there, in the place of those of the same name."""
        self.write(**{**(self.read() or {}), **facts})


def package_versions(with_peft: bool = False) -> dict[str, str]:
    """
    The versions of Python and of the packages that training goes by.

    Args:
        with_peft (`bool`, *optional*, defaults to `False`): whether peft is one of them.
    """
    packages = (*PACKAGES, *(("peft",) if with_peft and is_peft_available() else ()))
    return {"Python": platform.python_version(), **{name: version(name) for name in packages}}
