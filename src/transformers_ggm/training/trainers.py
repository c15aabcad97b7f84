"""What all trainings add to transformers' `Trainer`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils.data import SequentialSampler

from ..data.sampling import SeededLengthGroupedSampler
from .check_arguments import check_drop_last


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


class ShortsTrainerMixin:
    """
    A second collator for evaluation, where nothing is drawn, shuffled or dropped; and
    `train_sampling_strategy="group_by_length"` for shorts, whose length is the number of their frames.
    """

    def __init__(self, *args, eval_data_collator, **kwargs):
        super().__init__(*args, **kwargs)
        self.eval_data_collator = eval_data_collator

    @contextmanager
    def _as_evaluated(self):
        # Of every row there are metrics and predictions, in the order of the rows.
        in_full = changed(self.args, dataloader_drop_last=False, dataloader_in_order=True)
        with in_full, changed(self, data_collator=self.eval_data_collator):
            yield

    def get_train_dataloader(self):
        check_drop_last(self.args, len(self.train_dataset))
        return super().get_train_dataloader()

    def get_eval_dataloader(self, eval_dataset=None):
        with self._as_evaluated():
            return super().get_eval_dataloader(eval_dataset)

    def get_test_dataloader(self, test_dataset):
        with self._as_evaluated():
            return super().get_test_dataloader(test_dataset)

    def _get_train_sampler(self, train_dataset=None):
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        # transformers' own way would read, that is decode, every row to see how long it is.
        dataset = self.train_dataset if train_dataset is None else train_dataset
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        return SeededLengthGroupedSampler(batch_size, dataset.frame_counts(), seed)

    def _get_eval_sampler(self, eval_dataset):
        # Predictions are wanted in the order of the rows. Several processes take turns in it by themselves.
        return SequentialSampler(eval_dataset) if self.args.world_size == 1 else None
