"""The `hashtag-generation` pipeline."""

from .checkpoint import AutoModelOfCheckpoint
from .demo_checkpoint import DEMO_CHECKPOINT, accept_demo_checkpoint
from .hashtag_generation import HashtagGenerationPipeline

__all__ = ["DEMO_CHECKPOINT", "AutoModelOfCheckpoint", "HashtagGenerationPipeline", "accept_demo_checkpoint"]
