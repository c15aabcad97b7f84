"""Training: the stages that `train.py` runs."""

from .arguments import (
    ClassifierArguments,
    DataArguments,
    GGMTrainingArguments,
    LoraArguments,
    ModelArguments,
    RetrieverArguments,
    StageArguments,
)
from .main import main
from .ranking import Ranking, classify
from .run import Run

__all__ = [
    "ClassifierArguments",
    "DataArguments",
    "GGMTrainingArguments",
    "LoraArguments",
    "ModelArguments",
    "Ranking",
    "RetrieverArguments",
    "Run",
    "StageArguments",
    "classify",
    "main",
]
