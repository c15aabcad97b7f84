"""Folders of shorts, prepared sets and collators. Preparing is in `data.prepare`, which needs the extra `data`."""

from .collator import DataCollatorForHashtagGeneration, DataCollatorForHashtagRetrieval
from .decoded import DecodedShorts, decode_split
from .hub import push_prepared_to_hub
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
    "push_prepared_to_hub",
]
