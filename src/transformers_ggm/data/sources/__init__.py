"""Shorts in the shapes people have them: folders, tables, WebDataset tars, `datasets` objects."""

from .columns import RESERVED_COLUMNS
from .shorts_source import ShortsSource, open_shorts

__all__ = ["RESERVED_COLUMNS", "ShortsSource", "open_shorts"]
