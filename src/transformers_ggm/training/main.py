"""The stages in turn: what `train.py` and `ggm train` run."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from transformers import HfArgumentParser

from ..recommendation.plausibility import load_scorer
from ..retrieval import TextEncoder
from ..utils.files import check_output_folder
from ..utils.yaml_files import read_yaml_mapping
from .arguments import (
    ClassifierArguments,
    DataArguments,
    GeneratorArguments,
    LoraArguments,
    ModelArguments,
    RetrieverArguments,
    StageArguments,
)
from .automated_task_arguments import AutomatedTaskArguments
from .check_arguments import check_drop_last
from .classifier import classifier_training_arguments, train_classifier
from .decode_clips import prepare
from .distillation_arguments import DistillationArguments
from .evaluate import evaluate
from .fit_base import fit_base
from .fit_recommender import fit_recommender
from .fused_guidance import make_guidance
from .generator import generator_training_arguments, train_generator
from .index_posts import index_posts
from .machines import check_same_data, check_shared_output, telling_of_lost_processes
from .made_from import check_data, check_made_from, note_made_from
from .pool_and_guidance import build_pool
from .publish import check_publishing, publish
from .retriever import train_retriever
from .run import TrainingRun
from .source_arguments import SourceArguments, check_enough_rows, check_fields
from .try_arguments import try_arguments

RUN_STAGE = {
    "prepare": prepare,
    "retriever": train_retriever,
    "posts": index_posts,
    "pool": build_pool,
    "guidance": make_guidance,
    "classifier": train_classifier,
    "generator": train_generator,
    "ranker": fit_recommender,
    "evaluate": evaluate,
}


ARGUMENTS = (
    ModelArguments,
    DataArguments,
    RetrieverArguments,
    ClassifierArguments,
    GeneratorArguments,
    StageArguments,
    LoraArguments,
    SourceArguments,
    DistillationArguments,
    AutomatedTaskArguments,
)


def parse_arguments(argv: Sequence[str]) -> TrainingRun:
    """
    Reads command-line arguments; the first may be a YAML file with any of them, which later ones override.

    Args:
        argv (`list[str]`): without the program's name.

    Raises:
        ValueError: the YAML file is missing, or no mapping of argument names to values.
    """
    parser = HfArgumentParser(ARGUMENTS)
    arguments = list(argv)
    if arguments and arguments[0].endswith((".yaml", ".yml")):
        arguments = yaml_arguments(arguments[0]) + arguments[1:]
    *parsed, unknown = parser.parse_args_into_dataclasses(arguments, return_remaining_strings=True)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return TrainingRun(*parsed)


def yaml_arguments(path: str) -> list[str]:
    """The contents of a YAML file as command-line arguments."""
    return argument_list(read_yaml_mapping(path, "argument names to values, one a line, such as `data_dir: shorts`"))


def argument_list(values: Mapping[str, Any]) -> list[str]:
    """A mapping of argument names to values as command-line arguments."""
    none_by_default = {field.name for arguments in ARGUMENTS for field in fields(arguments) if field.default is None}
    arguments = []
    for name, value in values.items():
        # The command line has no word for it that a number could be.
        if value is None and name in none_by_default:
            continue
        values = value if isinstance(value, list) else [value]
        # A mapping, such as lr_scheduler_kwargs, is JSON on the command line.
        arguments += [f"--{name}", *(json.dumps(item) if isinstance(item, dict) else str(item) for item in values)]
    return arguments


def check_training(run: TrainingRun) -> None:
    """
    Raises:
        ArgumentError: a stage would end in an error by the arguments of its training.
    """
    makers = {"classifier": classifier_training_arguments, "generator": generator_training_arguments}
    if run.training.dataloader_drop_last:
        for stage in makers.keys() & set(run.stage.stages):
            check_drop_last(makers[stage](run), len(run.shorts.splits["train"]))
    check_recommender(run)
    try_arguments(run.training)


def check_recommender(run: TrainingRun) -> None:
    """
    Raises:
        ArgumentError: there are too few rows to fit a ranker on, or none with what a source needs.
        CheckpointError: the text encoder, or the model that tells plausibility, cannot be loaded.
    """
    if run.source.is_published:
        return
    if "ranker" in run.stage.stages:
        check_enough_rows(len(run.shorts.splits["validation"]), run.data.data_dir)
        if run.source.plausibility is not None:
            load_scorer(run.source.plausibility)
    check_fields(run.source, run.shorts.splits["train"])
    if "posts" in run.stage.stages and run.source.text_encoder is not None:
        TextEncoder.from_pretrained(run.source.text_encoder)


def main(argv: Sequence[str] | None = None) -> None:
    """
    Runs the stages that the arguments ask for.

    Args:
        argv (`list[str]`, *optional*): the command line; by default that of the process.
    """
    run = parse_arguments(sys.argv[1:] if argv is None else argv)
    check_publishing(run)
    with telling_of_lost_processes():
        if run.fits_base:
            fit_base(run)
        else:
            run_stages(run)
    if run.training.push_to_hub:
        publish(run)


def run_stages(run: TrainingRun) -> None:
    """Runs the stages of a training that were asked for, as far as they are not finished."""
    check_training(run)
    check_output_folder(run.folders.output)
    check_shared_output(run)
    check_same_data(run)
    stages = [name for name in RUN_STAGE if name in run.stage.stages]
    check_data(run, stages)
    for name in stages:
        check_made_from(run, name)
        note_made_from(run, name)
        RUN_STAGE[name](run)
    run.shorts.tell_left_out()
