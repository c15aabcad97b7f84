"""Video processor: clips to the frames a vision encoder sees, by the frame rule of the paper."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torchvision.transforms.v2 import functional
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_utils import (
    IMAGENET_STANDARD_MEAN,
    IMAGENET_STANDARD_STD,
    ChannelDimension,
    PILImageResampling,
)
from transformers.processing_utils import VideosKwargs
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from ..errors import InputError
from ..utils.remote_code_fields import without_other_code
from .frame_inputs import frames_tensor, list_videos
from .media import DEFAULT_LIMITS, Media, MediaLimits, decode_media, is_media_source
from .media.frame_picking import nearest_times
from .media.sources import source_name
from .video_metadata import list_metadata, metadata_of

# The paper's rule for which frames are taken of a clip, and the one that takes its place.
_PAPERS_RULE = ("frames_per_second", "num_frames", "long_video_seconds")
FRAME_RULE = (*_PAPERS_RULE, "fps", "do_sample_frames")
# What decides the pixels of a decoded frame, before they are normalised.
STEPS, SIZES = ("do_resize", "resample", "do_center_crop"), ("size", "crop_size")
# The arguments of transformers' video processors that mean something here. Others, which newer versions may bring, are
# refused rather than ignored.
SHARED_ARGUMENTS = frozenset({
    "crop_size", "data_format", "default_to_square", "device", "do_center_crop", "do_convert_rgb", "do_normalize",
    "do_pad", "do_rescale", "do_resize", "do_sample_frames", "fps", "image_mean", "image_std", "input_data_format",
    "num_frames", "resample", "rescale_factor", "return_metadata", "return_tensors", "size", "video_metadata",
})  # fmt: skip


class GGMVideoProcessorKwargs(VideosKwargs, total=False):
    """What [`GGMVideoProcessor`] takes beside the common `VideosKwargs`.

    Args:
        frames_per_second (`float`): How many frames are taken of each second of a short video.
        long_video_seconds (`float`): From this length on, a video gives `num_frames` frames.
        padding (`bool` or `str`): `True` or `"longest"` pads to the longest row, `"max_length"` to `num_frames`.
    """

    frames_per_second: float | None
    long_video_seconds: float | None
    padding: bool | str | None


class GGMVideoProcessor(BaseVideoProcessor):
    """Turns videos into `pixel_values_videos` (b, f, 3, h, w) float32 and `frame_mask` (b, f) int64.

    Frames (Yu et al., ACL 2023, section 4.1): `frames_per_second` of them when the video is shorter than
    `long_video_seconds`, else `num_frames` spread evenly. They are resized, cropped in the middle, scaled to 0..1 and
    normalised. The defaults fit ViT (`google/vit-base-patch16-224-in21k`);
    `GGMVideoProcessor.from_pretrained("openai/clip-vit-base-patch32")` takes over sizes, mean and deviation of any
    image model.

    Args:
        size (`dict` or `int`, defaults to `{"shortest_edge": 224}`): Size after resizing, `{"shortest_edge"}` or
            `{"height", "width"}`. A number means the shorter side where frames are cropped, else both sides.
        crop_size (`dict` or `int`, defaults to the square or rectangle that `size` names): Size after cropping.
        do_resize, do_center_crop, do_rescale, do_normalize (`bool`, default to `True`): Steps; each can be turned off
            in one call too.
        resample (`PILImageResampling`, defaults to `BICUBIC`): Filter of the resizing, always with antialiasing.
        rescale_factor (`float`, defaults to 1/255): Factor from 0..255 to the range of `image_mean`.
        image_mean, image_std (`list[float]`, default to 0.5 each): Normalisation, per channel.
        frames_per_second (`float`, defaults to 2.0): Frames per second of a short video.
        num_frames (`int`, defaults to 15): Frames of a long video, and the most a row can have.
        long_video_seconds (`float`, defaults to 7.0): Length in seconds from which a video is long.
        do_sample_frames (`bool`, *optional*): `False` takes all frames of a video that is given as such, instead of at
            most `num_frames`. Clips are always sampled.
        fps (`float`, *optional*): Frames per second of every clip, however long, in place of the paper's rule. Of
            frames that are given without their own rate, which were taken before, all are used; in one call, `fps`
            needs their rate, in `video_metadata`.
        do_convert_rgb (`bool`, *optional*): `True` makes RGB of grey and RGBA arrays and of images, `False` of
            nothing; by default of images.
        return_metadata (`bool`, defaults to `False`): Whether `video_metadata` is given out, too.
        default_to_square (`bool`, *optional*): Whether a number as `size` means both sides.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm.processing import GGMVideoProcessor

    >>> processor = GGMVideoProcessor()
    >>> clips = [np.zeros((4, 240, 320, 3), np.uint8), np.zeros((2, 320, 240, 3), np.uint8)]
    >>> batch = processor(clips)
    >>> tuple(batch["pixel_values_videos"].shape)
    (2, 4, 3, 224, 224)
    >>> batch["frame_mask"].tolist()
    [[1, 1, 1, 1], [1, 1, 0, 0]]

    ```
    """

    valid_kwargs = GGMVideoProcessorKwargs
    model_input_names = ["pixel_values_videos", "frame_mask"]

    size = {"shortest_edge": 224}
    default_to_square = False
    resample = PILImageResampling.BICUBIC
    do_resize = True
    do_center_crop = True
    do_rescale = True
    rescale_factor = 1 / 255
    do_normalize = True
    image_mean = IMAGENET_STANDARD_MEAN
    image_std = IMAGENET_STANDARD_STD
    frames_per_second = 2.0
    num_frames = 15
    long_video_seconds = 7.0

    def __init__(self, **kwargs):
        kwargs.pop(
            "still_tolerance", None
        )  # which configurations of earlier versions have, and nothing reads any more
        super().__init__(**_with_fitting_sizes(without_other_code(kwargs), self.size))

    def __call__(self, videos, **kwargs) -> BatchFeature:
        """See [`GGMVideoProcessor.preprocess`]."""
        return self.preprocess(videos, **kwargs)

    def preprocess(self, videos, **kwargs) -> BatchFeature:
        """Decodes, samples, resizes and normalises one video or a list of videos.

        Args:
            videos: One video or a list of them. A video is a path, a URL, bytes, a binary file object, a
                [`Media`], an array or tensor (f, h, w, 3) or (f, 3, h, w) uint8, a list of PIL images or of arrays
                (h, w, 3) uint8, or `None` for a row that has no video. Frames given as such are all used when there
                are at most `num_frames`, else `num_frames` of them spread evenly.
            padding (`bool` or `str`, defaults to `"longest"`): `"max_length"` pads to `num_frames` frames instead,
                `False` refuses rows of unequal length, as `do_pad=False` does.
            return_tensors (`str`, defaults to `"pt"`): `"pt"`, `"np"`, or `None` for lists with one entry a row.
            video_metadata (*optional*): `VideoMetadata` of transformers or dicts, one for each video that is given as
                frames: how many there are, of which rate.
            input_data_format (`str`, *optional*): `"channels_first"` or `"channels_last"`, where it is not to be
                guessed from arrays where their channels are.
            device (`str` or `torch.device`, *optional*): Where frames are resized and normalised.
            **kwargs: Any argument of the constructor, for this call alone.

        Returns:
            `BatchFeature`: `pixel_values_videos` (b, f, 3, h, w) float32, zero where a row has no frame, and
            `frame_mask` (b, f) int64, 1 where it has one. Both are the same in any batch, but for padding. With
            `return_metadata`, `video_metadata` too: a list with one `VideoMetadata` a row (length of the video, which
            of its frames were taken, and when these are shown), `None` for a row without video.

        Raises:
            `MediaError`: A clip cannot be read.
            `InputError`: There is no video at all, something else than a video, frames of unequal sizes, or an
                argument that is not known or does not fit.
        """
        settings = self._settings(kwargs)
        listed = list_videos(videos)
        given = list_metadata(settings["video_metadata"], len(listed))
        read = [
            (None, None) if video is None else self._resized(video, settings, index, given[index])
            for index, video in enumerate(listed)
        ]
        batch = self._as_batch([frames for frames, _ in read], settings)
        if settings["return_metadata"]:
            batch["video_metadata"] = [metadata for _, metadata in read]
        return batch

    def _as_batch(self, rows: list[torch.Tensor | None], settings: dict) -> BatchFeature:
        """Pads and normalises videos (f, 3, h, w) uint8."""
        present = [row for row in rows if row is not None]
        if not present:
            raise InputError("videos: every row is None. Pass at least one video, or leave `videos` out.")
        if len({row.shape[1:] for row in present}) > 1:
            sizes = sorted({tuple(row.shape[-2:]) for row in present})
            raise InputError(
                f"videos: the frames have sizes {sizes} after resizing and cropping, and cannot be one batch. Leave"
                " do_resize and do_center_crop on, or pass frames of one size."
            )
        length = max(settings["num_frames"] if settings["padding"] == "max_length" else 0, *map(len, present))
        if not settings["do_pad"] and {0 if row is None else len(row) for row in rows} != {length}:
            raise InputError(
                f"do_pad=False, but the rows have {[0 if row is None else len(row) for row in rows]} frames: leave"
                " do_pad and padding out, or pass videos of one length."
            )
        # This largest of all tensors is written once and changed in place.
        pixel_values = _empty_batch((len(rows), length, *present[0].shape[1:]), present[0].device)
        frame_mask = torch.zeros(len(rows), length, dtype=torch.int64, device=pixel_values.device)
        for index, row in enumerate(rows):
            count = 0 if row is None else len(row)
            if count:
                self._normalize_in_place(pixel_values[index, :count].copy_(row), settings)
            pixel_values[index, count:] = 0.0
            frame_mask[index, :count] = 1
        if settings["return_tensors"] is None:
            return BatchFeature({"pixel_values_videos": list(pixel_values), "frame_mask": frame_mask.tolist()})
        data = {"pixel_values_videos": pixel_values, "frame_mask": frame_mask}
        return BatchFeature(data=data, tensor_type=settings["return_tensors"])

    def sample_timestamps(self, duration: float, **kwargs) -> list[float]:
        """The times of the frames that are taken of a video (Yu et al., ACL 2023, section 4.1).

        The video is cut into equal segments, `duration * frames_per_second` rounded (1 at least, `num_frames` at
        most) when it is shorter than `long_video_seconds`, else `num_frames`; a frame is taken at each one's centre.
        With `fps` there are `duration * fps` segments, rounded down, however long it is.

        Args:
            duration (`float`): Length of the video in seconds.
            **kwargs: `frames_per_second`, `num_frames`, `long_video_seconds` or `fps`, instead of this processor's.

        Returns:
            `list[float]`: Seconds after the first frame, ascending.

        Example:

        ```python
        >>> from transformers_ggm.processing import GGMVideoProcessor

        >>> GGMVideoProcessor().sample_timestamps(2.0)
        [0.25, 0.75, 1.25, 1.75]
        >>> len(GGMVideoProcessor().sample_timestamps(60.0))
        15

        ```
        """
        settings = self._settings(kwargs)
        count = settings["num_frames"]
        if settings["fps"] is not None:
            count = max(1, int(duration * settings["fps"]))
        elif duration < settings["long_video_seconds"]:
            count = min(count, max(1, round(duration * settings["frames_per_second"])))
        return [duration * (2 * index + 1) / (2 * count) for index in range(count)]

    def sample_frames(
        self, metadata: VideoMetadata, num_frames: int | None = None, fps: float | None = None, **kwargs
    ) -> np.ndarray:
        """Which frames are taken of a video that is given as frames, those in the middle of equal runs.

        Args:
            metadata (`VideoMetadata`): How many frames there are, and for `fps`, of which rate.
            num_frames (`int`, *optional*): The most that are taken. Defaults to this processor's.
            fps (`float`, *optional*): How many are taken of each second instead.
            **kwargs: What else transformers hands on; ignored.

        Returns:
            `np.ndarray`: (f,) int64, ascending.

        Raises:
            `InputError`: Both are given, or `fps` is more than the frames' own rate, or that is not known.
        """
        if num_frames is not None and fps is not None:
            raise InputError("num_frames and fps are two ways to say how many frames are taken: pass one of them.")
        total = metadata.total_num_frames
        count = min(total, num_frames or self.num_frames)
        if fps is not None:
            if metadata.fps is None:
                raise InputError(
                    f"fps={fps} of a video that is given as frames needs their own rate: pass"
                    ' video_metadata={"total_num_frames": ..., "fps": ...}, or num_frames= instead of fps=.'
                )
            count = max(1, int(total / metadata.fps * fps))
            if count > total:
                raise InputError(
                    f"fps={fps} asks for {count} frames, but the video has {total}, {metadata.fps} a second: "
                    "pass less."
                )
        return np.array([(2 * index + 1) * total // (2 * count) for index in range(count)])

    def decode(
        self,
        source,
        sampling_rate: int | None = None,
        max_audio_seconds: float = 10.0,
        limits: MediaLimits = DEFAULT_LIMITS,
        blank_video: bool = False,
        resize: bool = False,
        **kwargs,
    ) -> Media:
        """Reads a clip at this processor's frame rule.

        Args:
            source, sampling_rate, max_audio_seconds, limits, blank_video: As for [`decode_media`], whose errors are
                raised, too.
            resize (`bool`, defaults to `False`): Whether each frame is resized and cropped as soon as it is decoded,
                as [`~GGMVideoProcessor.resize_frames`] does it: large clips then take no more memory than small ones.
                This processor leaves such frames alone, others refuse them.
            **kwargs: `frames_per_second`, `num_frames`, `long_video_seconds` or `fps`, instead of this processor's.
        """
        settings = self._settings(kwargs)
        if settings["do_sample_frames"] is False:
            raise InputError(
                "do_sample_frames=False takes all frames of a video that is given as such, but"
                f" {source_name(source)} is a clip: say by fps= or num_frames= how many of its frames are taken, or"
                " pass the frames."
            )
        media = decode_media(
            source,
            sample_timestamps=lambda duration: self.sample_timestamps(duration, **kwargs),
            sampling_rate=sampling_rate,
            max_audio_seconds=max_audio_seconds,
            limits=limits,
            blank_video=blank_video,
            prepare_frame=partial(self._resize_image, settings=settings) if resize else None,
        )
        return replace(media, geometry=_geometry(settings)) if resize else media

    def resize_frames(self, frames: torch.Tensor, **kwargs) -> torch.Tensor:
        """Resizes and crops frames, and leaves them as bytes: what is worth keeping on disk.

        Passing the result through the processor later with `do_resize=False, do_center_crop=False` (or without, where
        `crop_size` is as large as `size`) gives bit for bit what one call on `frames` gives.

        Args:
            frames (`torch.Tensor`): (f, 3, H, W) uint8.
            **kwargs: `do_resize`, `size`, `resample`, `do_center_crop`, `crop_size`, instead of this processor's.

        Returns:
            `torch.Tensor`: (f, 3, h, w) uint8.
        """
        return self._resize_frames(frames, self._settings(kwargs))

    def frames_of(self, video, **kwargs) -> torch.Tensor:
        """Gives the frames of a video as they are before normalisation.

        Passing the result through the processor with `do_resize=False, do_center_crop=False` (or without, where
        `crop_size` is as large as `size`) gives bit for bit what one call on `video` gives.

        Args:
            video: One video in any of the forms that [`GGMVideoProcessor.preprocess`] takes.
            **kwargs: Any argument of the constructor, instead of this processor's.

        Returns:
            `torch.Tensor`: (f, 3, h, w) uint8, resized and cropped.

        Raises:
            `MediaError`: A clip cannot be read.
            `InputError`: It is something else than a video.
        """
        return self._resized(video, self._settings(kwargs), 0)[0]

    def _resize_frames(self, frames: torch.Tensor, settings: dict) -> torch.Tensor:
        if settings["do_resize"]:
            frames = self.resize(frames, size=settings["size"], resample=settings["resample"])
        if settings["do_center_crop"]:
            frames = self.center_crop(frames, settings["crop_size"])
        return frames.contiguous()

    def _resize_image(self, image: np.ndarray, settings: dict) -> np.ndarray:
        """A frame (H, W, 3) uint8, which may be turned or mirrored in memory, as (h, w, 3)."""
        frame = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        return self._resize_frames(frame[None], settings)[0].permute(1, 2, 0).numpy()

    def _resized(
        self, video, settings: dict, index: int, given: VideoMetadata | None = None
    ) -> tuple[torch.Tensor, VideoMetadata]:
        """One video as (f, 3, h, w) uint8, and its metadata."""
        if is_media_source(video):
            rule = ("fps",) if settings["fps"] is not None else _PAPERS_RULE
            video = self.decode(video, **{name: settings[name] for name in ("do_sample_frames", *rule)})
        media = video if isinstance(video, Media) else None
        frames = (
            frames_tensor(video, index, settings["do_convert_rgb"], settings["input_data_format"])
            if media is None
            else media.frames
        )
        if frames is None:
            raise InputError(
                f"videos[{index}] is sound alone: pass None for a row without video, "
                "or blank_video=True to the GGMProcessor."
            )
        taken = self._taken(frames, media, given, settings)
        metadata = metadata_of(frames, media, given, taken)
        if len(taken) != len(frames) or list(taken) != list(range(len(frames))):
            frames = frames[list(taken)]
        if settings["device"] is not None:
            frames = frames.to(settings["device"])
        if media is not None and media.geometry is not None and (settings["do_resize"] or settings["do_center_crop"]):
            if media.geometry != _geometry(settings):
                raise InputError(
                    f"videos[{index}] was resized for another processor as it was decoded: decode it without resize."
                )
            return frames.contiguous(), metadata
        return self._resize_frames(frames, settings), metadata

    def _taken(
        self, frames: torch.Tensor, media: Media | None, given: VideoMetadata | None, settings: dict
    ) -> Sequence[int]:
        """Which of the frames of a video, (f, 3, h, w), are taken."""
        if settings["do_sample_frames"] is False:
            return range(len(frames))
        if settings["fps"] is not None and media is not None:
            wanted = self.sample_timestamps(media.duration, fps=settings["fps"])
            return nearest_times(media.timestamps.tolist(), wanted)
        if given is not None and given.total_num_frames != len(frames):
            raise InputError(
                f"video_metadata tells of {given.total_num_frames} frames, but the video has {len(frames)}: pass all"
                " of them, or do_sample_frames=False for frames that were taken already."
            )
        metadata = given or VideoMetadata(total_num_frames=len(frames))
        if settings["fps"] is None:
            return self.sample_frames(metadata, num_frames=settings["num_frames"])
        if settings["own_fps"] and metadata.fps is None:
            return range(len(frames))
        return self.sample_frames(metadata, fps=settings["fps"])

    def _normalize_in_place(self, frames: torch.Tensor, settings: dict) -> None:
        """Rescales and normalises frames (f, 3, h, w) float32. Each video alone, so that its batch cannot matter."""
        mean, std, do_rescale = self._fuse_mean_std_and_rescale_factor(
            do_normalize=settings["do_normalize"],
            image_mean=settings["image_mean"],
            image_std=settings["image_std"],
            do_rescale=settings["do_rescale"],
            rescale_factor=settings["rescale_factor"],
            device=frames.device,
        )
        if settings["do_normalize"]:
            # Not through `self.normalize`, which works in place in recent versions only.
            functional.normalize(frames, mean, std, inplace=True)
        elif do_rescale:
            frames.mul_(settings["rescale_factor"])

    def _settings(self, overrides: dict) -> dict:
        """This processor's settings with those of one call, in the form that the steps take them."""
        known = SHARED_ARGUMENTS | (set(GGMVideoProcessorKwargs.__annotations__) - set(VideosKwargs.__annotations__))
        unknown = sorted(set(overrides) - known)
        if unknown:
            raise InputError(f"GGMVideoProcessor knows no argument {', '.join(unknown)}: check the spelling.")
        overrides = _with_one_rule(overrides)
        settings = {name: getattr(self, name, None) for name in known}
        settings |= {"return_tensors": "pt", "padding": "longest", "device": None}
        names = ("size", "crop_size", "do_center_crop", "default_to_square")
        sizes = {name: value for name, value in overrides.items() if name in names}
        settings |= overrides | (_with_fitting_sizes(sizes, self.size) if "size" in sizes else {})
        settings["own_fps"] = "fps" not in overrides
        # Of a call alone: in the configuration of an image model it is about pictures.
        settings["do_pad"] = overrides.get("do_pad") is not False and settings["padding"] not in (False, "do_not_pad")
        if settings["num_frames"] < 1:
            raise InputError(f"num_frames is {settings['num_frames']}, but a video needs one frame at least.")
        if settings["fps"] is not None and not settings["fps"] > 0:
            raise InputError(f"fps is {settings['fps']}, but some frames are needed: pass a number above 0.")
        if settings["data_format"] not in (None, ChannelDimension.FIRST):
            raise InputError(
                f"data_format={settings['data_format']!r}: the models take 'channels_first'; leave it out, and move"
                " the channels of pixel_values_videos where you need them otherwise."
            )
        return self._standardize_kwargs(**settings)


def _with_one_rule(overrides: dict) -> dict:
    """Arguments of a call that say in one way how many frames are taken; `None` is not given."""
    overrides = {name: value for name, value in overrides.items() if value is not None or name not in _PAPERS_RULE}
    papers = [name for name in _PAPERS_RULE if name in overrides]
    if papers and overrides.get("fps") is not None:
        raise InputError(f"fps takes the place of {' and '.join(papers)}: pass one or the other.")
    return overrides | ({"fps": None} if papers else {})


def _empty_batch(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """A float32 tensor; in a worker process of a data loader in memory that is handed over without copying."""
    if device.type != "cpu" or torch.utils.data.get_worker_info() is None:
        return torch.empty(shape, dtype=torch.float32, device=device)
    # As torch's own default_collate does.
    storage = torch.UntypedStorage._new_shared(4 * math.prod(shape))
    return torch.empty(0, dtype=torch.float32).set_(storage, 0, shape)


def _geometry(settings: dict) -> dict:
    return {name: settings[name] for name in (*STEPS, *SIZES)}


def _with_fitting_sizes(kwargs: dict, default_size: dict) -> dict:
    """The arguments with `size` as a dict, and with a `crop_size` that fits it where none is given.

    Configurations of image processors that do not crop (ViT, SigLIP) name no crop size, and old ones give one number
    as `size`: the shorter side where the processor crops (CLIP), both sides where it does not (ViT).
    """
    kwargs = dict(kwargs)
    size = kwargs.get("size")
    if isinstance(size, int):
        is_shorter = kwargs.get("crop_size") is not None or kwargs.get("do_center_crop")
        if kwargs.get("default_to_square") is not None:
            is_shorter = not kwargs["default_to_square"]
        kwargs["size"] = size = {"shortest_edge": size} if is_shorter else {"height": size, "width": size}
    elif isinstance(size, (list, tuple)):
        kwargs["size"] = size = dict(zip(("height", "width"), size))
    if kwargs.get("crop_size") is None:
        size = dict(size if size is not None else default_size)
        edge = size.get("shortest_edge")
        if edge is not None:
            kwargs["crop_size"] = {"height": edge, "width": edge}
        elif size.get("height") is not None:
            kwargs["crop_size"] = {"height": size["height"], "width": size["width"]}
    return kwargs
