"""What a training with `--generator instructed` starts from: a pretrained language model, its prompts, its adapter."""

from typing import TYPE_CHECKING

from transformers import set_seed

from ..data.instructed_collator import DataCollatorForInstructedGeneration
from ..modeling import InstructedForHashtagGeneration
from ..modeling.configuration_instructed import InstructedConfig
from ..processing import InstructedProcessor
from .run import TrainingRun

if TYPE_CHECKING:
    from peft import LoraConfig


def compose_instructed(run: TrainingRun) -> InstructedForHashtagGeneration:
    """The language model that the arguments name."""
    set_seed(run.training.seed)
    return InstructedForHashtagGeneration.from_language_model_pretrained(
        run.model.language_model, max_new_tokens=run.model.max_target_length, dtype="float32"
    )


def instructed_processor(run: TrainingRun) -> InstructedProcessor:
    """The processor of that model, with the lengths of the run."""
    config = InstructedConfig.of_language_model(run.model.language_model)
    return InstructedProcessor.from_language_model_pretrained(
        run.model.language_model,
        takes_images=config.takes_images and "video" in run.model.inputs,
        num_guidance=run.model.num_guidance,
        num_examples=run.source.num_examples,
        max_prompt_length=run.model.max_text_length,
        max_target_length=run.model.max_target_length,
    )


def instructed_collator(run: TrainingRun, training: bool = True) -> DataCollatorForInstructedGeneration:
    """The collator of training, or with `training=False` of inference: prompts alone, and nothing is drawn."""
    return DataCollatorForInstructedGeneration(
        run.shorts.processor,
        training=training,
        answers_apart=not training,
        target_order=run.data.target_order,
        guidance_dropout=run.data.guidance_dropout,
        frame_dropout=run.data.frame_dropout,
        description_dropout=run.data.description_dropout,
        inputs=run.model.inputs,
        seed=run.training.seed,
    )


def instructed_lora_config(run: TrainingRun) -> "LoraConfig":
    """Low-rank updates of all linear layers but the head, or of those that the arguments name."""
    from peft import LoraConfig, TaskType

    return LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=run.lora.lora_r,
        lora_alpha=run.lora.lora_alpha,
        lora_dropout=run.lora.lora_dropout,
        target_modules=run.lora.lora_target_modules or "all-linear",
    )
