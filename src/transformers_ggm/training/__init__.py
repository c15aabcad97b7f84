"""Training: the stages that `train.py` runs."""

from .arguments import DataArguments, GGMTrainingArguments, ModelArguments, RetrieverArguments, StageArguments
from .main import main
from .run import Run

__all__ = [
    "DataArguments",
    "GGMTrainingArguments",
    "ModelArguments",
    "RetrieverArguments",
    "Run",
    "StageArguments",
    "main",
]
