"""Folders of shorts, prepared data sets and collators."""

from .collator import DataCollatorForHashtagGeneration, DataCollatorForHashtagRetrieval
from .decoded import DecodedShorts, decode_split
from .prepared import PreparedShorts, load_prepared
from .shorts import load_shorts

__all__ = [
    "DataCollatorForHashtagGeneration",
    "DataCollatorForHashtagRetrieval",
    "DecodedShorts",
    "PreparedShorts",
    "decode_split",
    "load_prepared",
    "load_shorts",
]
