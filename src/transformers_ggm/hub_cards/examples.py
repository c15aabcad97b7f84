"""A handful of test rows with truth and prediction, chosen by their place alone."""

import json
from pathlib import Path
from typing import Any

from .quoting import quoted, quoted_hashtags

NUM_EXAMPLES = 5


def example_rows(predictions: Path) -> dict[str, Any] | None:
    """
    Rows at even distances over the whole split, the first one included: neither the best nor the harmless ones.

    Args:
        predictions (`Path`): JSON lines with `description`, `hashtags` and `predicted`, in the order of the split.

    Returns:
        `dict` with `total`, how many rows there are, `numbers` of those shown, from 1, and `rows` with their `number`,
        `description`, `hashtags` and `predicted` as cells of a table. `None` where there is no such file.
    """
    if not predictions.is_file():
        return None
    lines = predictions.read_text(encoding="utf-8").splitlines()
    places = even_places(len(lines))
    return {
        "total": len(lines),
        "numbers": ", ".join(str(place + 1) for place in places),
        "rows": [{"number": place + 1, **_cells(json.loads(lines[place]))} for place in places],
    }


def even_places(total: int, most: int = NUM_EXAMPLES) -> list[int]:
    """
    Places of `most` rows at even distances, all where there are not more.

    Example:

    ```python
    >>> even_places(600), even_places(3)
    ([0, 120, 240, 360, 480], [0, 1, 2])

    ```
    """
    most = min(most, total)
    return [number * total // most for number in range(most)]


def _cells(row: dict[str, Any]) -> dict[str, str]:
    true, predicted = row["hashtags"], row["predicted"]
    return {
        "description": quoted(row["description"]) or "(none)",
        "hashtags": quoted_hashtags(true) or "(none)",
        "predicted": quoted_hashtags(predicted, marked=set(true)) or "(nothing)",
    }
