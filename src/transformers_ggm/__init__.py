"""Hashtags for short videos: the Guided Generative Model (GGM, Yu et al., ACL 2023) for transformers."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoProcessor,
    AutoVideoProcessor,
)

from .data import DataCollatorForHashtagGeneration, load_shorts
from .errors import MediaError
from .modeling import GGMConfig, GGMForHashtagGeneration, GGMModel, HashtagRetriever, HashtagRetrieverConfig
from .processing import (
    GGMProcessor,
    GGMVideoProcessor,
    HashtagRetrieverProcessor,
    extract_hashtags,
    is_valid_hashtag,
    normalize_hashtag,
)
from .retrieval import HashtagPool

__version__ = "0.1.0"

AutoConfig.register("ggm", GGMConfig)
AutoConfig.register("hashtag_retriever", HashtagRetrieverConfig)
AutoModel.register(GGMConfig, GGMModel)
AutoModel.register(HashtagRetrieverConfig, HashtagRetriever)
AutoModelForSeq2SeqLM.register(GGMConfig, GGMForHashtagGeneration)
AutoVideoProcessor.register(GGMConfig, GGMVideoProcessor)
AutoVideoProcessor.register(HashtagRetrieverConfig, GGMVideoProcessor)
AutoProcessor.register(GGMConfig, GGMProcessor)
AutoProcessor.register(HashtagRetrieverConfig, HashtagRetrieverProcessor)

__all__ = [
    "DataCollatorForHashtagGeneration",
    "GGMConfig",
    "GGMForHashtagGeneration",
    "GGMModel",
    "GGMProcessor",
    "GGMVideoProcessor",
    "HashtagPool",
    "HashtagRetriever",
    "HashtagRetrieverConfig",
    "HashtagRetrieverProcessor",
    "MediaError",
    "extract_hashtags",
    "is_valid_hashtag",
    "load_shorts",
    "normalize_hashtag",
]
