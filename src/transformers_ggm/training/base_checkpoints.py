"""Checkpoints that recommend already, as what `train.py --base_checkpoint` begins with where it is given no LoRA."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import ArgumentError, CheckpointError
from ..modeling import HashtagRetrieverConfig
from ..processing import HashtagRetrieverProcessor
from ..recommendation.checkpoint_parts import CheckpointParts
from ..retrieval import DescriptionEncoder
from ..utils.checkpoint_layout import POOL_FOLDER, POSTS_FOLDER, RECOMMENDATION_FILE, RETRIEVER_FOLDER
from ..utils.hub_snapshots import local_folder
from .arguments import RetrieverArguments

STAGES_OF_BASE = ("retriever", "ranker", "evaluate")
# A retriever is trained on where `--stages` names it.
_DEFAULT = ("ranker", "evaluate")
_OR_LORA = "or give --use_lora true too, to adapt the generator of the base"


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
            f" {_OR_LORA}."
        )
    return [stage for stage in STAGES_OF_BASE if stage in asked]


def check_recommends(base: str) -> None:
    """
    Raises:
        ArgumentError: the base cannot be read, or has nothing that a ranker could rank.
    """
    advice = f"give one that recommends, such as `ggm compose` makes, {_OR_LORA}"
    folder = _fetched(base, [RECOMMENDATION_FILE], advice)
    if not (folder / RECOMMENDATION_FILE).is_file():
        raise ArgumentError(f"`base_checkpoint` {base} has no {RECOMMENDATION_FILE}: {advice}.")


def go_by_retriever_of(base: str, arguments: RetrieverArguments) -> None:
    """
    Has the training of a base's retriever go by what that one is asked by, whatever the arguments say.

    Raises:
        ArgumentError: the base has no retriever with a pool, or its posts have the retriever's vectors.
    """
    advice = "leave the stage 'retriever' out"
    folder = _fetched(base, ["*"], advice)
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
    arguments.retriever_query = HashtagRetrieverConfig.from_pretrained(folder / RETRIEVER_FOLDER).query
    processor = HashtagRetrieverProcessor.from_pretrained(folder / RETRIEVER_FOLDER)
    arguments.retriever_texts = list(processor.query_texts)


def _fetched(base: str, patterns: Sequence[str], advice: str) -> Path:
    try:
        return local_folder(base, patterns, f"`base_checkpoint` {base} cannot be read")
    except CheckpointError as error:
        raise ArgumentError(f"{error}: {advice}.") from error
