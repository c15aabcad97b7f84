"""Cards for checkpoints, and the code that fills them."""

from .model_card import write_model_card

__all__ = ["write_model_card"]
