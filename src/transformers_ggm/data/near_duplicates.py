"""Finding clips that are nearly the same: re-encoded, resized or posted twice.

Each clip has four perceptual hashes of 64 bits, of frames spread evenly over it (pHash: the signs of the lowest
frequencies of the shrunken grey picture), and a key of its description. Two rows are near-duplicates when

- at least two of their four frames can be compared, and differ in at most `FRAME_BITS` = 4 of 64 bits on average, or
- they have the same description, and the frames that can be compared differ in at most `FRAME_BITS_SAME_WORDS` = 10
  bits on average, or
- neither has a frame that can be compared, and they have the same description of at least 20 letters.

A group holds every row that is linked to another one of it by such pairs. Frames of (almost) one colour can not be
compared: black screens would make one group of all clips that begin with one.

The thresholds are from 150 real clips of 224 pixels (two photos each, many of the same studio), each encoded once more
and compared with itself. Mean bits that differ, at the median and for 95% of the clips, and the share of the clips
that is found by frames alone and with the same description:

| | median | 95% | found | found with the same words |
|---|---|---|---|---|
| half the size, x264 CRF 35 | 1.5 | 3.0 | 99% | 100% |
| same size, x264 CRF 45 | 1.5 | 4.0 | 95% | 100% |
| a quarter of the size (56 pixels), x264 CRF 40 | 2.5 | 5.5 | 83% | 100% |
| three quarters of the size, MPEG-4 at 150 kbit/s | 1.0 | 2.5 | 100% | 100% |
| 15 grey levels brighter and more contrast | 0.5 | 2.0 | 100% | 100% |
| 5% cut off at both ends | 0.0 | 1.0 | 100% | 100% |
| 3% cropped on all sides | 6.0 | 9.0 | 29% | 99% |

Two different ones of 775 such clips differ in 32 bits at the median; 1% of the pairs in 22 or fewer, 0.1% in 12 or
fewer, and 8 of 299,925 pairs in 4 or fewer, which show the same person before the same wall or share a photo. Mirrored
clips are not found.

Not by the package `imagehash`: its pHash cuts the 64 frequencies at their median with the mean among them, knows no
frames of one colour, takes one PIL image at a time and brings PyWavelets; prepared sets hold hashes of the rule above.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import regex
import torch
from torch.nn import functional

from ..errors import InputError
from .corpus import SPLIT_NAMES

NUM_HASHES = 4
FRAME_BITS = 4
FRAME_BITS_SAME_WORDS = 10
# With fewer frames to compare, the description must agree too.
FEWEST_FRAMES = 2
# Descriptions without usable frames beside them have to be this long, in letters and digits, to make duplicates.
SHORTEST_TELLING_DESCRIPTION = 20
# Standard deviation in grey levels below which a shrunken frame counts as one colour. Compressed black screens stay
# below 1; the flattest frame of the clips measured had 17.
_FLAT_DEVIATION = 3.0
FLAT_FRAME = 0

_SIDE = 32
_LUMA = torch.tensor([0.299, 0.587, 0.114])
# The 64 lowest frequencies without the mean, in the order of JPEG's zigzag.
_FREQUENCIES = sorted(
    ((row, column) for row in range(_SIDE) for column in range(_SIDE) if row + column),
    key=lambda place: (sum(place), place),
)[:64]

# Rows that differ in at most FRAME_BITS on average have a frame that differs in no more. A hash is cut into pieces of
# these many bits, two more of them than FRAME_BITS: whichever bits of it differ, two pieces agree. So sorting by each
# pair of pieces brings every such pair of rows together.
_PIECES = (11, 11, 11, 11, 10, 10)
_PIECES_AGREE = len(_PIECES) - FRAME_BITS
# Each row is compared with this many that follow it in sorted order and share its bucket. Larger buckets are sorted by
# the rest of their hash, so that the nearest ones are compared first; some pairs that only share large buckets in all
# sortings are missed.
WINDOW = 32


def frame_hashes(frames: torch.Tensor) -> list[int]:
    """
    Perceptual hashes of four frames that are spread evenly over a clip.

    Args:
        frames (`torch.Tensor`): (f, 3, h, w) uint8, RGB, f at least 1. With fewer than four frames, some are hashed
            more than once.

    Returns:
        `list[int]`: four integers of 64 bits, half of them set, and 0 for a frame of one colour.

    Raises:
        InputError: `frames` has another shape or type, or no frame.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.data.near_duplicates import frame_hashes
    >>> ramp = torch.arange(64, dtype=torch.uint8).expand(1, 3, 48, 64)
    >>> frame_hashes(ramp)[0].bit_count(), frame_hashes(torch.zeros_like(ramp))
    (32, [0, 0, 0, 0])

    ```
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.dtype != torch.uint8 or 0 in frames.shape:
        raise InputError(
            f"`frames` has shape {tuple(frames.shape)} and type {frames.dtype}: it must be (frames, 3, height, width)"
            " of torch.uint8, with at least one frame."
        )
    places = [(2 * index + 1) * len(frames) // (2 * NUM_HASHES) for index in range(NUM_HASHES)]
    grey = (frames[places].float() * _LUMA[:, None, None]).sum(dim=1)
    small = functional.adaptive_avg_pool2d(grey, _SIDE)
    cosines = _cosine_transform()
    spectrum = cosines @ small @ cosines.T
    rows, columns = torch.tensor(_FREQUENCIES).T
    order = spectrum[:, rows, columns].argsort(dim=1, descending=True, stable=True)
    bits = torch.zeros(NUM_HASHES, 64, dtype=torch.uint8).scatter_(1, order[:, :32], 1)
    hashes = np.packbits(bits.numpy(), axis=1).view(">u8")[:, 0]
    return np.where(small.std(dim=(1, 2)).numpy() < _FLAT_DEVIATION, FLAT_FRAME, hashes).tolist()


def _cosine_transform() -> torch.Tensor:
    """The discrete cosine transform (DCT-II) as a matrix of shape `(_SIDE, _SIDE)`, not normalised."""
    place = torch.arange(_SIDE)
    return torch.cos(torch.pi * (2 * place[None] + 1) * place[:, None] / (2 * _SIDE))


_LETTERS = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def description_key(description: str) -> int:
    """
    An integer of 64 bits by which descriptions are compared: equal when their letters and digits are, whatever their
    case, spaces, punctuation and emoji.

    Args:
        description (`str`): any text.

    Returns:
        `int`: 0 for a description without letters or digits. Odd when it is long enough for two rows without usable
        frames to be duplicates by it.
    """
    letters = "".join(_LETTERS.findall(unicodedata.normalize("NFKC", description).casefold()))
    if not letters:
        return 0
    digest = int.from_bytes(hashlib.blake2b(letters.encode(), digest_size=8).digest(), "big")
    is_long = len(letters) >= SHORTEST_TELLING_DESCRIPTION
    return (digest | 1) if is_long else (digest & ~1) or 2


def description_keys(descriptions: Iterable[str]) -> np.ndarray:
    """[`description_key`] of each description: (n,) uint64."""
    return np.fromiter((description_key(text) for text in descriptions), dtype=np.uint64)


def near_duplicate_groups(hashes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """
    Groups of near-duplicates, by the rule at the top of this module.

    All pairs of rows that may be near-duplicates are found by sorting, so that time grows about linearly with the
    rows. Nothing is missed but pairs that come to lie more than `WINDOW` = 32 places apart in every sorting in which
    they share a bucket, as can happen when very many frames are almost the same.

    Args:
        hashes (`np.ndarray`): (n, 4) uint64, what [`frame_hashes`] gave for each row; zeros for a row without a video.
        keys (`np.ndarray`): (n,) uint64, what [`description_keys`] gave.

    Returns:
        `np.ndarray`: (n,) int64, for each row the smallest row index of its group; its own if it is alone.

    Raises:
        InputError: `hashes` or `keys` has another shape or type.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm.data.near_duplicates import description_keys, near_duplicate_groups
    >>> hashes = np.array([[0xFFFFFFFF] * 4, [0xFFFF0000FFFF] * 4, [0x1FFFFFFFE] * 4], dtype=np.uint64)
    >>> near_duplicate_groups(hashes, description_keys(["a lake", "a hill", "that lake"])).tolist()
    [0, 1, 0]

    ```
    """
    if hashes.ndim != 2 or hashes.shape[1] != NUM_HASHES or hashes.dtype != np.uint64:
        raise InputError(f"`hashes` is {hashes.dtype} of shape {hashes.shape}: it must be uint64 of shape (rows, 4).")
    if keys.shape != hashes.shape[:1] or keys.dtype != np.uint64:
        raise InputError(f"`keys` is {keys.dtype} of shape {keys.shape}: it must be uint64 of shape ({len(hashes)},).")
    labels = np.arange(len(hashes))
    for left, right in _candidates(hashes, keys):
        # Most candidates of large groups are linked already.
        apart = labels[left] != labels[right]
        left, right = left[apart], right[apart]
        near = _are_near(hashes[left], hashes[right], (keys[left] == keys[right]) & (keys[left] != 0))
        labels = _link(labels, left[near], right[near])
    left, right = _same_words_alone(hashes, keys)
    return _link(labels, left, right)


def _are_near(left: np.ndarray, right: np.ndarray, same_words: np.ndarray) -> np.ndarray:
    """Whether pairs of rows, (m, 4) and (m, 4), are near by their frames."""
    usable = (left != FLAT_FRAME) & (right != FLAT_FRAME)
    num_usable = usable.sum(axis=1)
    bits = (np.bitwise_count(left ^ right) * usable).sum(axis=1, dtype=np.int64)
    near = (num_usable >= FEWEST_FRAMES) & (bits <= FRAME_BITS * num_usable)
    return near | (same_words & (num_usable > 0) & (bits <= FRAME_BITS_SAME_WORDS * num_usable))


def _candidates(hashes: np.ndarray, keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows that may be near by their frames, as two arrays of row indices at a time."""
    for column in hashes.T:
        rows = np.flatnonzero(column != FLAT_FRAME)
        column = np.ascontiguousarray(column[rows])
        for first in combinations(range(len(_PIECES)), _PIECES_AGREE):
            turned = _bring_forward(column, first)
            order = np.argsort(turned)
            turned = turned[order]
            bucket = turned >> np.uint64(64 - sum(_PIECES[piece] for piece in first))
            for distance in _shared_within_window(bucket):
                differing = np.bitwise_count(turned[distance:] ^ turned[:-distance])
                same = bucket[distance:] == bucket[:-distance]
                start = np.flatnonzero(same & (differing <= FRAME_BITS))
                yield rows[order[start]], rows[order[start + distance]]
    yield from _candidates_of_same_words(hashes, keys)


def _candidates_of_same_words(hashes: np.ndarray, keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rows = np.flatnonzero((keys != 0) & (hashes != FLAT_FRAME).any(axis=1))
    for column in hashes.T:
        order = rows[np.lexsort((column[rows], keys[rows]))]
        bucket = keys[order]
        for distance in _shared_within_window(bucket):
            start = np.flatnonzero(bucket[distance:] == bucket[:-distance])
            yield order[start], order[start + distance]


def _shared_within_window(bucket: np.ndarray) -> Iterator[int]:
    """Distances, from 1, at which some sorted rows still share their bucket."""
    for distance in range(1, min(WINDOW, len(bucket) - 1) + 1):
        if not (bucket[distance:] == bucket[:-distance]).any():
            return
        yield distance


def _bring_forward(hashes: np.ndarray, first: Sequence[int]) -> np.ndarray:
    """The same hashes with the chosen pieces in their highest bits and the other pieces behind them."""
    turned = np.zeros_like(hashes)
    for piece in [*first, *(piece for piece in range(len(_PIECES)) if piece not in first)]:
        width = np.uint64(_PIECES[piece])
        bits = (hashes >> np.uint64(sum(_PIECES[:piece]))) & ((np.uint64(1) << width) - np.uint64(1))
        turned = (turned << width) | bits
    return turned


def _same_words_alone(hashes: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that link all rows of words alone with the same long description."""
    rows = np.flatnonzero((keys % 2 == 1) & (hashes == FLAT_FRAME).all(axis=1))
    rows = rows[np.argsort(keys[rows], kind="stable")]
    start = np.flatnonzero(keys[rows[1:]] == keys[rows[:-1]])
    return rows[start], rows[start + 1]


def _link(labels: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Joins the groups of each pair of rows; `labels` holds for each row the smallest row of its group."""
    while True:
        one, other = labels[left], labels[right]
        apart = one != other
        if not apart.any():
            return labels
        np.minimum.at(labels, np.maximum(one, other)[apart], np.minimum(one, other)[apart])
        while (labels != (further := labels[labels])).any():
            labels = further


def near_duplicates_across_splits(
    groups: np.ndarray,
    splits: np.ndarray,
    names: Sequence[str],
    split_names: Sequence[str] = SPLIT_NAMES,
    max_names: int = 10,
) -> list[dict[str, Any]]:
    """
    The groups of near-duplicates that lie in several splits, the largest ones first.

    Args:
        groups (`np.ndarray`): (n,) from [`near_duplicate_groups`].
        splits (`np.ndarray`): (n,) integers, indices into `split_names`; rows with -1 are left out.
        names (sequence of `str`): what each row is called, for instance its file. Only the names that are listed are
            looked up.
        split_names (sequence of `str`, *optional*): by default those of [`~data.corpus.Corpus`].
        max_names (`int`, defaults to 10): how many names of a group to list per split.

    Returns:
        `list[dict]`: for each group, `rows` (how many it has, `dict[str, int]` by split) and `names`
        (`dict[str, list[str]]` by split, in the order of the rows).
    """
    kept = np.flatnonzero(splits >= 0)
    kept = kept[np.argsort(groups[kept], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[kept], prepend=-1))
    if not len(starts):
        return []
    lowest, highest = (reduce.reduceat(splits[kept], starts) for reduce in (np.minimum, np.maximum))
    ends = np.append(starts[1:], len(kept))
    found = []
    for index in np.flatnonzero(lowest != highest):
        rows = kept[starts[index] : ends[index]]
        by_split = {name: rows[splits[rows] == split] for split, name in enumerate(split_names)}
        by_split = {name: members for name, members in by_split.items() if len(members)}
        found.append(
            {
                "rows": {name: len(members) for name, members in by_split.items()},
                "names": {
                    name: [names[int(row)] for row in members[:max_names]] for name, members in by_split.items()
                },
            }
        )
    return sorted(found, key=lambda group: -sum(group["rows"].values()))


def near_duplicates_summary(groups: np.ndarray, across: Sequence[dict[str, Any]], max_groups: int = 20) -> str:
    """
    What was found, as Markdown.

    Args:
        groups (`np.ndarray`): (n,) from [`near_duplicate_groups`].
        across (`list[dict]`): from [`near_duplicates_across_splits`].
        max_groups (`int`, defaults to 20): how many of the groups across splits to list.

    Returns:
        `str`: a paragraph, and a list of groups if there are any; ends with a line break.
    """
    sizes = np.bincount(groups) if len(groups) else np.zeros(0, dtype=np.int64)
    several = sizes[sizes > 1]
    lines = [
        f"{several.sum():,} of {len(groups):,} rows are in {len(several):,} groups of near-duplicates;"
        f" {len(across):,} of these groups lie in several splits."
    ]
    if across:
        lines.append("")
    for group in across[:max_groups]:
        parts = []
        for split, count in group["rows"].items():
            names = [f"`{name}`" for name in group["names"][split]]
            more = f" and {count - len(names):,} more" if count > len(names) else ""
            parts.append(f"{split}: {', '.join(names)}{more}")
        lines.append(f"- {'; '.join(parts)}")
    if len(across) > max_groups:
        lines.append(f"- {len(across) - max_groups:,} further groups")
    return "\n".join(lines) + "\n"
