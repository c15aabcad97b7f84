"""Models and their configurations."""

from .configuration_ggm import GGMConfig
from .configuration_hashtag_classifier import HashtagClassifierConfig
from .configuration_hashtag_retriever import HashtagRetrieverConfig
from .configuration_instructed import InstructedConfig
from .contrastive_loss import HashtagContrastiveLoss, hashtag_contrastive_loss
from .cross_modal_attention import CrossModalAttention
from .encoder_output import GGMEncoderOutput
from .lora import make_lora_config
from .modeling_ggm import GGMForHashtagGeneration, GGMModel
from .modeling_hashtag_classifier import GGMForHashtagClassification, hashtag_classification_loss
from .modeling_hashtag_retriever import HashtagRetriever, HashtagRetrieverOutput
from .modeling_instructed import InstructedForHashtagGeneration
from .retrieval_only import RetrievalOnlyConfig, RetrievalOnlyModel
from .whitening import Whitening

__all__ = [
    "CrossModalAttention",
    "GGMConfig",
    "GGMEncoderOutput",
    "GGMForHashtagClassification",
    "GGMForHashtagGeneration",
    "GGMModel",
    "HashtagClassifierConfig",
    "HashtagContrastiveLoss",
    "HashtagRetriever",
    "HashtagRetrieverConfig",
    "HashtagRetrieverOutput",
    "InstructedConfig",
    "InstructedForHashtagGeneration",
    "RetrievalOnlyConfig",
    "RetrievalOnlyModel",
    "Whitening",
    "hashtag_classification_loss",
    "hashtag_contrastive_loss",
    "make_lora_config",
]
