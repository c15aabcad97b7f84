"""
Shorts in the shapes people have them: folders, tables, WebDataset tars, `datasets` objects.

Not by `load_dataset("videofolder" | "csv" | "parquet" | "webdataset")`: it copies a source, clips included, into its
cache before the first row; streaming, it takes types from the first rows, reads tar members of any size, and its
errors name neither file nor line. Whoever wants it hands its result to [`open_shorts`].
"""

from .columns import RESERVED_COLUMNS
from .shorts_source import ShortsSource, open_shorts

__all__ = ["RESERVED_COLUMNS", "ShortsSource", "open_shorts"]
