"""The vectors of a hashtag pool: float16, in memory while they are few, in memory-mapped files when they are many."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from ..errors import PoolError

# Vectors of more bytes than this are left in their file (or put into a temporary one) and memory-mapped.
MAPPED_FROM = 256 * 2**20
# Blocks of fewer bytes than this are joined with what is appended, so that there are never many blocks.
_JOINED_BELOW = 64 * 2**20
# Values that are float32 at a time: 4 MB, which fits into a CPU's cache.
_NUMBERS_AT_A_TIME = 2**20


class PoolVectors:
    """
    Rows of float16 values on the CPU, block by block. They are never changed: what adds or leaves out rows gives a
    new object, which shares the blocks that stay the same.

    Args:
        blocks (`Sequence[torch.Tensor]`): One or more of shape `(m, d)`, float16, on the CPU, all of one width. Kept,
            not copied.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.retrieval.pool_vectors import PoolVectors

    >>> vectors = PoolVectors.collect([torch.eye(2), torch.ones(1, 2)])
    >>> len(vectors), vectors.dim, vectors.rows(torch.tensor([2, 0])).tolist()
    (3, 2, [[1.0, 1.0], [1.0, 0.0]])

    ```
    """

    def __init__(self, blocks: Sequence[torch.Tensor]):
        self.blocks = tuple(blocks)
        self.dim: int = self.blocks[0].shape[1]
        self._starts = np.cumsum([0, *map(len, self.blocks)])

    @classmethod
    def collect(cls, chunks: Iterable[torch.Tensor]) -> "PoolVectors":
        """
        Makes one block of chunks, which are rounded to float16. More than [`MAPPED_FROM`] bytes go to a temporary file
        (in the folder that `TMPDIR` names), which is deleted when the vectors are not used any more.

        Args:
            chunks (`Iterable[torch.Tensor]`): One or more, each `(m, d)`, of any float type, on any device.

        Raises:
            PoolError: A chunk is not `(m, d)` with the `d` of the first one, or there is none; or a number is NaN,
                infinite or beyond float16.
        """
        dim = None
        with tempfile.SpooledTemporaryFile(max_size=MAPPED_FROM) as file:
            for chunk in chunks:
                rows = torch.as_tensor(chunk).detach()
                if rows.ndim != 2 or rows.shape[1] == 0 or rows.shape[1] != (dim or rows.shape[1]):
                    raise PoolError(
                        f"embeddings has shape {tuple(rows.shape)}: give (n, {dim or 'd'}), "
                        "one vector for each hashtag."
                    )
                dim = rows.shape[1]
                rows = rows.to("cpu", torch.float16).contiguous()
                PoolVectors([rows]).check_finite()
                file.write(rows.numpy())
            if dim is None:
                raise PoolError("embeddings is empty: give one vector for each hashtag.")
            return cls([_read_back(file, dim)])

    def check_finite(self) -> None:
        """
        Raises:
            PoolError: Some number is NaN or infinite.
        """
        # The sum of a chunk of finite float16 values is far from float32's limits, and quicker than checking each.
        if not all(chunk.sum().isfinite() for _, chunk in self.chunks()):
            raise PoolError("embeddings holds NaN, infinity or values beyond float16: check the retriever's outputs.")

    def __len__(self) -> int:
        return int(self._starts[-1])

    def chunks(
        self, start: int = 0, end: int | None = None, at_a_time: int | None = None
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """
        Goes through the rows from `start` up to `end` (by default the last one) without ever holding many as float32:
        at most `at_a_time`, by default as many as fit into a processor's cache.

        Yields:
            `tuple[int, torch.Tensor]`: The number of the first row, and rows `(m, d)`, float32, valid until the next
            step only.
        """
        end = len(self) if end is None else end
        at_a_time = at_a_time or max(1, _NUMBERS_AT_A_TIME // self.dim)
        buffer = torch.empty(at_a_time, self.dim)
        for first, block in zip(self._starts.tolist(), self.blocks):
            for row in range(max(first, start), min(first + len(block), end), at_a_time):
                rows = block[row - first : min(row + at_a_time, end) - first]
                yield row, buffer[: len(rows)].copy_(rows)

    def rows(self, indices: torch.Tensor) -> torch.Tensor:
        """The rows at these indices, `(len(indices), d)`, float32."""
        if len(self.blocks) == 1:
            return self.blocks[0][indices].float()
        found = torch.empty(len(indices), self.dim)
        block_of = torch.from_numpy(np.searchsorted(self._starts, indices.numpy(), side="right") - 1)
        for number in block_of.unique().tolist():
            here = block_of == number
            found[here] = self.blocks[number][indices[here] - int(self._starts[number])].float()
        return found

    def followed_by(self, others: "PoolVectors") -> "PoolVectors":
        """
        These rows and then others.

        Raises:
            PoolError: The others have another width.
        """
        if others.dim != self.dim:
            raise PoolError(f"vectors of {others.dim} dimensions cannot be added to a pool of {self.dim}.")
        *before, last = self.blocks
        first, *after = others.blocks
        joined = [torch.cat([last, first])] if last.nbytes < _JOINED_BELOW else [last, first]
        return PoolVectors([*before, *joined, *after])

    def kept(self, keep: np.ndarray | None) -> Iterator[torch.Tensor]:
        """
        The rows for which `keep` (bool, one a row; `None` for all) is true: float16 tensors, some thousand rows each.
        """
        at_a_time = max(1, 8 * _NUMBERS_AT_A_TIME // self.dim)
        for first, block in zip(self._starts.tolist(), self.blocks):
            for row in range(0, len(block), at_a_time):
                rows = block[row : row + at_a_time]
                if keep is None:
                    yield rows
                else:
                    yield rows[torch.from_numpy(keep[first + row : first + row + len(rows)])]


def _read_back(file: tempfile.SpooledTemporaryFile, dim: int) -> torch.Tensor:
    size = file.tell()
    shape = (size // 2 // dim, dim)
    file.seek(0)
    if size > MAPPED_FROM:
        # "c": torch wants what it could write to; nothing that is written would reach the file.
        return torch.from_numpy(np.memmap(file, np.float16, "c", shape=shape))
    content = bytearray(file.read())
    return torch.frombuffer(content, dtype=torch.float16).view(shape) if content else torch.empty(shape).half()
