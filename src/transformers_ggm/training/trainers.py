"""What both trainings add to transformers' `Trainer`."""

from torch.utils.data import SequentialSampler

from ..data.sampling import SeededLengthGroupedSampler


class ShortsTrainerMixin:
    """
    A second collator for evaluation, where nothing is drawn, shuffled or dropped; and
    `train_sampling_strategy="group_by_length"` for shorts, whose length is the number of their frames.
    """

    def __init__(self, *args, eval_data_collator, **kwargs):
        super().__init__(*args, **kwargs)
        self.train_data_collator = self.data_collator
        self.eval_data_collator = eval_data_collator

    def _with_eval_collator(self, make_loader, dataset):
        self.data_collator = self.eval_data_collator
        try:
            return make_loader(dataset)
        finally:
            self.data_collator = self.train_data_collator

    def get_eval_dataloader(self, eval_dataset=None):
        return self._with_eval_collator(super().get_eval_dataloader, eval_dataset)

    def get_test_dataloader(self, test_dataset):
        return self._with_eval_collator(super().get_test_dataloader, test_dataset)

    def _get_train_sampler(self, train_dataset=None):
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        # transformers' own way would read, that is decode, every row to see how long it is.
        dataset = self.train_dataset if train_dataset is None else train_dataset
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return SeededLengthGroupedSampler(batch_size, dataset.frame_counts(), self.args.seed)

    def _get_eval_sampler(self, eval_dataset):
        # Predictions are wanted in the order of the rows. Several processes take turns in it by themselves.
        return SequentialSampler(eval_dataset) if self.args.world_size == 1 else None
