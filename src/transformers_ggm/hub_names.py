"""Names on the Hub, told from those of folders."""

import os

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id


def is_hub_id(name: str | None) -> bool:
    """Whether a name can be that of a repository on the Hub, and nothing here has it.

    Example:

    ```python
    >>> from transformers_ggm.hub_names import is_hub_id

    >>> is_hub_id("facebook/bart-base"), is_hub_id("/data/bart"), is_hub_id("."), is_hub_id(None)
    (True, False, False, False)

    ```
    """
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return bool(name) and not os.path.exists(name)
