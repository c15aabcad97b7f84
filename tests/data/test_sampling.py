"""The order of training rows."""

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler

from transformers_ggm.data.sampling import SeededLengthGroupedSampler


def order(lengths, batch_size=4, seed=0, epoch=0):
    sampler = SeededLengthGroupedSampler(batch_size, lengths, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


@given(st.lists(st.integers(0, 15), min_size=1, max_size=200), st.integers(1, 16), st.integers(0, 3))
@settings(deadline=None)
def test_every_row_once(lengths, batch_size, epoch):
    """Would fail if a row were left out of an epoch, or drawn twice."""
    assert sorted(order(lengths, batch_size, epoch=epoch)) == list(range(len(lengths)))


def test_order_depends_on_seed_and_epoch_alone():
    """Would fail if processes whose random states differ drew other orders, or every epoch were the same."""
    lengths = [number % 15 for number in range(300)]
    torch.manual_seed(1)
    first = order(lengths, epoch=2)
    torch.manual_seed(2)
    assert order(lengths, epoch=2) == first
    assert order(lengths, epoch=3) != first and order(lengths, seed=1, epoch=2) != first


@pytest.mark.contract
def test_processes_share_the_rows():
    """Would fail if data-parallel processes read the same rows, or left some out."""
    lengths = [number % 15 for number in range(64)]
    shares = []
    for rank in range(2):
        torch.manual_seed(rank)  # the processes' own random states may differ
        batches = BatchSampler(SeededLengthGroupedSampler(8, lengths), batch_size=4, drop_last=False)
        shares.append([row for batch in BatchSamplerShard(batches, 2, rank) for row in batch])
    assert sorted(shares[0] + shares[1]) == list(range(64)) and len(shares[0]) == len(shares[1])


def test_batches_are_of_like_length():
    """Would fail if batches were padded as much as in a random order."""
    lengths = torch.randint(1, 16, (640,)).tolist()

    def padding(rows):
        batches = [[lengths[row] for row in rows[start : start + 8]] for start in range(0, 640, 8)]
        return sum(max(batch) * len(batch) - sum(batch) for batch in batches)

    assert padding(order(lengths, batch_size=8)) < padding(torch.randperm(640).tolist()) / 5
