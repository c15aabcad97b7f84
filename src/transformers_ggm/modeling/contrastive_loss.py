"""The retriever's loss, and what other papers on contrastive learning change about it."""

from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InputError


def hashtag_contrastive_loss(
    video_embeds: torch.Tensor,
    hashtag_embeds: torch.Tensor,
    logit_scale: torch.Tensor,
    is_true: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""
    CLIP's symmetric contrastive loss on pairs of a video and one of its hashtags, in which a hashtag that is true of
    another row's video is not that row's negative.

    Args:
        video_embeds (`torch.FloatTensor` of shape `(batch, dim)`): unit vectors.
        hashtag_embeds (`torch.FloatTensor` of shape `(batch, dim)`): unit vectors; row i is a hashtag of video i.
        logit_scale (`torch.FloatTensor` of shape `()`): the inverse temperature.
        is_true (`torch.BoolTensor` of shape `(batch, batch)`, *optional*): entry (i, j) says that hashtag j is true of
            video i. `None`: only the pairs on the diagonal are.

    Returns:
        `torch.FloatTensor` of shape `()`.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.modeling import hashtag_contrastive_loss
    >>> vectors = torch.eye(2)
    >>> both_true = torch.ones(2, 2, dtype=torch.bool)
    >>> hashtag_contrastive_loss(vectors, vectors, torch.tensor(1.0), both_true).item()  # no negatives are left
    0.0

    ```
    """
    return HashtagContrastiveLoss()(video_embeds, hashtag_embeds, logit_scale, is_true)


@dataclass(frozen=True)
class HashtagContrastiveLoss:
    r"""
    The loss with switches. With the defaults it is [`hashtag_contrastive_loss`].

    Args:
        decoupled (`bool`, *optional*, defaults to `False`): the positive is left out of the denominator, so that easy
            negatives in small batches do not make its gradient vanish (Yeh et al., ECCV 2022).
        false_negative_power (`float`, *optional*, defaults to 0.0): a negative h' of a pair with the hashtag h counts
            `(1 - max(0, cos(h, h'))) ** false_negative_power`: what lies near a true hashtag is likely true too
            (after DebCSE, CIKM 2023; the formula is our choice).
        negative_margin (`float`, *optional*): of the mined negatives, those nearer to the query than its own hashtag
            less this cosine are left out as likely true (after Conan-embedding and RzenEmbed). By default none is.
        matryoshka_dims (`tuple[int, ...]`, *optional*, defaults to `()`): the loss is the mean of those over the whole
            vectors and over their first so many numbers, which so become vectors of their own (Kusupati et al., 2022).

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.modeling import HashtagContrastiveLoss
    >>> vectors = torch.eye(4)
    >>> loss = HashtagContrastiveLoss(decoupled=True)
    >>> loss(vectors, vectors, torch.tensor(10.0))  # ln(3) - 10
    tensor(-8.9014)

    ```
    """

    decoupled: bool = False
    false_negative_power: float = 0.0
    negative_margin: float | None = None
    matryoshka_dims: tuple[int, ...] = ()

    def __call__(
        self,
        video_embeds: torch.Tensor,
        hashtag_embeds: torch.Tensor,
        logit_scale: torch.Tensor,
        is_true: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Args:
            video_embeds (`torch.FloatTensor` of shape `(batch, dim)`): unit vectors.
            hashtag_embeds (`torch.FloatTensor` of shape `(batch + negatives, dim)`): unit vectors; row i is a hashtag
                of video i, and those behind the pairs are negatives of all of them.
            logit_scale (`torch.FloatTensor` of shape `()`): the inverse temperature.
            is_true (`torch.BoolTensor` of shape `(batch, batch + negatives)`, *optional*): entry (i, j) says that
                hashtag j is true of video i. `None`: only the pairs are.
            weights (`torch.FloatTensor` of shape `(batch,)`, *optional*): what each pair counts, see
                [`propensity_weights`]. By default all count alike.

        Returns:
            `torch.FloatTensor` of shape `()`.

        Raises:
            InputError: one of `matryoshka_dims` is not smaller than the vectors.
        """
        dim = video_embeds.shape[-1]
        if any(not 0 < size < dim for size in self.matryoshka_dims):
            raise InputError(f"`matryoshka_dims` is {self.matryoshka_dims}: give numbers from 1 to {dim - 1}.")
        losses = [self._of_vectors(video_embeds, hashtag_embeds, logit_scale, is_true, weights)]
        for size in self.matryoshka_dims:
            parts = [nn.functional.normalize(vectors[:, :size], dim=-1) for vectors in (video_embeds, hashtag_embeds)]
            losses.append(self._of_vectors(*parts, logit_scale, is_true, weights))
        return sum(losses) / len(losses)

    def _of_vectors(self, videos, hashtags, logit_scale, is_true, weights) -> torch.Tensor:
        pairs = torch.arange(len(videos), device=videos.device)
        cosines = videos @ hashtags.T
        is_left_out = torch.zeros_like(cosines, dtype=torch.bool) if is_true is None else is_true.clone()
        if self.negative_margin is not None:
            mined = cosines[:, len(pairs) :] > cosines.diagonal()[:, None] - self.negative_margin
            is_left_out[:, len(pairs) :] |= mined
        is_left_out[pairs, pairs] = False
        logits = (logit_scale * cosines).masked_fill(is_left_out, float("-inf"))
        if self.false_negative_power:
            logits = logits + self._discounts(hashtags[: len(pairs)], hashtags)
        # Mined hashtags have no video of their own.
        by_video, by_hashtag = self._losses(logits), self._losses(logits[:, : len(pairs)].T)
        each = (by_video + by_hashtag) / 2
        return each.mean() if weights is None else (weights * each).sum() / weights.sum()

    def _discounts(self, own: torch.Tensor, hashtags: torch.Tensor) -> torch.Tensor:
        nearness = (own.detach() @ hashtags.detach().T).clamp(min=0, max=1 - 1e-4)
        discounts = self.false_negative_power * torch.log1p(-nearness)
        pairs = torch.arange(len(own), device=own.device)
        discounts[pairs, pairs] = 0.0
        return discounts

    def _losses(self, logits: torch.Tensor) -> torch.Tensor:
        """The loss of each row, whose positive stands on the diagonal."""
        positive, denominator = logits.diagonal(), logits
        if self.decoupled:
            pairs = torch.arange(len(logits), device=logits.device)
            is_positive = torch.zeros_like(logits, dtype=torch.bool)
            is_positive[pairs, pairs] = True
            # A row without negatives has nothing to be told apart from.
            has_none = (logits.isneginf() | is_positive).all(dim=1)
            denominator = logits.masked_fill(is_positive & ~has_none[:, None], float("-inf"))
        return denominator.logsumexp(dim=1) - positive


def propensity_weights(counts: torch.Tensor, power: float) -> torch.Tensor:
    """
    What pairs count whose hashtags are used more or less often: the inverse of a power of their counts, with mean 1
    (after DebCSE, CIKM 2023).

    Args:
        counts (`torch.Tensor` of shape `(batch,)`): uses of each pair's hashtag, 1 at least.
        power (`float`): 0 weighs all alike.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.modeling.contrastive_loss import propensity_weights
    >>> propensity_weights(torch.tensor([1, 4]), power=0.5)
    tensor([1.3333, 0.6667])

    ```
    """
    weights = counts.float().clamp(min=1) ** -power
    return weights / weights.mean()


__all__ = ["HashtagContrastiveLoss", "hashtag_contrastive_loss", "propensity_weights"]
