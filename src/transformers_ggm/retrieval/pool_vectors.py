"""The vectors of a hashtag pool: float16, in memory while they are few, in memory-mapped files when they are many."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral

import numpy as np
import torch
from torch.nn.functional import normalize

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

    They may be the first numbers of wider vectors, with length 1 again: of an encoder that was trained so (Kusupati et
    al., 2022, Matryoshka representation learning), these are vectors of their own.

    Args:
        blocks (`Sequence[torch.Tensor]`): One or more of shape `(m, d)`, float16, on the CPU, all of one width. Kept,
            not copied.
        whole_dim (`int`, *optional*): How many numbers the vectors had of which the first `d` were kept. By default
            they are whole.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.retrieval.pool_vectors import PoolVectors

    >>> vectors = PoolVectors.collect([torch.eye(2), torch.ones(1, 2)])
    >>> len(vectors), vectors.dim, vectors.rows(torch.tensor([2, 0])).tolist()
    (3, 2, [[1.0, 1.0], [1.0, 0.0]])
    >>> cut = PoolVectors.collect([torch.tensor([[0.0, 0.5, 9.0]])], dim=2)
    >>> cut.whole_dim, cut.rows(torch.tensor([0])).tolist()
    (3, [[0.0, 1.0]])

    ```
    """

    def __init__(self, blocks: Sequence[torch.Tensor], whole_dim: int | None = None):
        self.blocks = tuple(blocks)
        self.dim: int = self.blocks[0].shape[1]
        self.whole_dim = whole_dim or self.dim
        self.cut_to = None if self.dim == self.whole_dim else self.dim
        self._starts = np.cumsum([0, *map(len, self.blocks)])

    @classmethod
    def collect(cls, chunks: Iterable[torch.Tensor], dim: int | None = None) -> "PoolVectors":
        """
        Makes one block of chunks, which are rounded to float16. More than [`MAPPED_FROM`] bytes go to a temporary file
        (in the folder that `TMPDIR` names), which is deleted when the vectors are not used any more.

        Args:
            chunks (`Iterable[torch.Tensor]`): One or more, each `(m, d)`, of any float type, on any device.
            dim (`int`, *optional*): Keep the first so many numbers of each vector, with length 1 again. By default
                vectors stay as they are.

        Raises:
            PoolError: A chunk is not `(m, d)` with the `d` of the first one, or there is none; a number is NaN,
                infinite or beyond float16; or `dim` is no whole number from 1 to `d`.
        """
        whole = None
        with tempfile.SpooledTemporaryFile(max_size=MAPPED_FROM) as file:
            for chunk in chunks:
                rows = torch.as_tensor(chunk).detach()
                if rows.ndim != 2 or rows.shape[1] == 0 or rows.shape[1] != (whole or rows.shape[1]):
                    raise PoolError(
                        f"embeddings has shape {tuple(rows.shape)}: give (n, {whole or 'd'}), "
                        "one vector for each hashtag."
                    )
                whole = rows.shape[1]
                rows = first_numbers(rows, _checked_dim(dim, whole)).to("cpu", torch.float16).contiguous()
                PoolVectors([rows]).check_finite()
                file.write(rows.numpy())
            if whole is None:
                raise PoolError("embeddings is empty: give one vector for each hashtag.")
            return cls([_read_back(file, dim or whole)], whole)

    def like(self, chunks: Iterable[torch.Tensor]) -> "PoolVectors":
        """
        Others by the same encoder, whole ones, of which as many numbers are kept as of these.

        Args:
            chunks (`Iterable[torch.Tensor]`): As for [`~PoolVectors.collect`].

        Raises:
            PoolError: As of [`~PoolVectors.collect`].
        """
        return PoolVectors.collect(chunks, self.cut_to)

    def cut(self, queries: torch.Tensor) -> torch.Tensor:
        """Whole vectors `(q, whole_dim)` as these are to be searched by: `(q, d)`."""
        return first_numbers(queries, self.dim)

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
        if (others.dim, others.whole_dim) != (self.dim, self.whole_dim):
            raise PoolError(f"vectors of {others.whole_dim} dimensions cannot be added to a pool of {self.whole_dim}.")
        *before, last = self.blocks
        first, *after = others.blocks
        joined = [torch.cat([last, first])] if last.nbytes < _JOINED_BELOW else [last, first]
        return PoolVectors([*before, *joined, *after], self.whole_dim)

    def without(self, keep: np.ndarray) -> "PoolVectors":
        """The rows for which `keep` (bool, one a row) is true, as one block."""
        return PoolVectors(PoolVectors.collect(self.kept(keep)).blocks, self.whole_dim)

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


def first_numbers(vectors: torch.Tensor, dim: int) -> torch.Tensor:
    """
    The first `dim` numbers of each vector, with length 1 again (zeros stay zeros); all of them are left as they are.

    Args:
        vectors (`torch.Tensor` of shape `(n, d)`): Of any float type; what is cut becomes float32.
        dim (`int`): From 1 to `d`.
    """
    return vectors if dim == vectors.shape[1] else normalize(vectors[:, :dim].float(), dim=1)


def _checked_dim(dim: int | None, whole: int) -> int:
    if dim is None:
        return whole
    if isinstance(dim, bool) or not isinstance(dim, Integral) or not 1 <= dim <= whole:
        raise PoolError(f"dim={dim!r}: keep a whole number of the {whole} numbers of each vector, 1 or more.")
    return int(dim)


def _read_back(file: tempfile.SpooledTemporaryFile, dim: int) -> torch.Tensor:
    size = file.tell()
    shape = (size // 2 // dim, dim)
    file.seek(0)
    if size > MAPPED_FROM:
        # "c": torch wants what it could write to; nothing that is written would reach the file.
        return torch.from_numpy(np.memmap(file, np.float16, "c", shape=shape))
    content = bytearray(file.read())
    return torch.frombuffer(content, dtype=torch.float16).view(shape) if content else torch.empty(shape).half()
