"""Hashtags for short videos: the Guided Generative Model (GGM, Yu et al., ACL 2023) for transformers."""

from .data import DataCollatorForHashtagGeneration, DataCollatorForInstructedGeneration, load_shorts
from .errors import MediaError
from .hub import push_checkpoint_to_hub, save_remote_code
from .modeling import (
    GGMConfig,
    GGMForHashtagClassification,
    GGMForHashtagGeneration,
    GGMModel,
    HashtagClassifierConfig,
    HashtagRetriever,
    HashtagRetrieverConfig,
    InstructedConfig,
    InstructedForHashtagGeneration,
)
from .pipelines import DEMO_CHECKPOINT as DEMO_CHECKPOINT
from .pipelines import HashtagGenerationPipeline
from .pipelines import registration as registration
from .processing import (
    GGMProcessor,
    GGMVideoProcessor,
    HashtagRetrieverProcessor,
    InstructedProcessor,
    extract_hashtags,
    is_valid_hashtag,
    normalize_hashtag,
)
from .recommendation import Candidate, CandidateSource, HashtagRanker, HashtagRankerConfig
from .recommendation.filters import HashtagFilter
from .retrieval import HashtagPool, PostIndex
from .training import (
    GGMTrainer,
    GGMTrainingArguments,
    InstructedTrainer,
    RetrieverTrainer,
    RetrieverTrainingArguments,
    add_guidance,
)
from .version import __version__ as __version__

__all__ = [
    "Candidate",
    "CandidateSource",
    "DataCollatorForHashtagGeneration",
    "DataCollatorForInstructedGeneration",
    "GGMConfig",
    "GGMForHashtagClassification",
    "GGMForHashtagGeneration",
    "GGMModel",
    "GGMProcessor",
    "GGMTrainer",
    "GGMTrainingArguments",
    "GGMVideoProcessor",
    "HashtagClassifierConfig",
    "HashtagFilter",
    "HashtagGenerationPipeline",
    "HashtagPool",
    "HashtagRanker",
    "HashtagRankerConfig",
    "HashtagRetriever",
    "HashtagRetrieverConfig",
    "HashtagRetrieverProcessor",
    "InstructedConfig",
    "InstructedForHashtagGeneration",
    "InstructedProcessor",
    "InstructedTrainer",
    "MediaError",
    "PostIndex",
    "RetrieverTrainer",
    "RetrieverTrainingArguments",
    "add_guidance",
    "extract_hashtags",
    "is_valid_hashtag",
    "load_shorts",
    "normalize_hashtag",
    "push_checkpoint_to_hub",
    "save_remote_code",
]
