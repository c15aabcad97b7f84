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
    RetrievalOnlyConfig,
    RetrievalOnlyModel,
)
from ..processing import (
    ClipProcessor,
    GGMProcessor,
    GGMVideoProcessor,
    HashtagRetrieverProcessor,
    InstructedProcessor,
)
from ..recommendation import HashtagRanker, HashtagRankerConfig
from .demo_checkpoint import DEMO_CHECKPOINT, accept_demo_checkpoint
from .hashtag_generation import HashtagGenerationPipeline

AutoConfig.register("ggm", GGMConfig)
AutoConfig.register("ggm_instructed", InstructedConfig)
AutoConfig.register("hashtag_classifier", HashtagClassifierConfig)
AutoConfig.register("hashtag_ranker", HashtagRankerConfig)
AutoConfig.register("hashtag_retriever", HashtagRetrieverConfig)
AutoConfig.register("hashtag_retrieval_only", RetrievalOnlyConfig)
AutoModel.register(GGMConfig, GGMModel)
AutoModel.register(HashtagClassifierConfig, GGMForHashtagClassification)
AutoModel.register(HashtagRankerConfig, HashtagRanker)
AutoModel.register(HashtagRetrieverConfig, HashtagRetriever)
# By this class the pipeline loads whatever stands at the top of a checkpoint.
AutoModelForSeq2SeqLM.register(GGMConfig, GGMForHashtagGeneration)
AutoModelForSeq2SeqLM.register(InstructedConfig, InstructedForHashtagGeneration)
AutoModelForSeq2SeqLM.register(RetrievalOnlyConfig, RetrievalOnlyModel)
AutoVideoProcessor.register(GGMConfig, GGMVideoProcessor)
AutoVideoProcessor.register(HashtagRetrieverConfig, GGMVideoProcessor)
AutoVideoProcessor.register(InstructedConfig, GGMVideoProcessor)
AutoVideoProcessor.register(RetrievalOnlyConfig, GGMVideoProcessor)
AutoProcessor.register(GGMConfig, GGMProcessor)
AutoProcessor.register(HashtagRetrieverConfig, HashtagRetrieverProcessor)
AutoProcessor.register(InstructedConfig, InstructedProcessor)
AutoProcessor.register(RetrievalOnlyConfig, ClipProcessor)
PIPELINE_REGISTRY.register_pipeline(
    "hashtag-generation",
    pipeline_class=HashtagGenerationPipeline,
    pt_model=AutoModelForSeq2SeqLM,
    default={"model": (DEMO_CHECKPOINT, None)},
    type="multimodal",
)
accept_demo_checkpoint()
