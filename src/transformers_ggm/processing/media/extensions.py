"""By which names files are taken for clips: the extensions of the containers that are opened here."""

import os

from av.format import ContainerFormat

from .containers import CLIP_FORMATS

# FFmpeg tells most extensions where it writes a format, and has several writers for one reader.
_WRITERS = "mov,mp4,3gp,3g2,ipod,psp,ismv,f4v,matroska,webm,avi,flv,mpegts,mpeg,dvd,svcd,vob,asf,ogg,ogv,gif"
# Of the same containers, but sound (RFC 5334 says so of .ogg), subtitles, pictures, and lists of other files.
_NO_VIDEO = frozenset(["m4a", "m4b", "isma", "mka", "wma", "ogg", "mks", "avif", "heic", "heif", "ism"])


def _extensions() -> frozenset[str]:
    found = set()
    for names, mode in ((CLIP_FORMATS, "r"), (_WRITERS, "w")):
        for name in names.split(","):
            try:
                found |= ContainerFormat(name, mode).extensions
            except ValueError:  # not in this PyAV
                continue
    return frozenset(found) - _NO_VIDEO


# In lower case, without a dot.
CLIP_EXTENSIONS = _extensions()


def clip_extension(name: str) -> str | None:
    """
    The extension by which a name is one of a clip, `None` for other names. What a download left behind a `?` of the
    address does not count.

    Example:

    ```python
    >>> from transformers_ggm.processing.media.extensions import clip_extension
    >>> clip_extension("a/First.MP4"), clip_extension("first.ts?token=a.b"), clip_extension("first.txt")
    ('mp4', 'ts', None)

    ```
    """
    for shorter in (name, name.partition("?")[0]):
        extension = os.path.splitext(shorter)[1][1:].lower()
        if extension in CLIP_EXTENSIONS:
            return extension
    return None
