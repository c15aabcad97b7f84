"""Texts of like length together, so that batches of them have little padding."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from transformers.utils.logging import tqdm

# Texts that are sorted by their tokens together: nearly all of the padding is gone, and they take little memory.
TEXTS_AT_A_TIME = 8192


def encode_by_length(
    texts: Sequence[str],
    batch_size: int,
    tokenize: Callable[[Sequence[str]], Mapping[str, torch.Tensor]],
    encode: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    device: torch.device,
    kind: str = "text",
    progress_bar: bool = False,
) -> Iterator[torch.Tensor]:
    """
    Vectors `(m, d)` of some texts after the other, float32 on the CPU.

    Args:
        texts (`Sequence[str]`): Anything of which slices are sequences of strings.
        batch_size (`int`): Texts encoded at a time, 1 or more; those of like length go together.
        tokenize (`Callable`): Makes padded inputs of texts, with an `attention_mask` among them.
        encode (`Callable`): Makes vectors of a batch's inputs, which are on the device.
        device (`torch.device`): The encoder's.
        kind (`str`, defaults to `"text"`): What a progress bar counts.
        progress_bar (`bool`, defaults to `False`): Whether to show one.
    """
    with tqdm(total=len(texts), desc=f"Encoding {kind}s", unit=kind, disable=not progress_bar) as bar:
        for some in some_texts(texts, batch_size):
            order, vectors = [], []
            for rows, inputs in batches_of_like_lengths(tokenize(some), batch_size):
                inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
                order.append(rows)
                vectors.append(encode(inputs).to("cpu", torch.float32))
                bar.update(len(rows))
            yield torch.cat(vectors)[torch.cat(order).argsort()]


def batches_of_like_lengths(
    inputs: Mapping[str, torch.Tensor], batch_size: int
) -> Iterator[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    """
    Rows of a tokenizer's output, those with the fewest tokens first, each batch without the columns that are padding
    in all of its rows. Tokens and not characters are counted: of one script a character may be a token, and of another
    a word.

    Args:
        inputs (`Mapping[str, torch.Tensor]`): Each of shape `(n, l)`, padded on either side; its `attention_mask` is 1
            on tokens and 0 on padding.
        batch_size (`int`): Rows of a batch, 1 or more.

    Returns:
        `Iterator[tuple]`: The numbers of a batch's rows (`torch.LongTensor` of shape `(m,)`), and its inputs, of
        one column at least where they have any.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.retrieval.like_lengths import batches_of_like_lengths

    >>> ids, mask = torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]])
    >>> batches = batches_of_like_lengths({"input_ids": ids, "attention_mask": mask}, batch_size=1)
    >>> [(rows.tolist(), batch["input_ids"].tolist()) for rows, batch in batches]
    [([1], [[8]]), ([0], [[5, 6, 7]])]

    ```
    """
    mask = inputs["attention_mask"]
    for rows in mask.sum(dim=1).argsort(stable=True).split(batch_size):
        columns = mask[rows].any(dim=0)
        columns[:1] |= ~columns.any()
        yield rows, {name: tensor[rows][:, columns] for name, tensor in inputs.items()}


def some_texts(texts: Sequence[str], batch_size: int) -> Iterator[Sequence[str]]:
    """As many texts as are tokenized together, whole batches of them."""
    size = batch_size * max(1, TEXTS_AT_A_TIME // batch_size)
    for start in range(0, len(texts), size):
        yield texts[start : start + size]
