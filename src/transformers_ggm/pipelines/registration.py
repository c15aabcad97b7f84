"""
Makes this package's models, processors and pipeline known to transformers: `AutoModel` and its like, and
`pipeline("hashtag-generation")`. Importing this module is enough.
"""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoProcessor,
    AutoVideoProcessor,
)
from transformers.pipelines import PIPELINE_REGISTRY

from ..modeling import (
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
from ..processing import GGMProcessor, GGMVideoProcessor, HashtagRetrieverProcessor, InstructedProcessor
from ..recommendation import HashtagRanker, HashtagRankerConfig
from .demo_checkpoint import DEMO_CHECKPOINT, accept_demo_checkpoint
from .hashtag_generation import HashtagGenerationPipeline

AutoConfig.register("ggm", GGMConfig)
AutoConfig.register("ggm_instructed", InstructedConfig)
AutoConfig.register("hashtag_classifier", HashtagClassifierConfig)
AutoConfig.register("hashtag_ranker", HashtagRankerConfig)
AutoConfig.register("hashtag_retriever", HashtagRetrieverConfig)
AutoModel.register(GGMConfig, GGMModel)
AutoModel.register(HashtagClassifierConfig, GGMForHashtagClassification)
AutoModel.register(HashtagRankerConfig, HashtagRanker)
AutoModel.register(HashtagRetrieverConfig, HashtagRetriever)
AutoModelForSeq2SeqLM.register(GGMConfig, GGMForHashtagGeneration)
# Of this class are all generators that the pipeline takes, whatever they are inside.
AutoModelForSeq2SeqLM.register(InstructedConfig, InstructedForHashtagGeneration)
AutoVideoProcessor.register(GGMConfig, GGMVideoProcessor)
AutoVideoProcessor.register(HashtagRetrieverConfig, GGMVideoProcessor)
AutoVideoProcessor.register(InstructedConfig, GGMVideoProcessor)
AutoProcessor.register(GGMConfig, GGMProcessor)
AutoProcessor.register(HashtagRetrieverConfig, HashtagRetrieverProcessor)
AutoProcessor.register(InstructedConfig, InstructedProcessor)
PIPELINE_REGISTRY.register_pipeline(
    "hashtag-generation",
    pipeline_class=HashtagGenerationPipeline,
    pt_model=AutoModelForSeq2SeqLM,
    default={"model": (DEMO_CHECKPOINT, None)},
    type="multimodal",
)
accept_demo_checkpoint()
