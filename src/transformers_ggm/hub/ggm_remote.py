"""
What `trust_remote_code=True` loads from a checkpoint that comes with this package's code (see `remote_code.py`).

All of it in one module: transformers runs a module that it was pointed to once more if another one imported it before,
and what two runs make are different classes. This one is imported by none.
"""

from ..modeling import (
    GGMConfig,
    GGMForHashtagGeneration,
    GGMModel,
    HashtagRetriever,
    HashtagRetrieverConfig,
    RetrievalOnlyConfig,
    RetrievalOnlyModel,
)
from ..pipelines import HashtagGenerationPipeline
from ..processing import ClipProcessor, GGMProcessor, GGMVideoProcessor, HashtagRetrieverProcessor
from ..retrieval import HashtagPool
from ..utils.remote_code_fields import IS_REMOTE_CODE

AUTO_CLASSES = {
    GGMConfig: "AutoConfig",
    GGMModel: "AutoModel",
    GGMForHashtagGeneration: "AutoModelForSeq2SeqLM",
    GGMProcessor: "AutoProcessor",
    GGMVideoProcessor: "AutoVideoProcessor",
    HashtagRetrieverConfig: "AutoConfig",
    HashtagRetriever: "AutoModel",
    HashtagRetrieverProcessor: "AutoProcessor",
    RetrievalOnlyConfig: "AutoConfig",
    RetrievalOnlyModel: "AutoModelForSeq2SeqLM",
    ClipProcessor: "AutoProcessor",
}

if IS_REMOTE_CODE:
    for part, auto_class in AUTO_CLASSES.items():
        # What is saved again takes the code along, from this module on.
        part.__module__ = __name__
        part.register_for_auto_class(auto_class)

__all__ = [
    "AUTO_CLASSES",
    "ClipProcessor",
    "GGMConfig",
    "GGMForHashtagGeneration",
    "GGMModel",
    "GGMProcessor",
    "GGMVideoProcessor",
    "HashtagGenerationPipeline",
    "HashtagPool",
    "HashtagRetriever",
    "HashtagRetrieverConfig",
    "HashtagRetrieverProcessor",
    "RetrievalOnlyConfig",
    "RetrievalOnlyModel",
]
