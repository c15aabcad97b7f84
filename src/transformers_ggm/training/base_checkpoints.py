"""Checkpoints that recommend already, as what `train.py --base_checkpoint` begins with."""

from collections.abc import Sequence
from pathlib import Path

from transformers.utils import CONFIG_NAME

from ..errors import ArgumentError, CheckpointError
from ..modeling import HashtagRetrieverConfig, InstructedConfig, RetrievalOnlyConfig
from ..processing import HashtagRetrieverProcessor
from ..recommendation.checkpoint_parts import CheckpointParts
from ..recommendation.recommender_files import stored_pool_use
from ..retrieval import DescriptionEncoder
from ..utils.checkpoint_layout import (
    POOL_FOLDER,
    POSTS_FOLDER,
    RECOMMENDATION_FILE,
    RETRIEVER_FOLDER,
    read_configuration,
)
from ..utils.hub_snapshots import local_folder
from .arguments import RetrieverArguments

STAGES_OF_BASE = ("retriever", "ranker", "evaluate")
# A retriever is trained on where `--stages` names it.
_DEFAULT = ("ranker", "evaluate")
# Of a training of its generator, or of an adapter: retriever, pool and the other sources are those of the base.
_OF_GENERATOR = ("prepare", "guidance", "generator", "evaluate")
_OR_GENERATOR = "or train the generator of the base (--use_lora true for an adapter, --stages generator for all of it)"


def base_stages(asked: Sequence[str] | None) -> list[str]:
    """
    The stages that run: by default those that train no network.

    Raises:
        ArgumentError: others are asked for.
    """
    asked = _DEFAULT if asked is None else asked
    others = sorted(set(asked) - set(STAGES_OF_BASE))
    if others:
        raise ArgumentError(
            f"with a `base_checkpoint` the stages {list(STAGES_OF_BASE)} run, not {others}: leave those out,"
            f" {_OR_GENERATOR}."
        )
    return [stage for stage in STAGES_OF_BASE if stage in asked]


def generator_stages(asked: Sequence[str] | None) -> list[str]:
    """
    The stages of a generator, or of an adapter of it, that is guided as its base is. Where `"generator"` alone is
    asked for, what it needs runs before it, and it is measured.

    Raises:
        ArgumentError: others are asked for.
    """
    others = sorted(set(asked or ()) - set(_OF_GENERATOR))
    if others:
        raise ArgumentError(
            f"a training of the generator of a `base_checkpoint` has the stages {list(_OF_GENERATOR)}, not {others}:"
            " train the retriever of the base before, and fit a ranker to the finished checkpoint, with its"
            " checkpoint/ as the `base_checkpoint`."
        )
    return [stage for stage in _OF_GENERATOR if asked in (None, ["generator"]) or stage in asked]


def guides_by_sources(base: str) -> bool:
    """Whether a base joins what its sources propose to guide its generator; one that cannot be read does not."""
    try:
        folder = local_folder(base, [RECOMMENDATION_FILE], base)
    except CheckpointError:  # which is told where the generator is loaded
        return False
    return (folder / RECOMMENDATION_FILE).is_file() and stored_pool_use(folder)[1]


def has_retriever(base: str) -> bool:
    """Whether a base has a retriever, which looks at frames of its own."""
    return (fetched_base(base) / RETRIEVER_FOLDER).is_dir()


def check_generator(base: str, is_instructed: bool) -> None:
    """
    Raises:
        ArgumentError: the base has no generator, or one of another kind than the arguments say.
    """
    model_type = read_configuration(fetched_base(base) / CONFIG_NAME).get("model_type")
    if model_type == RetrievalOnlyConfig.model_type:
        raise ArgumentError(f"`base_checkpoint` {base} has no generator to train: compose one with --generator.")
    if is_instructed != (model_type == InstructedConfig.model_type):
        kind = "ggm" if is_instructed else "instructed"
        raise ArgumentError(f"the generator of `base_checkpoint` {base} is of another kind: give --generator {kind}.")


def check_recommends(base: str) -> None:
    """
    Raises:
        ArgumentError: the base cannot be read, or has nothing that a ranker could rank.
    """
    advice = f"give one that recommends, such as `ggm compose` makes, {_OR_GENERATOR}"
    folder = _fetched(base, [RECOMMENDATION_FILE], advice)
    if not (folder / RECOMMENDATION_FILE).is_file():
        raise ArgumentError(f"`base_checkpoint` {base} has no {RECOMMENDATION_FILE}: {advice}.")


def check_retriever(base: str) -> None:
    """
    Raises:
        ArgumentError: the base has no retriever with a pool, or its posts have the retriever's vectors.
    """
    advice = "leave the stage 'retriever' out"
    folder = fetched_base(base)
    for name in (RETRIEVER_FOLDER, POOL_FOLDER):
        if not (folder / name).is_dir():
            raise ArgumentError(
                f"`base_checkpoint` {base} has no {name}/, so its retriever cannot be trained: {advice}."
            )
    if (folder / POSTS_FOLDER).is_dir() and isinstance(CheckpointParts(folder).posts.encoder, DescriptionEncoder):
        raise ArgumentError(
            f"the posts of `base_checkpoint` {base} have the vectors of its retriever, and no words that could be"
            f" encoded by another: {advice}, or take a checkpoint with a `text_encoder`."
        )


def go_by_retriever_of(base: str, arguments: RetrieverArguments) -> None:
    """Has a training go by what the retriever of its base is asked by, whatever the arguments say."""
    folder = fetched_base(base)
    arguments.retriever_query = HashtagRetrieverConfig.from_pretrained(folder / RETRIEVER_FOLDER).query
    processor = HashtagRetrieverProcessor.from_pretrained(folder / RETRIEVER_FOLDER)
    arguments.retriever_texts = list(processor.query_texts)


def fetched_base(base: str) -> Path:
    """
    The folder of a whole base.

    Raises:
        ArgumentError: it cannot be fetched.
    """
    return _fetched(base, ["*"], "check the name and your connection")


def _fetched(base: str, patterns: Sequence[str], advice: str) -> Path:
    try:
        return local_folder(base, patterns, f"`base_checkpoint` {base} cannot be read")
    except CheckpointError as error:
        raise ArgumentError(f"{error}: {advice}.") from error
