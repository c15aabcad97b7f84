"""
What of `Seq2SeqTrainingArguments` is refused before anything is read, fetched or written: values that no training can
be run with, and arguments that this package's trainings would pass over in silence or end in an error by.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from accelerate import DistributedType

from ..errors import ArgumentError
from ..hub_cards.results import METRICS

# What decides which rows, columns and outputs there are, which collators and figures rely on: any other value than the
# default is refused, with these words on what to do instead.
REFUSED_BY_TRAINERS = {
    "remove_unused_columns": "the collators read every column: leave it out",
    "label_names": "the labels are `labels`: leave it out",
    "include_for_metrics": "metrics need predictions and labels alone: leave it out",
    "batch_eval_metrics": "metrics are those of a whole split: leave it out",
    "eval_do_concat_batches": "metrics are those of a whole split: leave it out",
    "eval_use_gather_object": "all outputs are tensors: leave it out",
    "length_column_name": "`group_by_length` goes by the number of a clip's frames: leave it out",
    "sortish_sampler": "transformers does not read it any more: use `train_sampling_strategy` `group_by_length`",
}
# What `train.py` refuses in the same way.
REFUSED = {
    **REFUSED_BY_TRAINERS,
    "accelerator_config": "rows are dealt out to processes and ordered by `seed` as going on from a checkpoint needs"
    " it: leave it out",
    # What the stages decide.
    "do_train": "say by --stages what is to run",
    "do_predict": "say by --stages what is to run",
    "resume_from_checkpoint": "a training goes on by itself from the newest checkpoint in its output folder; to begin"
    " anew, give --overwrite_stages",
    "save_total_limit": "--num_best_checkpoints says how many checkpoints are kept",
    "save_only_model": "a training that is stopped could not go on: leave it out",
    "save_on_each_node": "all processes share one output folder: leave it out",
    "enable_jit_checkpoint": "a training that it stops would count as finished; without it, a training that is stopped"
    " goes on from its newest checkpoint",
    "generation_config": "the checkpoint keeps the published decoding: for validation use --generation_num_beams and"
    " --generation_max_length, and change generation_config.json of the finished checkpoint",
    "hub_strategy": "the checkpoint is pushed once, when it is finished: leave it out",
    "hub_always_push": "the checkpoint is pushed once, when it is finished: leave it out",
    # What trainings of these models have not been run with, or cannot be.
    "use_liger_kernel": "it has no kernels for these models: leave it out",
    "liger_kernel_config": "it has no kernels for these models: leave it out",
    "optim_target_modules": "optimizers of single layers are not tried here: choose one of whole models by --optim",
    "parallelism_config": "batches, not models, are divided: use the configurations in examples/accelerate",
    "fsdp": "use `accelerate launch --config_file examples/accelerate/fsdp2.yaml`",
    "fsdp_config": "use `accelerate launch --config_file examples/accelerate/fsdp2.yaml`",
    "deepspeed": "use `accelerate launch --config_file examples/accelerate/deepspeed_zero2.yaml`",
    "ddp_static_graph": "a batch without clips, sound or words leaves parts of the model unused: leave it out",
    "debug": "it cannot look at the masks that these models work with: leave it out",
}
CHOICES = {
    # The best checkpoints by the validation metric are the result.
    "eval_strategy": ("epoch", "steps"),
    "save_strategy": ("epoch", "steps", "best"),
    "train_sampling_strategy": ("random", "sequential", "group_by_length"),
    "include_num_input_tokens_seen": ("no", "all", "non_padding", False, True),
    "ddp_find_unused_parameters": (None, True),
}
NOTHING = (None, "", [], {})
NUMBERS: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        (
            "num_train_epochs", "classifier_num_train_epochs", "per_device_train_batch_size",
            "per_device_eval_batch_size", "retriever_per_device_train_batch_size",
            "classifier_per_device_train_batch_size", "gradient_accumulation_steps", "eval_steps", "save_steps",
            "logging_steps", "eval_accumulation_steps", "generation_num_beams", "dataloader_prefetch_factor",
            "torch_empty_cache_steps", "neftune_noise_alpha", "ddp_timeout", "ddp_bucket_cap_mb",
        ),
        lambda value: value > 0,
        "more than 0",
    ),
    (
        (
            "learning_rate", "retriever_learning_rate", "classifier_learning_rate", "weight_decay",
            "retriever_weight_decay", "warmup_steps", "retriever_warmup_steps", "classifier_warmup_steps",
            "retriever_num_train_epochs", "dataloader_num_workers", "adam_epsilon", "max_grad_norm", "eval_delay",
        ),
        lambda value: value >= 0,
        "0 or more",
    ),
    (
        ("label_smoothing_factor", "adam_beta1", "adam_beta2"),
        lambda value: 0 <= value < 1,
        "0 or more and less than 1",
    ),
    (("generation_max_length",), lambda value: value > 1, "2 or more, since the first token begins every answer"),
    (("seed", "data_seed"), lambda value: 0 <= value < 2**32, "0 or more and less than 2**32"),
)  # fmt: skip


def given_arguments(arguments: Any) -> list[str]:
    """The fields of a dataclass that have another value than their default; nothing, said in whatever way, is none."""
    return [field.name for field in fields(arguments) if not _is_default(field, getattr(arguments, field.name))]


def _is_default(field: Field, value: Any) -> bool:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return value == default or (value in NOTHING and default in NOTHING)


def check_numbers(arguments: Any) -> None:
    """
    Raises:
        ArgumentError: a number of this dataclass is out of its range.
    """
    for names, is_in_range, words in NUMBERS:
        for name in names:
            value = getattr(arguments, name, None)
            if value is not None and not is_in_range(value):
                raise ArgumentError(f"`{name}` is {value}, but must be {words}.")


def check_weights(arguments: Any, names: Iterable[str]) -> None:
    """
    Raises:
        ArgumentError: a weight of a loss among some arguments is below 0, or no number.
    """
    for name in names:
        if not 0 <= getattr(arguments, name) < float("inf"):
            raise ArgumentError(f"`{name}` is {getattr(arguments, name)}, but a weight is 0 at least.")


def check_refused(arguments: Any, refused: Mapping[str, str]) -> None:
    """
    Raises:
        ArgumentError: one of some arguments has another value than its default.
    """
    for name in given_arguments(arguments):
        if name in refused:
            raise ArgumentError(f"`{name}` cannot be set: {refused[name]}.")


def check_values(arguments: Any) -> None:
    """
    Checks each of the inherited arguments by itself, before transformers makes anything of them.

    Args:
        arguments ([`GeneratorArguments`]): as they were given.

    Raises:
        ArgumentError: one is refused whatever its value, or has one that is.
    """
    check_refused(arguments, REFUSED)
    for name, choices in CHOICES.items():
        if getattr(arguments, name) not in choices:
            raise ArgumentError(f"`{name}` is {str(getattr(arguments, name))!r}; choose from {_listed(choices)}.")
    check_numbers(arguments)
    if arguments.ddp_backend is not None and int(os.environ.get("WORLD_SIZE", 1)) == 1:
        raise ArgumentError(
            "`ddp_backend` is for several processes: start them by `accelerate launch`, or leave it out."
        )
    for name, value in _dictionaries(arguments):
        try:
            json.loads(value)
        except json.JSONDecodeError as error:
            raise ArgumentError(f"`{name}` is {value!r}, but must be a JSON object: {error}.") from error


def _dictionaries(arguments: Any) -> Iterable[tuple[str, str]]:
    """Arguments that are dictionaries in words."""
    for field in fields(arguments):
        value = getattr(arguments, field.name)
        if isinstance(value, str) and (field.name.endswith("_kwargs") or value.startswith("{")):
            yield field.name, value


def _listed(choices: Iterable[Any]) -> list[str]:
    return [choice for choice in choices if isinstance(choice, str)] or list(choices)


def check_together(arguments: Any) -> None:
    """
    Checks what the arguments say together.

    Args:
        arguments ([`GeneratorArguments`]): after transformers has filled them up.

    Raises:
        ArgumentError: there would be no best checkpoint, or an argument would go unheeded.
    """
    if arguments.save_strategy != "best":
        if arguments.save_strategy != arguments.eval_strategy:
            raise ArgumentError(
                f"`save_strategy` is {str(arguments.save_strategy.value)!r}, but `eval_strategy`"
                f" {str(arguments.eval_strategy.value)!r}: only what is both can be the best checkpoint. Give the same"
                " to both."
            )
        if arguments.eval_strategy == "steps" and not _divides(arguments.eval_steps, arguments.save_steps):
            raise ArgumentError(
                f"`save_steps` is {arguments.save_steps}, no multiple of `eval_steps` {arguments.eval_steps}: a"
                " checkpoint without figures cannot be the best. Give the same to both."
            )
    if arguments.fp16 and arguments.device.type == "cpu":
        raise ArgumentError("`fp16` needs a GPU: leave it out, or use --bf16 true.")
    _check_processes(arguments)
    _check_metric(arguments)


def _check_processes(arguments: Any) -> None:
    """Processes that accelerate does not join would each train all of the model, and write to one folder."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if processes > 1 and arguments.distributed_state.distributed_type == DistributedType.NO:
        raise ArgumentError(
            f"{processes} processes were started, but without a GPU each would train by itself: give --use_cpu true,"
            " or start one process."
        )


def _divides(evaluated: float, saved: float) -> bool:
    """Whether what is saved is evaluated too. Shares of a training must be multiples of each other as steps must."""
    quotient = saved / evaluated
    return (evaluated < 1) == (saved < 1) and abs(quotient - round(quotient)) < 1e-6


def _check_metric(arguments: Any) -> None:
    """A metric that validation does not give would end the training after its first epoch."""
    metric = arguments.metric_for_best_model.removeprefix("eval_")
    figures = ["loss", *METRICS] if generates(arguments) else ["loss"]
    if metric not in figures:
        without = "" if generates(arguments) else " without `predict_with_generate` or with `prediction_loss_only`"
        raise ArgumentError(
            f"`metric_for_best_model` is {metric!r}, which validation does not give{without}; choose from {figures}."
        )
    if arguments.greater_is_better == (metric == "loss"):
        raise ArgumentError(
            f"`greater_is_better` is {arguments.greater_is_better}, but of {metric!r} the"
            f" {'less' if metric == 'loss' else 'more'} the better: leave it out."
        )


def generates(arguments: Any) -> bool:
    """Whether hashtags are generated in validation, or only the loss is computed."""
    return arguments.predict_with_generate and not arguments.prediction_loss_only


def check_drop_last(arguments: Any, num_rows: int) -> None:
    """
    Args:
        arguments (`TrainingArguments`): of a training.
        num_rows (`int`): of the training split.

    Raises:
        ArgumentError: the only batch would be left out, since it is incomplete.
    """
    batch_size = arguments.train_batch_size * arguments.world_size
    if arguments.dataloader_drop_last and num_rows < batch_size:
        raise ArgumentError(
            f"`dataloader_drop_last` would leave out all training rows: there are {num_rows}, fewer than one batch of"
            f" {batch_size}. Leave it out, or make the batch smaller."
        )


def explained(names: Iterable[str], error: Exception) -> ArgumentError:
    """An error of a library as one that names the arguments that it comes from, or may come from."""
    names = list(names)
    names = [name for name in names if name in str(error)] or names
    listed = ", ".join(f"`{name}`" for name in names)
    return ArgumentError(f"These arguments cannot be used, or not together: {listed}. {type(error).__name__}: {error}")
