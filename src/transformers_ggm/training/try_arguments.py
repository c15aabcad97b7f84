"""Arguments that only transformers, accelerate and PyTorch know to be right, tried out on a model of a few weights."""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import torch
from accelerate.utils import DistributedType
from transformers import BertConfig, BertForSequenceClassification, PrinterCallback, ProgressCallback, Trainer
from transformers.integrations import get_reporting_integration_callbacks

from .arguments import GeneratorArguments
from .check_arguments import explained

LOADING = {
    "dataloader_num_workers", "dataloader_prefetch_factor", "dataloader_persistent_workers",
    "dataloader_multiprocessing_context",
}  # fmt: skip
COMPILING = {"torch_compile", "torch_compile_backend", "torch_compile_mode"}
STEPPING = {
    "optim", "optim_args", "lr_scheduler_type", "lr_scheduler_kwargs", "gradient_checkpointing",
    "gradient_checkpointing_kwargs", "activation_checkpointing", "activation_checkpointing_kwargs", "bf16", "fp16",
    "full_determinism",
}  # fmt: skip
# Launched so, every process holds a part of the model, of which there is nothing to hold in a few weights.
SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)


def try_arguments(arguments: GeneratorArguments) -> None:
    """
    Makes data loaders as the training will, compiles a function, and trains a tiny model for one step, each if an
    argument that it shows was given. Nothing is kept, written or told to anybody.

    Args:
        arguments ([`GeneratorArguments`]): of a stage.

    Raises:
        ArgumentError: the training would end in an error by these arguments.
    """
    given = set(arguments.given)
    with _naming(given & {"report_to"}):
        for callback in get_reporting_integration_callbacks(arguments.report_to):
            callback()
    if given & LOADING:
        with _naming(given & LOADING):
            _make_loader(arguments)
    if given & COMPILING:
        with _naming(given & COMPILING):
            torch.compile(lambda x: x, backend=arguments.torch_compile_backend, mode=arguments.torch_compile_mode)
    if given & STEPPING and arguments.distributed_state.distributed_type not in SHARDED:
        with _naming(given & STEPPING):
            _train_one_step(arguments)


@contextmanager
def _naming(names: Iterable[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise explained(sorted(names), error) from error


def _make_loader(arguments: GeneratorArguments) -> None:
    torch.utils.data.DataLoader(
        [0],
        num_workers=arguments.dataloader_num_workers,
        prefetch_factor=arguments.dataloader_prefetch_factor,
        persistent_workers=arguments.dataloader_persistent_workers,
        multiprocessing_context=arguments.dataloader_multiprocessing_context,
    )


def _train_one_step(arguments: GeneratorArguments) -> None:
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertForSequenceClassification(BertConfig(vocab_size=8, max_position_embeddings=8, **size))
    rows = [{"input_ids": torch.tensor([1, 2]), "labels": torch.tensor(0)}] * arguments.world_size
    arguments = copy.copy(arguments)
    arguments.max_steps = 1
    arguments.per_device_train_batch_size = 1
    arguments.gradient_accumulation_steps = 1
    arguments.dataloader_num_workers = 0
    arguments.dataloader_prefetch_factor = None
    arguments.dataloader_persistent_workers = False
    arguments.dataloader_multiprocessing_context = None
    arguments.dataloader_drop_last = False
    arguments.train_sampling_strategy = "random"
    arguments.eval_strategy = arguments.save_strategy = arguments.logging_strategy = "no"
    arguments.eval_on_start = arguments.load_best_model_at_end = False
    arguments.report_to = []
    arguments.torch_compile = False
    arguments.push_to_hub = False
    with TemporaryDirectory() as folder:
        arguments.output_dir = folder
        trainer = Trainer(model, arguments, train_dataset=rows)
        for callback in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(callback)
        trainer.train()
