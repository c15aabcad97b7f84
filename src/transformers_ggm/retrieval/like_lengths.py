"""Texts of like length together, so that batches of them have little padding."""

from collections.abc import Iterator, Mapping, Sequence

import torch

# Texts that are sorted by their tokens together: nearly all of the padding is gone, and they take little memory.
TEXTS_AT_A_TIME = 8192


def batches_of_like_lengths(
    inputs: Mapping[str, torch.Tensor], mask: torch.Tensor, batch_size: int
) -> Iterator[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    """
    Rows of a tokenizer's output, those with the fewest tokens first, each batch without the columns that are padding
    in all of its rows. Tokens and not characters are counted: of one script a character may be a token, and of another
    a word.

    Args:
        inputs (`Mapping[str, torch.Tensor]`): Each of shape `(n, l)`, padded on either side.
        mask (`torch.Tensor` of shape `(n, l)`): 1 on tokens, 0 on padding.
        batch_size (`int`): Rows of a batch, 1 or more.

    Returns:
        `Iterator[tuple]`: The numbers of a batch's rows (`torch.LongTensor` of shape `(m,)`), and its inputs, of
        one column at least where they have any.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.retrieval.like_lengths import batches_of_like_lengths

    >>> ids, mask = torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]])
    >>> [(rows.tolist(), batch["ids"].tolist()) for rows, batch in batches_of_like_lengths({"ids": ids}, mask, 1)]
    [([1], [[8]]), ([0], [[5, 6, 7]])]

    ```
    """
    for rows in mask.sum(dim=1).argsort(stable=True).split(batch_size):
        columns = mask[rows].any(dim=0)
        columns[:1] |= ~columns.any()
        yield rows, {name: tensor[rows][:, columns] for name, tensor in inputs.items()}


def some_texts(texts: Sequence[str], batch_size: int) -> Iterator[tuple[int, Sequence[str]]]:
    """As many texts as are tokenized together, whole batches of them, and the number of the first."""
    size = batch_size * max(1, TEXTS_AT_A_TIME // batch_size)
    for start in range(0, len(texts), size):
        yield start, texts[start : start + size]
