"""The numbers that a call of the pipeline and the commands around it take, checked in one place."""

import operator
from numbers import Real
from typing import Any

from ..errors import InputError

# The least of each; none has a most.
_LEAST = {
    "batch_size": 1,
    "num_workers": 0,
    "top_n": 1,
    "max_hashtags": 1,
    "num_beams": 1,
    "num_return_sequences": 1,
    "max_new_tokens": 1,
    "max_length": 1,
    "num_guidance": 0,
}


def check_numbers(most: dict[str, int] | None = None, **numbers: Any) -> None:
    """
    Checks whole numbers. Those that are `None`, and arguments of other names, are passed over.

    Args:
        most (`dict[str, int]`, *optional*): The most of some, as the processor has it.
        **numbers: `batch_size`, `num_workers`, `top_n`, `max_hashtags`, `num_beams`, ...

    Raises:
        `InputError`: One is no whole number, or out of range; names it.

    Example:

    ```python
    >>> from transformers_ggm.pipelines.numbers import check_numbers
    >>> check_numbers(batch_size=0)
    Traceback (most recent call last):
    ...
    transformers_ggm.errors.InputError: batch_size=0: pass a whole number, 1 or more.

    ```
    """
    for name, value in numbers.items():
        if value is None or name not in _LEAST:
            continue
        least, limit = _LEAST[name], (most or {}).get(name)
        if not _is_whole(value) or value < least or (limit is not None and value > limit):
            limits = f"{least} or more" if limit is None else f"from {least} to {limit}, the processor's own {name}"
            raise InputError(f"{name}={value!r}: pass a whole number, {limits}.")


def check_score(min_score: Any) -> None:
    """
    Raises:
        `InputError`: `min_score` is neither `None` nor a number from 0 to 1.
    """
    is_number = isinstance(min_score, Real) and not isinstance(min_score, bool)
    if min_score is not None and not (is_number and 0 <= min_score <= 1):
        raise InputError(f"min_score={min_score!r}: pass a number from 0 to 1.")


def _is_whole(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True
