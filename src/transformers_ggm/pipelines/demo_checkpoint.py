"""The small model that comes with the package, for `pipeline("hashtag-generation")` without a model."""

import logging
from pathlib import Path

DEMO_CHECKPOINT = str(Path(__file__).resolve().parents[1] / "demo_checkpoint")


class _NotAboutDemoCheckpoint(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(f"No model was supplied, defaulted to {DEMO_CHECKPOINT} ")


def accept_demo_checkpoint() -> None:
    """
    Keeps transformers from warning of a default model without a revision, which would be right for a model on the Hub:
    it may change. This one comes with the package and is as old as its code.
    """
    logging.getLogger("transformers.pipelines").addFilter(_NotAboutDemoCheckpoint())


__all__ = ["DEMO_CHECKPOINT", "accept_demo_checkpoint"]
