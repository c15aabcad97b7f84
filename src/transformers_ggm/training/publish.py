"""The finished checkpoint on the Hub, as `--push_to_hub` asks for."""

from transformers.utils import logging

from ..hub.push_checkpoint import push_checkpoint_to_hub
from ..utils.hub_commits import is_hub_id
from .lora import base_checkpoint
from .run import TrainingRun

logger = logging.get_logger(__name__)


def check_publishing(run: TrainingRun) -> None:
    """
    Raises:
        ValueError: there is to be a push, but the stage that finishes the checkpoint with its card is not to run, or
            it would push an adapter without its base.
    """
    if not run.training.push_to_hub:
        return
    if run.lora.use_lora and not is_hub_id(base_checkpoint(run)):
        raise ValueError(
            f"`push_to_hub` would push an adapter whose base nobody else has ({base_checkpoint(run)}): push that first"
            " and give its id as `base_checkpoint`, or leave `push_to_hub` out."
        )
    if "evaluate" not in run.stage.stages:
        raise ValueError(
            "`push_to_hub` pushes the checkpoint that the stage 'evaluate' finishes with its card: add 'evaluate' to"
            " `stages`, or leave `push_to_hub` out."
        )


def publish(run: TrainingRun) -> None:
    """
    Pushes `checkpoint/` with its card in one commit, to the repository `--hub_model_id` (by default the name of the
    output folder), with `--hub_private_repo`, `--hub_revision` and `--hub_token`. No trainer pushes anything before.

    It is not skipped as finished stages are: starting a finished training again makes up for a push that failed, and
    pushes nothing where the Hub has it all.

    Raises:
        PushError: the Hub cannot be reached, or refuses.
    """
    if run.process.is_main_process:
        arguments = run.training
        commit = push_checkpoint_to_hub(
            run.folders.checkpoint,
            arguments.hub_model_id or run.folders.output.resolve().name,
            private=arguments.hub_private_repo,
            revision=arguments.hub_revision,
            commit_message="Upload trained GGM checkpoint",
            token=arguments.hub_token,
        )
        logger.warning(f"The checkpoint is on the Hub: {commit.commit_url}")
    run.process.wait_for_everyone()
