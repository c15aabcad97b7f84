"""
The command `ggm`, which `python -m transformers_ggm` is too. What its commands do is in the folders that they belong
to, which are imported when a command runs.
"""

from .ggm import app, main

__all__ = ["app", "main"]
