"""Training a low-rank adapter (LoRA) instead of the whole generator: the base it changes, and the files it leaves."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from transformers import set_seed
from transformers.utils.peft_utils import ADAPTER_CONFIG_NAME, ADAPTER_SAFE_WEIGHTS_NAME, find_adapter_config_file

from ..errors import CheckpointError
from ..modeling import GGMForHashtagGeneration, InstructedForHashtagGeneration, make_lora_config
from ..processing import GGMProcessor, InstructedProcessor
from ..utils.checkpoint_layout import RETRIEVER_FOLDER, read_configuration
from ..utils.hub_snapshots import local_folder
from .arguments import unreached
from .instructed import instructed_lora_config
from .run import TrainingRun
from .weights import WEIGHTS_DTYPES

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel


def base_of_adapter(name: str) -> str:
    """
    The model that an adapter changes, as its `adapter_config.json` names it.

    Raises:
        CheckpointError: there is no adapter of that name, or it does not tell.
    """
    path = find_adapter_config_file(name)
    if path is None:
        raise CheckpointError(f"{name} has no {ADAPTER_CONFIG_NAME}: give the folder or Hub id of an adapter.")
    base = read_configuration(Path(path)).get("base_model_name_or_path")
    if not base:
        raise CheckpointError(f"{path} names no `base_model_name_or_path`: write there which checkpoint it adapts.")
    return base


def base_checkpoint(run: TrainingRun) -> str:
    """Folder or Hub id of the whole checkpoint that a run adapts."""
    if run.lora.lora_adapter is not None:
        return base_of_adapter(run.lora.lora_adapter)
    return str(run.folders.base) if run.lora.base_checkpoint is None else run.lora.base_checkpoint


def base_processor(run: TrainingRun, lengths: dict[str, int]) -> GGMProcessor | InstructedProcessor:
    """The processor of the base checkpoint, with a run's own numbers; without sound where the run has none."""
    if run.model.is_instructed:
        processor = InstructedProcessor.from_pretrained(base_checkpoint(run))
        processor.num_guidance, processor.max_prompt_length = lengths["num_guidance"], lengths["max_text_length"]
        processor.max_target_length, processor.num_examples = lengths["max_target_length"], run.source.num_examples
        return processor
    processor = GGMProcessor.from_pretrained(base_checkpoint(run))
    return GGMProcessor(
        processor.video_processor,
        processor.tokenizer,
        None if "audio" in unreached(run.model) else processor.feature_extractor,
        max_audio_seconds=processor.max_audio_seconds,
        **lengths,
    )


def base_retriever(run: TrainingRun) -> Path:
    """
    The retriever of the base checkpoint, or that of the adapter that training goes on with, which may have its own.

    Raises:
        CheckpointError: neither has one, or it cannot be fetched.
    """
    sources = [name for name in (run.lora.lora_adapter, base_checkpoint(run)) if name is not None]
    for source in sources:
        failure = f"{source} cannot be fetched from the Hub: check the name and your connection."
        folder = local_folder(source, [f"{RETRIEVER_FOLDER}/*"], failure) / RETRIEVER_FOLDER
        if folder.is_dir():
            return folder
    raise CheckpointError(
        f"{' and '.join(sources)} has no {RETRIEVER_FOLDER}/: take a checkpoint with one, or go without guidance "
        "(--num_guidance 0 --stages prepare generator evaluate)."
    )


def load_base(run: TrainingRun) -> GGMForHashtagGeneration | InstructedForHashtagGeneration:
    """
    The base in the type that training computes with.

    Raises:
        CheckpointError: it is no generator's whole checkpoint, or it writes less than the run's targets are long.
    """
    name = base_checkpoint(run)
    if find_adapter_config_file(name) is not None:
        raise CheckpointError(f"{name} is an adapter: to go on training it, give it as `lora_adapter`.")
    if run.model.is_instructed:
        return InstructedForHashtagGeneration.from_pretrained(name, dtype=torch.float32)
    model = GGMForHashtagGeneration.from_pretrained(name, dtype=torch.float32, fusion_dropout=run.model.fusion_dropout)
    # An adapter has no generation settings of its own.
    longest = model.generation_config.max_length
    if longest is not None and run.model.max_target_length > longest:
        raise CheckpointError(
            f"{name} writes {longest} tokens at most, but `max_target_length` is {run.model.max_target_length}: lower"
            " it."
        )
    return model


def make_adapter(run: TrainingRun) -> "PeftModel":
    """The base with a new adapter, or with the one that training goes on with."""
    from peft import PeftModel, get_peft_model

    model = load_base(run)
    set_seed(run.training.seed)
    if run.lora.lora_adapter is not None:
        return PeftModel.from_pretrained(model, run.lora.lora_adapter, is_trainable=True)
    config = instructed_lora_config(run) if run.model.is_instructed else _ggm_lora_config(run, model)
    adapted = get_peft_model(model, config)
    name = base_checkpoint(run)
    # Found again from wherever the adapter is loaded.
    config.base_model_name_or_path = str(Path(name).resolve()) if Path(name).is_dir() else name
    return adapted


def _ggm_lora_config(run: TrainingRun, model: GGMForHashtagGeneration) -> "LoraConfig":
    return make_lora_config(
        model,
        parts=run.lora.lora_parts,
        r=run.lora.lora_r,
        alpha=run.lora.lora_alpha,
        dropout=run.lora.lora_dropout,
        target_modules=run.lora.lora_target_modules,
        fusion=run.lora.fusion_training,
        without=unreached(run.model),
    )


def save_adapter(source: Path, folder: Path, dtype: str = "float32") -> None:
    """
    Copies a trained adapter.

    Args:
        source (`Path`): a checkpoint of its training.
        folder (`Path`): where to; an existing folder.
        dtype (`str`, *optional*, defaults to `"float32"`): type to store its weights in.
    """
    if dtype not in WEIGHTS_DTYPES:
        raise ValueError(f"`dtype` is {dtype!r}; choose from {WEIGHTS_DTYPES}.")
    weights = {
        name: tensor.to(getattr(torch, dtype))
        for name, tensor in load_file(source / ADAPTER_SAFE_WEIGHTS_NAME).items()
    }
    save_file(weights, folder / ADAPTER_SAFE_WEIGHTS_NAME, metadata={"format": "pt"})
    config = read_configuration(source / ADAPTER_CONFIG_NAME)
    (folder / ADAPTER_CONFIG_NAME).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
