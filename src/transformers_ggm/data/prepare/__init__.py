"""Clips decoded once into Parquet shards: `ggm prepare`."""

from .options import ClipOptions, WorkOptions
from .preparation import prepare_shorts

__all__ = ["ClipOptions", "WorkOptions", "prepare_shorts"]
