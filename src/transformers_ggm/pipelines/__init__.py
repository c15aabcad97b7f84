"""The `hashtag-generation` pipeline."""

from .demo_checkpoint import DEMO_CHECKPOINT
from .hashtag_generation import HashtagGenerationPipeline

__all__ = ["DEMO_CHECKPOINT", "HashtagGenerationPipeline"]
