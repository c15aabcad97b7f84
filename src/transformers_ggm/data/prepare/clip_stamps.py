"""Which clips have changed since they were decoded: a table that names them stays the same when their files do not."""

from collections.abc import Iterable

from ...utils.file_names import storable_path
from ...utils.opening import is_url, local_name
from ..stamps import file_facts


def clip_facts(video: str | bytes | None) -> dict[str, str | None]:
    """
    What tells one version of a clip from the next.

    Args:
        video (`str`, `bytes` or `None`): path, URL, or the clip itself, which the source's own stamp covers.

    Returns:
        `dict`: `clip`, the path of a clip that is a file on this machine, and `clip_stamp`, its size and time of
        change; both `None` for any other clip, and the latter for a missing file.
    """
    path = local_name(video) if isinstance(video, str) else None
    if path is None or is_url(path):
        return {"clip": None, "clip_stamp": None}
    return {"clip": storable_path(path), "clip_stamp": file_facts(path)}


def has_changed(clip: str | None, stamp: str | None) -> bool:
    """Whether a clip is there in another version than when it was stamped. One that is gone has not changed."""
    now = None if clip is None else file_facts(local_name(clip))
    return now is not None and now != stamp


def changed_clips(stamps: Iterable[tuple[str | None, str | None]]) -> list[str]:
    """Those of some clips, each with its stamp, that have changed since."""
    return [clip for clip, stamp in stamps if has_changed(clip, stamp)]
