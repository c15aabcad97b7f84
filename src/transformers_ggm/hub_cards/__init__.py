"""Cards for checkpoints, and the code that fills them."""

from .adapter_card import write_adapter_card
from .instructed_card import write_instructed_card
from .model_card import write_model_card
from .trained_checkpoint import TrainedCheckpoint
from .trainer_card import TrainerFacts, write_trainer_card

__all__ = [
    "TrainedCheckpoint",
    "TrainerFacts",
    "write_adapter_card",
    "write_instructed_card",
    "write_model_card",
    "write_trainer_card",
]
