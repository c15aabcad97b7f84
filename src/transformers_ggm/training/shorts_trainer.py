"""What all trainings add to transformers' `Trainer`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch.utils.data import SequentialSampler
from transformers import PreTrainedModel, TrainingArguments

from ..data.sampling import SeededLengthGroupedSampler
from ..errors import ArgumentError
from ..hub_cards import TrainerFacts, write_trainer_card
from .callbacks import EpochCallback
from .check_arguments import check_drop_last
from .model_card_callback import ModelCardCallback, note_published
from .run_records import TrainingRecord


@contextmanager
def changed(holder: Any, **values: Any) -> Iterator[None]:
    """Gives some attributes of an object other values for a while."""
    before = {name: getattr(holder, name) for name in values}
    for name, value in values.items():
        setattr(holder, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(holder, name, value)


def collator_facts(collator: Any) -> dict[str, Any]:
    """The settings of a collator for the record of a training."""
    values = {field.name: getattr(collator, field.name, None) for field in fields(collator)}
    facts = {name: value for name, value in values.items() if isinstance(value, (bool, int, float, str))}
    return {**facts, "inputs": list(values["inputs"])} if "inputs" in values else facts


class ShortsTrainerMixin:
    """
    A second collator for evaluation, where nothing is drawn, shuffled or dropped;
    `train_sampling_strategy="group_by_length"` for shorts, whose length is the number of their frames; a collator that
    knows the epoch; and a record beside the checkpoints, of which the model card tells.

    Args:
        model (`PreTrainedModel`), args (`TrainingArguments`), data_collator, **kwargs: as for `Trainer`.
        eval_data_collator: the collator of evaluation and prediction.
        train_dataset (`datasets.Dataset`, *optional*), eval_dataset (`datasets.Dataset` or `dict`, *optional*):
            subclasses say by `_rows_of` what they make of them.
    """

    # What the card calls a part of a checkpoint: "generator" or "retriever".
    part: str

    def __init__(
        self,
        model: Any,
        args: TrainingArguments,
        data_collator: Any,
        eval_data_collator: Any,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        **kwargs,
    ):
        if args.remove_unused_columns:
            raise ArgumentError("`remove_unused_columns` must be False: the collators read every column.")
        self.data_collator, self.eval_data_collator = data_collator, eval_data_collator  # rows are read for them
        super().__init__(
            model,
            args,
            data_collator=data_collator,
            train_dataset=None if train_dataset is None else self._rows_of(train_dataset, "train_dataset"),
            eval_dataset=self._eval_rows(eval_dataset),
            **kwargs,
        )
        self.model_card_callback = ModelCardCallback({"data": collator_facts(data_collator)})
        self.add_callback(self.model_card_callback)
        if hasattr(data_collator, "set_epoch"):
            self.add_callback(EpochCallback(data_collator))

    def _rows_of(self, dataset: Any, name: str | None) -> Any:
        """
        The rows that the collators read.

        Args:
            dataset: what a caller gave.
            name (`str` or `None`): what messages call it where its rows have to have hashtags, as in training and
                evaluation; `None` for prediction.
        """
        return dataset

    def _eval_rows(self, dataset: Any) -> Any:
        if isinstance(dataset, Mapping):
            return {name: self._rows_of(rows, f"eval_dataset[{name!r}]") for name, rows in dataset.items()}
        return dataset if dataset is None or isinstance(dataset, str) else self._rows_of(dataset, "eval_dataset")

    @contextmanager
    def _as_evaluated(self):
        # Of every row there are figures and predictions, in the order of the rows.
        in_full = changed(self.args, dataloader_drop_last=False, dataloader_in_order=True)
        with in_full, changed(self, data_collator=self.eval_data_collator):
            yield

    def get_train_dataloader(self):
        check_drop_last(self.args, len(self.train_dataset))
        return super().get_train_dataloader()

    def get_eval_dataloader(self, eval_dataset=None):
        with self._as_evaluated():
            return super().get_eval_dataloader(self._eval_rows(eval_dataset))

    def get_test_dataloader(self, test_dataset):
        with self._as_evaluated():
            return super().get_test_dataloader(self._rows_of(test_dataset, None))

    def _get_train_sampler(self, train_dataset=None):
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        # transformers' own way would read, that is decode, every row to see how long it is.
        dataset = self.train_dataset if train_dataset is None else train_dataset
        if not hasattr(dataset, "frame_counts"):
            raise ArgumentError(
                "`train_sampling_strategy` 'group_by_length' has to know how many frames each clip has, which only a"
                " prepared set tells: leave it out, or prepare the clips first."
            )
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        return SeededLengthGroupedSampler(batch_size, dataset.frame_counts(), seed)

    def _get_eval_sampler(self, eval_dataset):
        # Predictions are wanted in the order of the rows. Several processes take turns in it by themselves.
        return SequentialSampler(eval_dataset) if self.args.world_size == 1 else None

    def create_model_card(
        self,
        language=None,
        license=None,
        tags=None,
        model_name=None,
        finetuned_from=None,
        tasks=None,
        dataset_tags=None,
        dataset=None,
        dataset_args=None,
    ):
        """
        Writes `README.md` into the output folder, filled with what the trainer knows and nothing else;
        `push_to_hub` calls it. The card of an adapter is peft's own.

        Args:
            language, license, tags, model_name, finetuned_from, dataset: metadata, as for `Trainer`; `dataset` is the
                Hub id of the data. Others are not told.
        """
        model = self.accelerator.unwrap_model(self.model)
        if not isinstance(model, PreTrainedModel):
            super().create_model_card(
                language, license, tags, model_name, finetuned_from, tasks, dataset_tags, dataset, dataset_args
            )
        elif self.is_world_process_zero():
            metadata = {"language": language, "license": license, "datasets": dataset, "tags": tags}
            write_trainer_card(self._facts(model, model_name, finetuned_from, metadata))

    def _facts(
        self, model: PreTrainedModel, name: str | None, base: str | None, metadata: Mapping[str, Any]
    ) -> TrainerFacts:
        """What the card is filled from."""
        record = TrainingRecord(self.args.output_dir)
        if record.read() is not None:
            best = self.state.best_global_step if self.args.load_best_model_at_end else None
            note_published(record, self.state.log_history, self.state.global_step if best is None else best)
        folder = Path(self.args.output_dir)
        return TrainerFacts(
            folder=folder,
            part=self.part,
            model_name=name or folder.resolve().name,
            model_id=self.hub_model_id,
            base_model=base or model.name_or_path,
            num_train_rows=None if self.train_dataset is None else len(self.train_dataset),
            record=record.read(),
            metadata={key: value for key, value in metadata.items() if value is not None},
        )
