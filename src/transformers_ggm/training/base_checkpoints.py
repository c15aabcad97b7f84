"""Checkpoints that recommend already, as what `train.py --base_checkpoint` begins with where it is given no LoRA."""

from collections.abc import Sequence

from ..errors import ArgumentError, CheckpointError
from ..utils.checkpoint_layout import RECOMMENDATION_FILE
from ..utils.hub_snapshots import local_folder

STAGES_OF_BASE = ("ranker", "evaluate")
_OR_LORA = "or give --use_lora true too, to adapt the generator of the base"


def base_stages(asked: Sequence[str] | None) -> list[str]:
    """
    The stages that run: by default all that there are for such a base.

    Raises:
        ArgumentError: others are asked for.
    """
    others = sorted(set(asked or ()) - set(STAGES_OF_BASE))
    if others:
        raise ArgumentError(
            f"with a `base_checkpoint` the stages {list(STAGES_OF_BASE)} run, not {others}: leave those out,"
            f" {_OR_LORA}."
        )
    return [stage for stage in STAGES_OF_BASE if asked is None or stage in asked]


def check_recommends(base: str) -> None:
    """
    Raises:
        ArgumentError: the base cannot be read, or has nothing that a ranker could rank.
    """
    advice = f"give one that recommends, such as `ggm compose` makes, {_OR_LORA}"
    try:
        folder = local_folder(base, [RECOMMENDATION_FILE], f"`base_checkpoint` {base} cannot be read")
    except CheckpointError as error:
        raise ArgumentError(f"{error}: {advice}.") from error
    if not (folder / RECOMMENDATION_FILE).is_file():
        raise ArgumentError(f"`base_checkpoint` {base} has no {RECOMMENDATION_FILE}: {advice}.")
