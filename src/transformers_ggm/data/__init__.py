"""Folders of shorts, prepared data sets and collators."""

from .collator import DataCollatorForHashtagGeneration, DataCollatorForHashtagRetrieval
from .prepared import PreparedShorts, prepare_split
from .shorts import load_shorts

__all__ = [
    "DataCollatorForHashtagGeneration",
    "DataCollatorForHashtagRetrieval",
    "PreparedShorts",
    "load_shorts",
    "prepare_split",
]
