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
from .classifier_ranking import Ranking, classify
from .main import main
from .run import TrainingRun

__all__ = [
    "ClassifierArguments",
    "DataArguments",
    "GGMTrainingArguments",
    "LoraArguments",
    "ModelArguments",
    "Ranking",
    "RetrieverArguments",
    "StageArguments",
    "TrainingRun",
    "classify",
    "main",
]
