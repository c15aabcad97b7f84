"""The order in which training rows are drawn."""

from collections.abc import Iterator, Sequence

import torch
from transformers.trainer_pt_utils import LengthGroupedSampler


class SeededLengthGroupedSampler(LengthGroupedSampler):
    """
    transformers' sampler of batches of like length, in an order that depends on the seed and the epoch alone: every
    data-parallel process draws the same order, of which it then takes its own batches, and a resumed run goes on in
    it.

    Args:
        batch_size (`int`): rows per batch (of one process, times gradient accumulation).
        lengths (`Sequence[int]`): a number for each row that grows with the cost of it, such as its frames.
        seed (`int`, *optional*, defaults to 0).

    Example:

    ```python
    >>> from transformers_ggm.data.sampling import SeededLengthGroupedSampler
    >>> sampler = SeededLengthGroupedSampler(2, lengths=[1, 9, 2, 8, 1, 9, 2, 8])
    >>> sampler.set_epoch(1)
    >>> order = list(sampler)
    >>> order == list(sampler), sorted(order)
    (True, [0, 1, 2, 3, 4, 5, 6, 7])

    ```
    """

    def __init__(self, batch_size: int, lengths: Sequence[int], seed: int = 0):
        super().__init__(batch_size, lengths=list(lengths), generator=torch.Generator())
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch comes next; accelerate's data loaders do."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator.manual_seed(self.seed + self.epoch)
        return super().__iter__()
