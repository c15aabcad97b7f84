"""Training: the trainers, and the stages that `train.py` runs."""

from .arguments import (
    ClassifierArguments,
    DataArguments,
    GeneratorArguments,
    LoraArguments,
    ModelArguments,
    RetrieverArguments,
    StageArguments,
)
from .classifier_ranking import Ranking, classify
from .fit_whitening import whiten
from .ggm_trainer import GGMTrainer
from .guidance import add_guidance
from .instructed_trainer import InstructedTrainer
from .main import main
from .retriever_trainer import RetrieverTrainer
from .run import TrainingRun
from .shorts_dataset import ShortsDataset
from .training_arguments import GGMTrainingArguments, RetrieverTrainingArguments

__all__ = [
    "ClassifierArguments",
    "DataArguments",
    "GGMTrainer",
    "GGMTrainingArguments",
    "GeneratorArguments",
    "InstructedTrainer",
    "LoraArguments",
    "ModelArguments",
    "Ranking",
    "RetrieverArguments",
    "RetrieverTrainer",
    "RetrieverTrainingArguments",
    "ShortsDataset",
    "StageArguments",
    "TrainingRun",
    "add_guidance",
    "classify",
    "main",
    "whiten",
]
