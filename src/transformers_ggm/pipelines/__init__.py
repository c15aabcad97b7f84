"""The `hashtag-generation` pipeline."""

from .demo_checkpoint import DEMO_CHECKPOINT, accept_demo_checkpoint
from .hashtag_generation import HashtagGenerationPipeline

__all__ = ["DEMO_CHECKPOINT", "HashtagGenerationPipeline", "accept_demo_checkpoint"]
