"""Opening a container with FFmpeg, and the streams of it that can be read."""

import io
from fractions import Fraction

import av
import torch
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from ...errors import MediaError
from .damage import UnusableStreamError
from .frame_images import displayed_size
from .limits import ClipGuard

# Real containers only: no playlist, concatenation or image-sequence format, which would name further files.
CLIP_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,asf,ogg,gif"
_SOUND_ONLY_FORMATS = "wav,w64,aiff,mp3,flac,aac,amr"

# Before version 18, PyAV overruns its memory when it passes options on to the streams of a file (MPEG-TS, FLV) whose
# streams are found one after the other. There, frames of any size are decoded while a file is opened.
_CAN_LIMIT_PROBING = int(av.__version__.split(".")[0]) >= 18

# Pictures that belong to a clip but are not its video: a music file's cover, a list of previews.
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails

# Pixels that are narrower or wider than the most extreme ones in use (about 1 to 3) are errors, and taken for square.
_MAX_PIXEL_ASPECT = 5


def open_container(file, guard: ClipGuard) -> InputContainer:
    """Opens a seekable binary file as a clip.

    FFmpeg decodes first frames while it opens a file, before a size could be checked here, so it gets the limit too.

    Raises:
        `MediaError`: It is no clip, or so damaged that its streams are not found.
    """
    told = {"format_whitelist": f"{CLIP_FORMATS},{_SOUND_ONLY_FORMATS}"}
    options = {"container_options": told}
    if _CAN_LIMIT_PROBING:
        options = {"options": {**told, "max_pixels": str(_coded_pixels(guard))}}
    try:
        # Titles in a broken encoding are nobody's concern here, and must not raise.
        return av.open(file, **options, metadata_errors="replace")
    except Exception as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(
            f"{guard.name} cannot be read as a video ({reason}): the file is damaged, cut short or no video."
        ) from error


def ends_within_a_box(file) -> bool:
    """Whether a seekable binary file is an MP4 or MOV file whose last part is not all there."""
    end, at = file.seek(0, io.SEEK_END), 0
    while at + 8 <= end:
        file.seek(at)
        header = file.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        if size < 8:
            # 0: up to the end of the file, however long it is.
            return False
        at += size
    return at > end


def video_streams(container: InputContainer) -> list[VideoStream]:
    """The streams that are videos, whether or not they can be decoded."""
    return [stream for stream in container.streams.video if not stream.disposition & _PICTURES]


def decodable_videos(container: InputContainer) -> list[VideoStream]:
    return [stream for stream in video_streams(container) if stream.codec_context is not None and stream.time_base]


def decodable_sounds(container: InputContainer) -> list[AudioStream]:
    return [stream for stream in container.streams.audio if stream.codec_context is not None and stream.time_base]


def check_has_video(container: InputContainer, guard: ClipGuard) -> None:
    """
    Raises:
        `UnusableStreamError`: There is no video, or none that can be decoded.
    """
    if decodable_videos(container):
        return
    streams = video_streams(container)
    if not streams:
        raise UnusableStreamError(
            f"{guard.name} has no video stream: pass sound alone as `audio`, or with blank_video=True (train.py: "
            "--blank_video true), which shows one black frame with it."
        )
    if all(stream.codec_context is None for stream in streams):
        raise UnusableStreamError(
            f"{guard.name} has video of a kind that cannot be decoded: convert it to H.264, VP9 or AV1."
        )
    raise UnusableStreamError(f"{guard.name} has video without a clock: the file is damaged.")


def prepare_video(stream: VideoStream, guard: ClipGuard) -> None:
    """Makes a video ready to be decoded.

    Raises:
        `MediaError`: Its frames are too large.
    """
    size = stream.codec_context.width, stream.codec_context.height
    guard.check_pixels(*size)
    guard.check_pixels(*displayed_size(*size, pixel_aspect(stream)))
    stream.thread_type = "AUTO"
    if torch.get_num_threads() == 1:
        # As in worker processes, which share the cores among them.
        stream.codec_context.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(_coded_pixels(guard))}


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width of a pixel divided by its height, as the file says, or else its first frames; 1 if they say nonsense."""
    aspect = stream.sample_aspect_ratio
    return aspect if aspect and 1 <= max(aspect, 1 / aspect) <= _MAX_PIXEL_ASPECT else Fraction(1)


def _coded_pixels(guard: ClipGuard) -> int:
    # More than allowed, since coded frames are larger than shown ones, and so that FFmpeg still reads the size of most
    # clips that are too large, which can then be told.
    return 2 * guard.limits.max_pixels + (1 << 23)
