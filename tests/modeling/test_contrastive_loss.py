"""Switches of the retriever's loss, against the papers' formulas written out row by row."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.errors import InputError
from transformers_ggm.modeling import HashtagContrastiveLoss, hashtag_contrastive_loss
from transformers_ggm.modeling.contrastive_loss import propensity_weights

SCALE = torch.tensor(7.0)


def unit(*shape, seed=0):
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def row_by_row(videos, hashtags, is_true, decoupled=False, power=0.0, margin=None, weights=None):
    """Both directions, one pair after another."""
    count, losses = len(videos), []
    for i in range(count):
        total = 0.0
        for queries, keys, way in ((videos, hashtags, 0), (hashtags[:count], videos, 1)):
            own = SCALE * queries[i] @ keys[i]
            terms = [] if decoupled else [own.exp()]
            for j in range(len(keys)):
                true = is_true[i, j] if way == 0 else is_true[j, i]
                cosine = queries[i] @ keys[j]
                mined = way == 0 and j >= count and margin is not None
                if j == i or true or (mined and cosine > queries[i] @ keys[i] - margin):
                    continue
                nearness = (hashtags[i] @ hashtags[j]).clamp(0, 1 - 1e-4)
                terms.append((1 - nearness) ** power * (SCALE * cosine).exp())
            total = total + torch.stack(terms or [own.exp()]).sum().log() - own
        losses.append(total / 2)
    losses = torch.stack(losses)
    return losses.mean() if weights is None else (weights * losses).sum() / weights.sum()


@given(
    decoupled=st.booleans(),
    power=st.sampled_from([0.0, 1.0, 2.5]),
    margin=st.sampled_from([None, 0.0, 0.3]),
    negatives=st.integers(0, 4),
    weighted=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_is_the_sum_of_its_rows(decoupled, power, margin, negatives, weighted, seed):
    """Would fail if a switch met the wrong rows, columns or direction, or two switches each other."""
    videos, hashtags = unit(5, 6, seed=seed), unit(5 + negatives, 6, seed=seed + 1)
    is_true = torch.rand(5, 5 + negatives, generator=torch.Generator().manual_seed(seed)) < 0.3
    weights = propensity_weights(torch.tensor([1, 3, 9, 2, 5]), 0.5) if weighted else None
    loss = HashtagContrastiveLoss(decoupled, power, margin)(videos, hashtags, SCALE, is_true, weights)
    torch.testing.assert_close(loss, row_by_row(videos, hashtags, is_true, decoupled, power, margin, weights))


def test_plain_loss_is_clips():
    """Would fail if the defaults were not the published loss."""
    videos, hashtags = unit(6, 8), unit(6, 8, seed=1)
    logits, target = SCALE * videos @ hashtags.T, torch.arange(6)
    clip = (
        torch.nn.functional.cross_entropy(logits, target) + torch.nn.functional.cross_entropy(logits.T, target)
    ) / 2
    torch.testing.assert_close(hashtag_contrastive_loss(videos, hashtags, SCALE), clip)


def test_first_numbers_are_vectors_of_their_own():
    """Would fail if shorter vectors were not brought to length 1, or weighed otherwise than whole ones."""
    videos, hashtags = unit(5, 8), unit(5, 8, seed=1)
    parts = [
        hashtag_contrastive_loss(
            *(torch.nn.functional.normalize(vectors[:, :size], dim=-1) for vectors in (videos, hashtags)), SCALE
        )
        for size in (8, 2, 4)
    ]
    loss = HashtagContrastiveLoss(matryoshka_dims=(2, 4))(videos, hashtags, SCALE)
    torch.testing.assert_close(loss, sum(parts) / 3)
    with pytest.raises(InputError, match="from 1 to 7"):
        HashtagContrastiveLoss(matryoshka_dims=(8,))(videos, hashtags, SCALE)


@pytest.mark.parametrize("decoupled", [False, True])
def test_pairs_without_negatives_teach_nothing(decoupled):
    """Would fail if a batch in which everything is true gave an infinite loss or gradient."""
    videos, hashtags = unit(3, 4).requires_grad_(), unit(3, 4, seed=1)
    loss = HashtagContrastiveLoss(decoupled)(videos, hashtags, SCALE, torch.ones(3, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6) and torch.isfinite(videos.grad).all()


def test_decoupled_gradient_does_not_vanish():
    """Would fail if the positive stood in the denominator, whose share takes the gradient away (Yeh et al., eq. 6)."""
    videos, hashtags = torch.eye(4).requires_grad_(), torch.eye(4)
    gradients = {}
    for decoupled in (False, True):
        loss = HashtagContrastiveLoss(decoupled)(videos, hashtags, torch.tensor(50.0))
        (gradients[decoupled],) = torch.autograd.grad(loss, videos)
    assert gradients[False].abs().max() < 1e-6 < 1 < gradients[True].abs().max()
