"""Names of files as people have them: bytes that are no text, letters that are written in two ways."""

import os
import posixpath
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def whole_text(text: str) -> str:
    """
    A text without halves of characters, as cutting it in the middle of an emoji leaves them: two that fit are joined,
    others become U+FFFD. No tokenizer or table takes them.

    Example:

    ```python
    >>> from transformers_ggm.utils.file_names import whole_text
    >>> whole_text("first snow \\ud83d")
    'first snow �'

    ```
    """
    if _LONE_SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole_texts(value: Any) -> Any:
    """[`whole_text`] of every text in a value of JSON."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, dict):
        return {whole_text(name): whole_texts(item) for name, item in value.items()}
    return [whole_texts(item) for item in value] if isinstance(value, list) else value


def readable_name(name: str) -> str:
    """
    A file's name as text that can be stored anywhere: bytes that are not UTF-8 are written as `\\xe9`.

    Example:

    ```python
    >>> import os
    >>> from transformers_ggm.utils.file_names import readable_name
    >>> print(readable_name(os.fsdecode(b"caf\\xe9.mp4")))
    caf\\xe9.mp4

    ```
    """
    if _LONE_SURROGATE.search(name) is None:
        return name
    return name.encode("utf-8", "surrogateescape" if _is_of_bytes(name) else "replace").decode(
        "utf-8", "backslashreplace"
    )


def storable_path(path: str | Path) -> str:
    """A path as text that can be stored anywhere and opened again: one that is not UTF-8 as its `file://` URL."""
    path = os.path.abspath(path)
    return path if _LONE_SURROGATE.search(path) is None else Path(path).as_uri()


def name_key(name: str) -> str:
    """
    What two spellings of one name share: composed letters (NFC), no `./`.

    Example:

    ```python
    >>> from transformers_ggm.utils.file_names import name_key
    >>> name_key("./e\\u0301te\\u0301.mp4") == name_key("\\xe9t\\xe9.mp4")
    True

    ```
    """
    return posixpath.normpath(unicodedata.normalize("NFC", name))


def as_on_disk(folder: str, name: str) -> str:
    """
    The path of a file in a folder, found under another spelling of its name where there is none of just this one.
    """
    path = os.path.join(folder, name)
    if name.isascii() or os.path.lexists(path):
        return path
    found = folder
    for part in name.split("/"):
        exact = os.path.join(found, part)
        spelling = part if os.path.lexists(exact) else _spellings(found, _changed_at(found)).get(name_key(part), part)
        found = os.path.join(found, spelling)
    return found if os.path.lexists(found) else path


def _changed_at(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except (OSError, ValueError):
        return 0


@lru_cache(maxsize=64)
def _spellings(folder: str, changed_at: int) -> dict[str, str]:
    # What lies in a folder is another thing after a change.
    try:
        return {name_key(name): name for name in sorted(os.listdir(folder))}
    except OSError:
        return {}


def _is_of_bytes(name: str) -> bool:
    """Whether the halves of characters stand for bytes, as Python reads names from the disk."""
    return all("\udc80" <= half <= "\udcff" for half in _LONE_SURROGATE.findall(name))
