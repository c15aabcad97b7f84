"""The generator's trainer: a dataset of shorts in, a model that writes hashtags out."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from transformers import EvalPrediction, Seq2SeqTrainer, TrainingArguments

from ..data import DataCollatorForHashtagGeneration
from ..errors import ArgumentError
from ..evaluation import hashtag_metrics
from ..modeling import GGMForHashtagGeneration
from ..processing import GGMProcessor
from .check_arguments import generates
from .shorts_trainer import ShortsTrainerMixin
from .trainer_datasets import generator_rows
from .training_arguments import GGMTrainingArguments


class GGMTrainer(ShortsTrainerMixin, Seq2SeqTrainer):
    r"""
    `Seq2SeqTrainer` for [`GGMForHashtagGeneration`]. Clips are decoded by the data loader's workers
    (`dataloader_num_workers`), anew in every epoch. Targets are shuffled and true hashtags are dropped from the
    guidance, as the released research code does, with draws that depend on the seed, the epoch and the row alone.

    Validation generates hashtags, whose metrics are those of [`~transformers_ggm.evaluation.hashtag_metrics`]:
    `eval_rouge1`, `eval_rouge2`, `eval_precision`, `eval_recall`, `eval_f1`, `eval_f1_of_means`.

    Args:
        model ([`GGMForHashtagGeneration`]): the model, or one with an adapter of peft.
        args ([`GGMTrainingArguments`], *optional*): defaults to those with the output folder `"ggm"`.
        train_dataset (`datasets.Dataset`, *optional*): with the columns that [`ShortsDataset`] tells of; or a split of
            [`~transformers_ggm.data.load_prepared`] or what [`~transformers_ggm.data.decode_split`] gives, whose clips
            are decoded already.
        eval_dataset (`datasets.Dataset` or `dict[str, datasets.Dataset]`, *optional*): as `train_dataset`.
        processing_class ([`GGMProcessor`]): the model's processor, which is saved with it.
        data_collator ([`DataCollatorForHashtagGeneration`], *optional*): another one than that with the defaults and
            the arguments' `seed`: it says what is dropped, and which inputs the model reads. Evaluation takes a copy
            that draws nothing.
        compute_metrics (`Callable`, *optional*): other metrics, from the padded token ids of predictions and labels.
        **kwargs: as for `Seq2SeqTrainer`.

    Raises:
        ArgumentError: there is no `processing_class`, the arguments have `remove_unused_columns`, or a dataset is a
            stream.
        DatasetError: a dataset has no column `hashtags`, or neither `video` nor `description`, or no row to learn
            from.

    Example:

    ```python
    >>> from datasets import Dataset
    >>> from transformers_ggm import GGMForHashtagGeneration, GGMProcessor, GGMTrainer, GGMTrainingArguments
    >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT

    >>> posts = {"video": ["clip.mp4"], "description": ["first snow"], "hashtags": [["snow", "winter"]]}
    >>> trainer = GGMTrainer(
    ...     GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT),
    ...     GGMTrainingArguments("outputs/ggm", num_train_epochs=3, use_cpu=True),
    ...     train_dataset=Dataset.from_dict(posts),
    ...     processing_class=GGMProcessor.from_pretrained(DEMO_CHECKPOINT),
    ... )
    >>> trainer.train()  # doctest: +SKIP
    >>> trainer.save_model()  # doctest: +SKIP

    ```
    """

    part = "generator"

    def __init__(
        self,
        model: GGMForHashtagGeneration,
        args: TrainingArguments | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: GGMProcessor | None = None,
        data_collator: DataCollatorForHashtagGeneration | None = None,
        compute_metrics: Callable[[EvalPrediction], dict[str, float]] | None = None,
        **kwargs,
    ):
        args = GGMTrainingArguments("ggm") if args is None else args
        if processing_class is None:
            raise ArgumentError("`processing_class` is missing: give the model's `GGMProcessor`.")
        if data_collator is None:
            data_collator = DataCollatorForHashtagGeneration(processing_class, seed=args.seed)
        # Trainer keeps labels that it smooths from the model, which makes its decoder's inputs of them otherwise.
        of_labels = model if args.label_smoothing_factor else None
        if of_labels is not None:
            data_collator = replace(data_collator, model=of_labels)
        if compute_metrics is None and generates(args):
            compute_metrics = partial(generation_metrics, processing_class)
        super().__init__(
            model,
            args,
            data_collator=data_collator,
            eval_data_collator=replace(data_collator, training=False, model=of_labels),
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            compute_metrics=compute_metrics,
            **kwargs,
        )

    def _rows_of(self, dataset: Any, name: str | None) -> Any:
        collator = self.data_collator
        return generator_rows(dataset, collator.processor, collator.inputs, collator.blank_video, name)

    @property
    def loss_shares(self) -> int:
        """What a process's share of the mean over all tokens is multiplied by: `Trainer` takes the mean of shares."""
        return self.accelerator.num_processes if self.args.average_tokens_across_devices else 1

    def evaluation_loop(self, *args, **kwargs):
        # Seq2SeqTrainer keeps the rows that fill up the last batch of several processes: they would count twice.
        self.gather_function = self.accelerator.gather_for_metrics
        return super().evaluation_loop(*args, **kwargs)

    def train(self, resume_from_checkpoint=None, **kwargs):
        """As in transformers; a model that FSDP is to cut up goes on from whole weights."""
        if resume_from_checkpoint is not None and self._is_cut_later():
            self.model.load_state_dict(type(self.model).from_pretrained(resume_from_checkpoint).state_dict())
        return super().train(resume_from_checkpoint, **kwargs)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        # PyTorch cannot load one module that has several names, as the word embeddings do, into its shards.
        if not self._is_cut_later():
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _is_cut_later(self) -> bool:
        return self.is_fsdp_enabled and isinstance(self.model, GGMForHashtagGeneration)


def generation_metrics(processor: GGMProcessor, prediction: EvalPrediction) -> dict[str, float]:
    """The metrics of generated token ids against labels, both padded, as `Trainer` has them."""
    return hashtag_metrics(
        processor.decode_hashtags(prediction.predictions), processor.decode_hashtags(prediction.label_ids)
    )
