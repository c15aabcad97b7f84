"""Cards for checkpoints, and the code that fills them."""

from .adapter_card import write_adapter_card
from .model_card import write_model_card

__all__ = ["write_adapter_card", "write_model_card"]
