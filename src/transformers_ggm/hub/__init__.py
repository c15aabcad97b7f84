"""Whole checkpoints on the Hub, and the code that may go with them."""

from .push_checkpoint import push_checkpoint_to_hub
from .remote_code import save_remote_code

__all__ = ["push_checkpoint_to_hub", "save_remote_code"]
