"""
What tells one version of the data from the next: stamps that follow the content, for what is kept of it elsewhere.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from datasets import Dataset

from ..utils.opening import is_url, local_name
from .prepared import RECORD, is_prepared
from .shorts import read_shorts

_LENGTH = 16


def file_facts(path: str | Path) -> str | None:
    """Size and time of change of a file, `None` where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return f"{status.st_size} {status.st_mtime_ns}"


def rows_stamp(rows: Dataset) -> str:
    """
    The stamp of a split of [`load_shorts`]: of all its fields, and of name, size and time of change of the clips that
    they name. A folder that was moved as a whole has the same one.

    Example:

    ```python
    >>> from datasets import Dataset
    >>> from transformers_ggm.data.stamps import rows_stamp
    >>> one, other = (Dataset.from_dict({"video": [None], "hashtags": [[tag]]}) for tag in ("snow", "lake"))
    >>> rows_stamp(one) == rows_stamp(one), rows_stamp(one) == rows_stamp(other)
    (True, False)

    ```
    """
    digest = hashlib.sha256(json.dumps(rows.column_names).encode())
    for row in rows:
        clip = row.get("video")
        if clip is not None and not is_url(local_name(clip)):
            row = {**row, "video": [os.path.basename(clip), file_facts(local_name(clip))]}
        digest.update(json.dumps(row, default=str).encode())
    return digest.hexdigest()[:_LENGTH]


def prepared_stamp(data_dir: str | Path) -> str:
    """
    The stamp of a prepared set: of its record, which has stamps of the content, and of sizes and times of its shards.
    """
    folder = Path(data_dir)
    digest = hashlib.sha256((folder / RECORD).read_bytes())
    # Stamps are in the names; sets of earlier versions have none.
    for shard in sorted((folder / "data").glob("*.parquet")):
        digest.update(f"{shard.name} {file_facts(shard) if _has_no_stamp(shard.name) else ''}".encode())
    return digest.hexdigest()[:_LENGTH]


def _has_no_stamp(name: str) -> bool:
    return name.count("-") == 3


def data_stamp(data_dir: str | Path) -> str:
    """
    The stamp of a folder that `train.py` can train on.

    Args:
        data_dir (`str` or `Path`): a prepared set, or a folder in the Hub's convention.

    Raises:
        DatasetError: it is neither.
    """
    if is_prepared(data_dir):
        return prepared_stamp(data_dir)
    return joined_stamp({split: rows_stamp(rows) for split, rows in read_shorts(data_dir)[0].items()})


def joined_stamp(parts: dict[str, Any]) -> str:
    """One stamp for several."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_LENGTH]
