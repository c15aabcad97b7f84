"""What there is to say about the hashtags of a pool."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from .quoting import quoted

NUM_FREQUENT_HASHTAGS = 20
# Scripts whose letters do not begin with their names as people know them.
_NAMES = {"Cjk": "Han"}


def pool_statistics(hashtags: Sequence[str], counts: Sequence[int]) -> dict[str, Any]:
    """
    Args:
        hashtags (`list[str]`): of a pool, without '#'.
        counts (`list[int]`): how often each was seen. Where all are 1, which a pool has of itself when nothing was
            counted, nothing is said about them.

    Returns:
        `dict` with `size`; `rows`, a table of names and values; `unseen`, how many have a count of 0; and `frequent`,
        the most frequent hashtags with their counts, `""` where nothing was counted.
    """
    was_counted = any(count != 1 for count in counts)
    lengths = sorted(map(len, hashtags))
    rows = {"hashtags": f"{len(hashtags):,}"}
    if was_counted:
        rows |= _count_rows(counts)
    rows["characters in a hashtag"] = _spread(lengths)
    rows["scripts"] = ", ".join(f"{script} {number:,}" for script, number in script_counts(hashtags).most_common())
    ranked = sorted(zip(hashtags, counts), key=lambda item: (-item[1], item[0]))[:NUM_FREQUENT_HASHTAGS]
    return {
        "size": f"{len(hashtags):,}",
        "rows": rows,
        "unseen": sum(count == 0 for count in counts),
        "frequent": ", ".join(f"{quoted(f'#{tag}', None)} ({count:,})" for tag, count in ranked if count)
        if was_counted
        else "",
    }


def _count_rows(counts: Sequence[int]) -> dict[str, str]:
    rows = {"times they were seen, together": f"{sum(counts):,}", "times a hashtag was seen": _spread(sorted(counts))}
    for number, name in ((1, "seen once"), (0, "never seen")):
        if number in counts:
            rows[name] = f"{sum(count == number for count in counts):,}"
    return rows


def _spread(values: list[int]) -> str:
    return f"{values[0]:,} to {values[-1]:,}, median {median(values):,g}"


def script_counts(hashtags: Sequence[str]) -> Counter:
    """
    How many hashtags are written in which script; one that mixes some counts as `several`.

    Example:

    ```python
    >>> dict(script_counts(["snow", "café2", "снег", "東京", "東京タワー"]))
    {'Latin': 2, 'Cyrillic': 1, 'Han': 1, 'several': 1}

    ```
    """
    return Counter(_script(tag) for tag in hashtags)


def _script(hashtag: str) -> str:
    # In compatibility form, in which a full-width or ornamental letter is the letter that it stands for.
    letters = [letter for letter in unicodedata.normalize("NFKC", hashtag) if unicodedata.category(letter)[0] == "L"]
    # Modifiers, such as the sign for a long vowel, go with several scripts.
    names = {unicodedata.name(x, "").split(" ")[0].title() for x in letters if unicodedata.category(x) != "Lm"}
    scripts = {_NAMES.get(name, name) for name in names if name}
    return scripts.pop() if len(scripts) == 1 else "several" if scripts else "other"
