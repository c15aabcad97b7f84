"""From a decoded frame to an upright RGB image, with the colours that the `ffmpeg` program gives."""

import math
from fractions import Fraction

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

# FFmpeg's numbers of YUV matrices (AVColorSpace) and swscale's numbers of them; the latter by number, since PyAV names
# not all of them. All others, and no statement at all, mean BT.601 to swscale, large frames included.
_BT601, _BT709, _FCC, _SMPTE240M, _BT2020 = 5, 1, 4, 7, 9
_MATRICES = {1: _BT709, 4: _FCC, 7: _SMPTE240M, 9: _BT2020, 10: _BT2020}

# From version 17 on, PyAV starts a thread for every core to convert a frame, which takes longer than the frame.
_ONE_THREAD = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}


def upright_rgb(
    frame: av.VideoFrame,
    height: int | None = None,
    width: int | None = None,
    reformatter: VideoReformatter | None = None,
    aspect: Fraction | int = 1,
) -> np.ndarray:
    """The frame as (h, w, 3) uint8, turned and mirrored as the file says.

    Phones film sideways and note it in the file, and some front cameras note that the image is mirrored. An angle that
    is no quarter turn is taken for the nearest one.

    Args:
        frame (`av.VideoFrame`): A decoded frame.
        height, width (`int`, *optional*): Size of the upright image, both or none; by default that at which it is
            shown.
        reformatter (`VideoReformatter`, *optional*): One for all frames of a clip is set up once; by default a new
            one.
        aspect (`Fraction`, defaults to 1): Width of a stored pixel divided by its height.
    """
    mirrors_x, mirrors_y, swaps = _orientation(frame)
    if height is None:
        width, height = displayed_size(frame.width, frame.height, aspect)
    elif swaps:
        height, width = width, height
    image = _rgb(frame, height, width, reformatter or VideoReformatter())
    image = image.transpose(1, 0, 2) if swaps else image
    return image[:: -1 if mirrors_y else 1, :: -1 if mirrors_x else 1]


def displayed_size(width: int, height: int, aspect: Fraction | int) -> tuple[int, int]:
    """Width and height at which a stored image is shown: of pixels that are not square, the width changes.

    Example:

    ```python
    >>> from fractions import Fraction
    >>> from transformers_ggm.processing.media.frame_images import displayed_size

    >>> displayed_size(720, 576, Fraction(64, 45))
    (1024, 576)

    ```
    """
    return (width, height) if aspect == 1 else (max(1, round(width * aspect)), height)


def _rgb(frame: av.VideoFrame, height: int | None, width: int | None, reformatter: VideoReformatter) -> np.ndarray:
    """The frame as (h, w, 3) uint8.

    All is said outright, since what PyAV takes for granted differs between its versions, and from the `ffmpeg`
    program: old ones pass over the frame's YUV matrix and range, and all scale bilinearly.
    """
    matrix = _MATRICES.get(int(frame.colorspace), _BT601)
    is_full = int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    return reformatter.reformat(
        _without_chroma_location(frame),
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=matrix,
        # Nothing to RGB, but old PyAV sets neither matrix nor range where both are the same on both sides.
        dst_colorspace=_BT601 if matrix != _BT601 else _BT709,
        src_color_range=ColorRange.JPEG if is_full else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BICUBIC,
        **_ONE_THREAD,
    ).to_ndarray()


def _without_chroma_location(frame: av.VideoFrame) -> av.VideoFrame:
    """A copy of a planar YUV frame that does not say where its colour samples lie; other frames as they are.

    Recent FFmpeg libraries heed that for some formats (10 bits, odd heights) and blur colours sideways by half a
    sample; Debian's program does not, nor do the libraries for the formats that most clips have.
    """
    planes = frame.planes
    if not frame.format.name.startswith("yuv") or len(planes) < 3 or any(plane.line_size <= 0 for plane in planes):
        return frame
    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for source, target in zip(planes, copy.planes):
        rows = np.frombuffer(source, np.uint8).reshape(-1, source.line_size)
        copied = np.frombuffer(target, np.uint8).reshape(-1, target.line_size)
        num_bytes = min(rows.shape[1], copied.shape[1])
        copied[:, :num_bytes] = rows[:, :num_bytes]
    return copy


def _orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Whether the upright image is mirrored in x, in y, and whether x and y are exchanged before that."""
    a, b, c, d = _display_matrix(frame)
    if abs(b) + abs(c) > abs(a) + abs(d):
        return c < 0, b < 0, True
    return a < 0, d < 0, False


def _display_matrix(frame: av.VideoFrame) -> tuple[float, float, float, float]:
    """The (a, b, c, d) by which a pixel (x, y) is shown at x' = a x + c y, y' = b x + d y, up to a positive factor."""
    try:
        matrices = [data for data in frame.side_data if data.type == SideDataType.DISPLAYMATRIX]
    except ValueError:
        # The frame has data of a kind that this PyAV does not know, and then lists none. A turn it tells all the same.
        angle = math.radians(frame.rotation)
        return math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
    if not matrices:
        return 1.0, 0.0, 0.0, 1.0
    a, b, _, c, d = np.frombuffer(matrices[0], np.int32, count=5).tolist()
    return a, b, c, d
