"""What is known of a video besides its frames: how long it is, and which of its frames were taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.video_utils import VideoMetadata

from ..errors import InputError
from .media import Media


@dataclass
class ClipMetadata(VideoMetadata):
    """
    `VideoMetadata` of transformers with the times at which the taken frames are shown, which in many clips come at
    uneven intervals.

    Args:
        frame_times (`list[float]`, *optional*): Of each taken frame, in seconds after the first one of the clip.

    Example:

    ```python
    >>> from transformers_ggm.processing.video_metadata import ClipMetadata

    >>> metadata = ClipMetadata(total_num_frames=3, fps=1.0, frames_indices=[0, 2], frame_times=[0.0, 2.3])
    >>> metadata.timestamps, metadata["total_num_frames"]
    ([0.0, 2.3], 3)

    ```
    """

    frame_times: list[float] | None = None

    @property
    def timestamps(self) -> list[float]:
        """Seconds after the first frame, of each frame that was taken."""
        return super().timestamps if self.frame_times is None else self.frame_times


def list_metadata(video_metadata: Any, count: int) -> list[VideoMetadata | None]:
    """
    Given metadata as one entry a row.

    Args:
        video_metadata: `None`, a `VideoMetadata` or dict for one video, or a list of these (nested lists, as chat
            templates make them, are flattened), `None` for a video without.
        count (`int`): How many videos there are.

    Raises:
        `InputError`: It is something else, or for another number of videos.
    """
    if video_metadata is None:
        return [None] * count
    entries = video_metadata if isinstance(video_metadata, (list, tuple)) else [video_metadata]
    flat = [entry for part in entries for entry in (part if isinstance(part, (list, tuple)) else [part])]
    if len(flat) != count:
        raise InputError(f"video_metadata is for {len(flat)} videos, but there are {count}: pass one entry for each.")
    return [_as_metadata(entry) for entry in flat]


def _as_metadata(entry: Any) -> VideoMetadata | None:
    if entry is None or isinstance(entry, VideoMetadata):
        return entry
    try:
        return VideoMetadata(**entry)
    except TypeError as error:
        raise InputError(
            f"video_metadata has the entry {entry!r}: pass a VideoMetadata of transformers, or a dict of its fields,"
            f" of which total_num_frames is needed ({error})."
        ) from error


def metadata_of(
    frames: torch.Tensor, media: Media | None, given: VideoMetadata | None, taken: Sequence[int]
) -> VideoMetadata:
    """
    What the output tells about a video.

    Args:
        frames (`torch.Tensor`): (f, 3, h, w), all that there were to take from.
        media ([`Media`], *optional*): Where they are from, if from a clip.
        given (`VideoMetadata`, *optional*): What the caller knows of frames that were passed as such.
        taken (`Sequence[int]`): Which of `frames` were taken.
    """
    height, width = frames.shape[-2:]
    if media is None:
        known = {"total_num_frames": len(frames), "height": height, "width": width, **(given or {})}
        before = known.get("frames_indices")
        known["frames_indices"] = [index if before is None else int(before[index]) for index in taken]
        return VideoMetadata(**known)
    indices = media.frame_indices or range(len(frames))
    total = media.num_frames or len(frames)
    return ClipMetadata(
        total_num_frames=total,
        fps=total / media.duration if media.duration else None,
        width=width,
        height=height,
        duration=media.duration,
        video_backend="pyav",
        frames_indices=[indices[index] for index in taken],
        frame_times=[media.timestamps[index].item() for index in taken],
    )
