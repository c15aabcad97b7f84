"""What of a clip could not be decoded: told beside its frames and its sound, and held against a limit."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import groupby

from transformers.utils import logging

from ...errors import MediaError

logger = logging.get_logger(__name__)


class UnusableStreamError(MediaError):
    """One stream of a file cannot be used; another one may be good."""


@dataclass(frozen=True)
class MediaDamage:
    """What of a clip is damaged, and so was left out or is shown with faults. False where nothing was noticed.

    Only what is decoded is checked: where a few frames of a long clip are taken, damage far from them goes
    unnoticed.

    Args:
        num_frames (`int`, defaults to 0): Frames that were checked, for the sake of which the others are counted.
        num_missing_frames (`int`, defaults to 0): Those of them that cannot be decoded, and were left out.
        num_faulty_frames (`int`, defaults to 0): Those that the decoder mended as it could, which are shown.
        num_sound_packets (`int`, defaults to 0): Packets of the sound that were checked.
        num_faulty_sound_packets (`int`, defaults to 0): Those that cannot be decoded, and were left out, or have
            faults.
        remarks (`tuple[str, ...]`, defaults to `()`): What is wrong with a whole stream or with the file.

    Example:

    ```python
    >>> from transformers_ggm.processing import MediaDamage

    >>> print(MediaDamage(num_frames=180, num_missing_frames=1))
    1 of 180 frames cannot be decoded
    >>> bool(MediaDamage(num_frames=180))
    False

    ```
    """

    num_frames: int = 0
    num_missing_frames: int = 0
    num_faulty_frames: int = 0
    num_sound_packets: int = 0
    num_faulty_sound_packets: int = 0
    remarks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.num_missing_frames or self.num_faulty_frames or self.num_faulty_sound_packets or self.remarks)

    def __str__(self) -> str:
        counts = [
            (self.num_missing_frames, self.num_frames, "frames cannot be decoded"),
            (self.num_faulty_frames, self.num_frames, "frames are faulty"),
            (self.num_faulty_sound_packets, self.num_sound_packets, "packets of sound are damaged"),
        ]
        return "; ".join([*(f"{count} of {total} {what}" for count, total, what in counts if count), *self.remarks])


NO_DAMAGE = MediaDamage()


def report_damage(name: str, damage: MediaDamage) -> None:
    """Tells in the log what of a clip is damaged, if anything."""
    if damage:
        logger.warning(f"{name} is damaged, and used as far as it can be: {damage}.")


def is_within(num_damaged: int, total: int, max_share: float) -> bool:
    """Whether the damaged ones of a total are few enough."""
    return num_damaged <= max_share * total


def count_missing(ticks: Sequence[int], shown: Set[int], failed: Set[int]) -> int:
    """How many frames of a video are missing, going by when its packets say that they are shown.

    Not every packet without a frame lacks one: two can hold the two fields of one frame, and some hold frames that are
    never shown. Hence a single one counts where decoding it failed, and so do those that go down with it, and else two
    or more in a row do. Those before the first frame are often left out by whoever cut the clip.

    Args:
        ticks (`Sequence[int]`): When the packets that were decoded are shown, ascending.
        shown (`Set[int]`): When the frames that came are shown.
        failed (`Set[int]`): The packets whose decoding failed, by the time at which they are shown.
    """
    missing, has_begun = 0, False
    for is_shown, run in groupby(ticks, key=lambda tick: tick in shown):
        gone = [] if is_shown else list(run)
        if failed.intersection(gone) or (has_begun and len(gone) > 1):
            missing += len(gone)
        has_begun = has_begun or is_shown
    return missing
