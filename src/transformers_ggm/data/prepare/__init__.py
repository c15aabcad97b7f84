"""Clips decoded once into Parquet shards: `ggm prepare`."""

from .options import ClipOptions, ReadingOptions, WorkOptions
from .preparation import prepare_shorts

__all__ = ["ClipOptions", "ReadingOptions", "WorkOptions", "prepare_shorts"]
