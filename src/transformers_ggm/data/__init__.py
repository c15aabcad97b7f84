"""Folders of shorts, prepared sets and collators. Preparing is in `data.prepare`, which needs the extra `data`."""

from .classifier_collator import DataCollatorForHashtagClassification
from .collator import DataCollatorForHashtagGeneration, DataCollatorForHashtagRetrieval
from .corpus import Corpus, CorpusOptions, build_corpus
from .decoded import DecodedShorts, decode_split
from .hashtag_lists import read_hashtag_list
from .hub import push_prepared_to_hub
from .instructed_collator import DataCollatorForInstructedGeneration
from .prepared import PreparedShorts, load_prepared
from .shorts import load_shorts
from .sources import ShortsSource, open_shorts
from .starter_list import starter_hashtags, starter_topics

__all__ = [
    "Corpus",
    "CorpusOptions",
    "DataCollatorForHashtagClassification",
    "DataCollatorForHashtagGeneration",
    "DataCollatorForHashtagRetrieval",
    "DataCollatorForInstructedGeneration",
    "DecodedShorts",
    "PreparedShorts",
    "ShortsSource",
    "build_corpus",
    "decode_split",
    "load_prepared",
    "load_shorts",
    "open_shorts",
    "push_prepared_to_hub",
    "read_hashtag_list",
    "starter_hashtags",
    "starter_topics",
]
