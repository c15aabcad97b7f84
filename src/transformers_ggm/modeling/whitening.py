"""Whitening of a trained retriever's space: no direction counts for more only because vectors vary more along it."""

from collections.abc import Mapping

import torch
from torch import nn
from transformers import initialization as init

from ..errors import InputError

KINDS = ("video", "description", "hashtag")


class Whitening(nn.Module):
    r"""
    A fixed affine map of unit vectors, fitted after training: x becomes (x - m) W, of length 1 again. m is the mean of
    the vectors of x's kind, and W turns them to their principal axes, largest variance first, and divides by
    `variance ** (power / 2)`. With a power of 1 it is the whitening of Su et al. (2021, "Whitening sentence
    representations for better semantics and faster retrieval") and of WhitenedCSE (Zhuo et al., ACL 2023); one of 0
    only takes off the means, which makes hubs rarer (Nielsen and Hansen, RepL4NLP 2024). The mean of each kind by
    itself, the mean of the kinds' covariances, and powers between the two are this project's choice.

    Args:
        dim (`int`): width of the vectors. The map is the identity until [`Whitening.fit`].

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.modeling import Whitening

    >>> alike = torch.nn.functional.normalize(torch.randn(500, 8) + 2, dim=-1)
    >>> whitening = Whitening(8)
    >>> whitening.fit({"description": alike, "hashtag": alike}, power=1.0)
    >>> whitened = whitening(alike, "hashtag")
    >>> round((alike @ alike.T).mean().item(), 1), round(abs((whitened @ whitened.T).mean().item()), 1)
    (0.8, 0.0)

    ```
    """

    def __init__(self, dim: int):
        super().__init__()
        for kind in KINDS:
            self.register_buffer(f"{kind}_mean", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim))

    def reset(self) -> None:
        """Makes the map the identity."""
        for kind in KINDS:
            init.zeros_(getattr(self, f"{kind}_mean"))
        init.copy_(self.matrix, torch.eye(len(self.matrix)))

    @torch.no_grad()
    def fit(self, vectors: Mapping[str, torch.Tensor], power: float) -> None:
        """
        Args:
            vectors (`Mapping[str, torch.Tensor]`): unit vectors `(n, dim)` that are not whitened, by kind: "video",
                "description" or "hashtag". Zeros, of what is missing, do not count. Without descriptions, theirs have
                the mean of hashtags, which the same tower encodes.
            power (`float`): from 0 (means alone are taken off) to 1 (all directions vary alike).

        Raises:
            InputError: `power` is out of range, or a kind has fewer than two vectors.
        """
        if not 0 <= power <= 1:
            raise InputError(f"`power` is {power}; give a number from 0 to 1.")
        self.reset()
        covariances = []
        for kind, of_kind in vectors.items():
            there = of_kind[of_kind.any(dim=-1)].double()
            if len(there) < 2:
                raise InputError(f"{len(there)} {kind} vectors: a retriever's space is whitened by two or more.")
            mean = there.mean(dim=0)
            getattr(self, f"{kind}_mean").copy_(mean)
            covariances.append((there - mean).T @ (there - mean) / len(there))
        if "description" not in vectors:
            self.description_mean.copy_(self.hashtag_mean)
        variances, axes = torch.linalg.eigh(torch.stack(covariances).mean(dim=0))
        # Along an axis on which nothing varies there is nothing to tell apart: what is left there is rounding.
        scales = torch.where(variances > 1e-6 * variances[-1], variances, torch.inf) ** (-power / 2)
        matrix = axes * scales
        self.matrix.copy_((matrix / scales.max()).flip(-1))

    def forward(self, vectors: torch.Tensor, kind: str) -> torch.Tensor:
        """
        Args:
            vectors (`torch.FloatTensor` of shape `(n, dim)`): unit vectors; zeros stay zeros.
            kind (`str`): "video", "description" or "hashtag".
        """
        whitened = (vectors - getattr(self, f"{kind}_mean").to(vectors)) @ self.matrix.to(vectors)
        return unit(whitened) * vectors.any(dim=-1, keepdim=True)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors of length 1, and zeros where they are zero: PyTorch's own smallest length is 0 in float16."""
    return nn.functional.normalize(vectors, dim=-1, eps=torch.finfo(vectors.dtype).tiny)


__all__ = ["KINDS", "Whitening", "unit"]
