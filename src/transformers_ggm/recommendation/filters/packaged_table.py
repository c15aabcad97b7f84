"""Tables of this package, beside its code."""

import csv
from pathlib import Path

from ...errors import InputError


def packaged_rows(file: Path) -> list[dict[str, str]]:
    """
    The rows of a table of this package.

    Raises:
        InputError: It is missing, as where this code lies beside a checkpoint.
    """
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    except OSError as error:
        raise InputError(
            f"{file.name}, which filters read, is not beside this code: `pip install transformers-ggm` for them, or"
            " call without safe=, blocked= and platform=."
        ) from error
