"""Reading clips and sound files: what survives real phones' files, and hostile ones."""

from .damage import MediaDamage
from .decoding import Media, decode_media
from .limits import DEFAULT_LIMITS, MediaLimits
from .sources import MediaSource, is_media_source, source_name

__all__ = [
    "DEFAULT_LIMITS",
    "Media",
    "MediaDamage",
    "MediaLimits",
    "MediaSource",
    "decode_media",
    "is_media_source",
    "source_name",
]
