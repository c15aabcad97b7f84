"""The trainer of instructed language models: a dataset of shorts in, a model that answers with hashtags out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from transformers import TrainingArguments

from ..data.instructed_collator import DataCollatorForInstructedGeneration
from ..errors import ArgumentError
from ..hub_cards import TrainerFacts
from ..modeling import InstructedForHashtagGeneration
from ..processing import InstructedProcessor
from .check_arguments import generates
from .ggm_trainer import GGMTrainer
from .training_arguments import GGMTrainingArguments


class InstructedTrainer(GGMTrainer):
    r"""
    [`GGMTrainer`] for [`InstructedForHashtagGeneration`]: the model learns to answer a prompt by the hashtags, with
    the loss on the answer alone. What is drawn, dropped and measured is as with [`GGMTrainer`].

    Args:
        model ([`InstructedForHashtagGeneration`]): the model, or one with an adapter of peft.
        args ([`GGMTrainingArguments`], *optional*): defaults to those with the output folder `"instructed"`.
        train_dataset, eval_dataset, compute_metrics, **kwargs: as for [`GGMTrainer`].
        processing_class ([`InstructedProcessor`]): the model's processor, which is saved with it.
        data_collator ([`DataCollatorForInstructedGeneration`], *optional*): another one than that with the defaults.

    Raises:
        ArgumentError: as [`GGMTrainer`], or labels are to be smoothed.
        DatasetError: as [`GGMTrainer`].

    Example:

    ```python
    >>> from datasets import Dataset
    >>> from transformers import AutoTokenizer, LlamaConfig
    >>> from transformers_ggm import (
    ...     DEMO_CHECKPOINT, GGMTrainingArguments, GGMVideoProcessor, InstructedConfig, InstructedForHashtagGeneration,
    ...     InstructedProcessor, InstructedTrainer,
    ... )

    >>> tokenizer = AutoTokenizer.from_pretrained(DEMO_CHECKPOINT)
    >>> llama = LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    >>> posts = {"description": ["first snow"], "guidance": [["winter"]], "hashtags": [["snow", "winter"]]}
    >>> trainer = InstructedTrainer(
    ...     InstructedForHashtagGeneration(InstructedConfig(llama)),
    ...     GGMTrainingArguments("outputs/instructed", num_train_epochs=3, use_cpu=True),
    ...     train_dataset=Dataset.from_dict(posts),
    ...     processing_class=InstructedProcessor(GGMVideoProcessor(), tokenizer),
    ... )
    >>> trainer.train()  # doctest: +SKIP
    >>> trainer.save_model()  # doctest: +SKIP

    ```
    """

    part = "language model"

    def __init__(
        self,
        model: InstructedForHashtagGeneration,
        args: TrainingArguments | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: InstructedProcessor | None = None,
        data_collator: DataCollatorForInstructedGeneration | None = None,
        **kwargs,
    ):
        args = GGMTrainingArguments("instructed") if args is None else args
        if args.label_smoothing_factor:
            raise ArgumentError("`label_smoothing_factor` is for a GGM: leave it out with a language model.")
        if data_collator is None and processing_class is not None:
            data_collator = DataCollatorForInstructedGeneration(processing_class, seed=args.seed)
        super().__init__(
            model,
            args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            data_collator=data_collator,
            **kwargs,
        )
        self.eval_data_collator = replace(self.eval_data_collator, answers_apart=generates(args))

    def _facts(self, model: Any, name: str | None, base: str | None, metadata: Mapping[str, Any]) -> TrainerFacts:
        # One that was loaded as a language model has its name there.
        return super()._facts(model, name, base or model.name_or_path or model.language_model.name_or_path, metadata)

    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys=None, **gen_kwargs
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Answers to prompts, without these; a loss where nothing is generated."""
        if not self.eval_data_collator.answers_apart:
            return super().prediction_step(model, inputs, True, ignore_keys)
        inputs = self._prepare_inputs(inputs)
        labels = inputs.pop("labels", None)
        gen_kwargs = {name: value for name, value in (gen_kwargs or self._gen_kwargs).items() if value is not None}
        if "max_length" in gen_kwargs:  # of a target; a prompt does not count
            gen_kwargs["max_new_tokens"] = gen_kwargs.pop("max_length")
        tokens = self.model.generate(**inputs, **gen_kwargs)[:, inputs["input_ids"].shape[1] :]
        # Behind an answer's end there is padding.
        return None, tokens.contiguous(), labels


__all__ = ["InstructedTrainer"]
