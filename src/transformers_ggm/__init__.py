"""Hashtags for short videos: the Guided Generative Model (GGM, Yu et al., ACL 2023) for transformers."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoProcessor,
    AutoVideoProcessor,
)
from transformers.pipelines import PIPELINE_REGISTRY

from .data import DataCollatorForHashtagGeneration, load_shorts
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
)
from .pipelines import DEMO_CHECKPOINT, HashtagGenerationPipeline, accept_demo_checkpoint
from .processing import (
    GGMProcessor,
    GGMVideoProcessor,
    HashtagRetrieverProcessor,
    extract_hashtags,
    is_valid_hashtag,
    normalize_hashtag,
)
from .recommendation import Candidate, CandidateSource, HashtagRanker, HashtagRankerConfig
from .retrieval import HashtagPool, PostIndex
from .version import __version__ as __version__

AutoConfig.register("ggm", GGMConfig)
AutoConfig.register("hashtag_classifier", HashtagClassifierConfig)
AutoConfig.register("hashtag_ranker", HashtagRankerConfig)
AutoConfig.register("hashtag_retriever", HashtagRetrieverConfig)
AutoModel.register(GGMConfig, GGMModel)
AutoModel.register(HashtagClassifierConfig, GGMForHashtagClassification)
AutoModel.register(HashtagRankerConfig, HashtagRanker)
AutoModel.register(HashtagRetrieverConfig, HashtagRetriever)
AutoModelForSeq2SeqLM.register(GGMConfig, GGMForHashtagGeneration)
AutoVideoProcessor.register(GGMConfig, GGMVideoProcessor)
AutoVideoProcessor.register(HashtagRetrieverConfig, GGMVideoProcessor)
AutoProcessor.register(GGMConfig, GGMProcessor)
AutoProcessor.register(HashtagRetrieverConfig, HashtagRetrieverProcessor)
PIPELINE_REGISTRY.register_pipeline(
    "hashtag-generation",
    pipeline_class=HashtagGenerationPipeline,
    pt_model=AutoModelForSeq2SeqLM,
    default={"model": (DEMO_CHECKPOINT, None)},
    type="multimodal",
)
accept_demo_checkpoint()

__all__ = [
    "Candidate",
    "CandidateSource",
    "DataCollatorForHashtagGeneration",
    "GGMConfig",
    "GGMForHashtagClassification",
    "GGMForHashtagGeneration",
    "GGMModel",
    "GGMProcessor",
    "GGMVideoProcessor",
    "HashtagClassifierConfig",
    "HashtagGenerationPipeline",
    "HashtagPool",
    "HashtagRanker",
    "HashtagRankerConfig",
    "HashtagRetriever",
    "HashtagRetrieverConfig",
    "HashtagRetrieverProcessor",
    "MediaError",
    "PostIndex",
    "extract_hashtags",
    "is_valid_hashtag",
    "load_shorts",
    "normalize_hashtag",
    "push_checkpoint_to_hub",
    "save_remote_code",
]
