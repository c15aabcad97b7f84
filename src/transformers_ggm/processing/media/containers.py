"""Opening a container with FFmpeg, and choosing the streams that are read of it."""

import av
import torch
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from ...errors import MediaError
from .limits import ClipGuard

# Real containers only: no playlist, concatenation or image-sequence format, which would name further files.
CLIP_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,asf,ogg,gif"
_SOUND_ONLY_FORMATS = "wav,w64,aiff,mp3,flac,aac,amr"

# Before version 18, PyAV overruns its memory when it passes options on to the streams of a file (MPEG-TS, FLV) whose
# streams are found one after the other. There, frames of any size are decoded while a file is opened.
_CAN_LIMIT_PROBING = int(av.__version__.split(".")[0]) >= 18

# Pictures that belong to a clip but are not its video: a music file's cover, a list of previews.
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails


def open_container(file, guard: ClipGuard) -> InputContainer:
    """Opens a seekable binary file as a clip.

    FFmpeg decodes first frames while it opens a file, before a size could be looked at here, so it gets the limit too.
    """
    told = {"format_whitelist": f"{CLIP_FORMATS},{_SOUND_ONLY_FORMATS}"}
    # Titles in a broken encoding are nobody's concern here, and must not raise.
    if not _CAN_LIMIT_PROBING:
        return av.open(file, container_options=told, metadata_errors="replace")
    return av.open(file, options={**told, "max_pixels": str(_coded_pixels(guard))}, metadata_errors="replace")


def has_picture(container: InputContainer) -> bool:
    """Whether there is a stream that is a video, decodable or not."""
    return bool(_videos(container))


def _videos(container: InputContainer) -> list[VideoStream]:
    return [stream for stream in container.streams.video if not stream.disposition & _PICTURES]


def video_stream(container: InputContainer, guard: ClipGuard) -> VideoStream:
    """The first stream that is a video, ready to be decoded.

    Raises:
        `MediaError`: There is none, none that can be decoded, or its frames are too large.
    """
    streams = _videos(container)
    if not streams:
        raise MediaError(
            f"{guard.name} has no video stream: pass sound alone as `audio`, or with blank_video=True (train.py: "
            "--blank_video true), which shows one black frame with it."
        )
    stream = streams[0]
    if stream.codec_context is None:
        raise MediaError(f"{guard.name} has video of a kind that cannot be decoded: convert it to H.264, VP9 or AV1.")
    if not stream.time_base:
        raise MediaError(f"{guard.name} has video without a clock: the file is damaged.")
    guard.check_pixels(stream.codec_context.width, stream.codec_context.height)
    stream.thread_type = "AUTO"
    if torch.get_num_threads() == 1:
        # As in worker processes, which share the cores among them.
        stream.codec_context.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(_coded_pixels(guard))}
    return stream


def streams_to_read(container: InputContainer, video: VideoStream) -> list:
    """The video and, where there is one that can be decoded, the first sound."""
    audio = next((stream for stream in container.streams.audio if stream.codec_context is not None), None)
    return [video] if audio is None else [video, audio]


def _coded_pixels(guard: ClipGuard) -> int:
    # More than allowed, since coded frames are larger than shown ones, and so that FFmpeg still reads the size of most
    # clips that are too large, which can then be told.
    return 2 * guard.limits.max_pixels + (1 << 23)
