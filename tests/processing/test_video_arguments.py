"""Every argument that transformers' video processors take, and what it does here."""

import numpy as np
import pytest
import torch
from PIL import Image
from processing_samples import grey_of, write_clip
from transformers.image_utils import ChannelDimension
from transformers.processing_utils import VideosKwargs
from transformers.video_utils import VideoMetadata

from transformers_ggm.errors import InputError
from transformers_ggm.processing import GGMVideoProcessor
from transformers_ggm.processing import video_processing_ggm as module

PLAIN = {"do_rescale": False, "do_normalize": False}
FRAMES = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 3, 16, 16)


@pytest.fixture
def processor():
    return GGMVideoProcessor(size={"shortest_edge": 16}, num_frames=5, **PLAIN)


def numbers(batch, row=0):
    """Which frames of `FRAMES` are in a row, padding left out."""
    pixels = batch["pixel_values_videos"][row][batch["frame_mask"][row].bool()]
    return pixels[:, 0, 0, 0].int().tolist()


def resized(processor):
    wide = torch.randint(0, 256, (2, 3, 20, 40), dtype=torch.uint8)
    assert processor(wide, size=8)["pixel_values_videos"].shape[-2:] == (8, 8)
    assert processor(wide, size={"shortest_edge": 8}, do_center_crop=False)["pixel_values_videos"].shape[-2:] == (
        8,
        16,
    )
    assert processor(wide, size=(8, 12))["pixel_values_videos"].shape[-2:] == (8, 12)
    assert processor(wide, crop_size=6)["pixel_values_videos"].shape[-2:] == (6, 6)
    assert processor(wide, do_resize=False, do_center_crop=False)["pixel_values_videos"].shape[-2:] == (20, 40)
    for square, shape in ((True, (8, 8)), (False, (8, 16))):
        pixels = processor(wide, size=8, default_to_square=square, do_center_crop=False)["pixel_values_videos"]
        assert pixels.shape[-2:] == shape
    nearest, bicubic = (processor(wide, resample=resample)["pixel_values_videos"] for resample in (0, 3))
    assert not torch.equal(nearest, bicubic)


def normalised(processor):
    scaled = processor(FRAMES, do_rescale=True, rescale_factor=0.5)["pixel_values_videos"]
    assert scaled[0, 1, 0, 0, 0] == 0.5 * 6
    for mean, std in ((2.0, 4.0), ([2.0] * 3, [4.0] * 3)):
        pixels = processor(FRAMES, do_normalize=True, image_mean=mean, image_std=std)["pixel_values_videos"]
        assert pixels[0, 1, 0, 0, 0] == (6 - 2) / 4


def converted(processor):
    grey, rgba = np.full((2, 16, 16, 1), 7, np.uint8), np.full((2, 16, 16, 4), 100, np.uint8)
    assert processor(grey, do_convert_rgb=True)["pixel_values_videos"].unique().tolist() == [7]
    # Before white, as transformers has it.
    blended = round(100 * 100 / 255 + 155)
    assert processor(rgba, do_convert_rgb=True)["pixel_values_videos"].unique().tolist() == [blended]
    for frames in (grey, rgba):
        for option in ({}, {"do_convert_rgb": False}):
            with pytest.raises(InputError, match="do_convert_rgb=True"):
                processor(frames, **option)
    images = [Image.fromarray(frame[..., 0]) for frame in grey]
    for option in ({}, {"do_convert_rgb": True}):
        assert processor(images, **option)["pixel_values_videos"].unique().tolist() == [7]
    with pytest.raises(InputError, match=r"mode \['L'\]"):
        processor(images, do_convert_rgb=False)


def laid_out(processor):
    # Three rows of pixels, or three channels.
    frames = torch.randint(0, 256, (2, 3, 16, 3), dtype=torch.uint8)
    plain = {"do_resize": False, "do_center_crop": False}
    for option in ({}, {"input_data_format": "channels_first"}, {"input_data_format": ChannelDimension.FIRST}):
        assert torch.equal(processor(frames, **plain, **option)["pixel_values_videos"][0], frames.float())
    last = processor(frames, **plain, input_data_format="channels_last")["pixel_values_videos"][0]
    assert torch.equal(last, frames.permute(0, 3, 1, 2).float())
    with pytest.raises(InputError, match="input_data_format"):
        processor(frames, input_data_format="first")
    with pytest.raises(InputError, match="shape"):
        processor(torch.zeros(2, 8, 8, 3, dtype=torch.uint8), input_data_format="channels_first")
    assert torch.equal(processor(FRAMES, data_format="channels_first")["frame_mask"], processor(FRAMES)["frame_mask"])
    with pytest.raises(InputError, match="data_format"):
        processor(FRAMES, data_format="channels_last")


def padded(processor):
    assert processor([FRAMES[:2], FRAMES[:2]], do_pad=False)["pixel_values_videos"].shape[1] == 2
    assert processor([FRAMES[:2], FRAMES[:3]], do_pad=True)["pixel_values_videos"].shape[1] == 3
    for videos in ([FRAMES[:2], FRAMES[:3]], [FRAMES[:2], None]):
        for option in ({"do_pad": False}, {"padding": False}, {"padding": "do_not_pad"}):
            with pytest.raises(InputError, match="do_pad=False"):
                processor(videos, **option)
    # Of an image model it says whether pictures are padded.
    assert GGMVideoProcessor(do_pad=False)([FRAMES[:2], FRAMES[:3]])["frame_mask"].shape == (2, 3)


def sampled(processor):
    assert numbers(processor(FRAMES)) == [2, 6, 10, 14, 18]
    assert numbers(processor(FRAMES, num_frames=2)) == [5, 15]
    assert numbers(processor(FRAMES, do_sample_frames=True)) == [2, 6, 10, 14, 18]
    assert numbers(processor(FRAMES, do_sample_frames=False)) == list(range(20))
    assert numbers(processor(FRAMES, do_sample_frames=False, num_frames=2, padding="max_length")) == list(range(20))
    whole = GGMVideoProcessor(size={"shortest_edge": 16}, num_frames=5, do_sample_frames=False, **PLAIN)
    assert numbers(whole(FRAMES)) == list(range(20))


def sampled_by_rate(processor):
    metadata = {"total_num_frames": 20, "fps": 10}
    for given in (metadata, [metadata], [[VideoMetadata(**metadata)]]):
        assert numbers(processor(FRAMES, fps=4, video_metadata=given)) == [1, 3, 6, 8, 11, 13, 16, 18]
    both = processor(
        [FRAMES, None, FRAMES[:5]], fps=4, video_metadata=[metadata, None, {**metadata, "total_num_frames": 5}]
    )
    assert numbers(both, 2) == [1, 3]
    refused = {
        "own rate": {"fps": 4},
        "takes the place of num_frames": {"fps": 4, "num_frames": 3, "video_metadata": metadata},
        "long_video_seconds": {"fps": 4, "long_video_seconds": 3.0},
        "fps=11": {"fps": 11, "video_metadata": metadata},
        "above 0": {"fps": 0, "video_metadata": metadata},
        "for 2 videos": {"video_metadata": [metadata, metadata]},
        "tells of 30 frames": {"video_metadata": {"total_num_frames": 30}},
        "total_num_frames is needed": {"video_metadata": {"fps": 3}},
    }
    for message, arguments in refused.items():
        with pytest.raises(InputError, match=message):
            processor(FRAMES, **arguments)
    # What a call says takes the place of what the processor was made with.
    by_rate = GGMVideoProcessor(size={"shortest_edge": 16}, fps=4, **PLAIN)
    assert len(numbers(by_rate(FRAMES, video_metadata=metadata))) == 8
    assert len(numbers(by_rate(FRAMES, num_frames=3))) == 3
    assert len(numbers(by_rate(FRAMES, fps=None))) == 15
    # Of frames that were taken by rate before, all are used.
    assert len(numbers(by_rate(FRAMES))) == 20


def told(processor):
    assert "video_metadata" not in processor(FRAMES)
    for videos, option in ((FRAMES, {}), ([FRAMES, None], {"return_tensors": "np"})):
        metadata = processor(videos, return_metadata=True, **option)["video_metadata"]
        assert metadata[0].frames_indices == [2, 6, 10, 14, 18]
        assert (metadata[0].total_num_frames, metadata[0].height, metadata[0].width) == (20, 16, 16)
        assert metadata[1:] == ([] if isinstance(videos, torch.Tensor) else [None])
    given = {"total_num_frames": 40, "fps": 10.0, "duration": 4.0, "frames_indices": list(range(0, 40, 2))}
    taken = processor(FRAMES, return_metadata=True, do_sample_frames=False, video_metadata=given)["video_metadata"][0]
    assert taken.timestamps == [index / 5 for index in range(20)]
    always = GGMVideoProcessor(size={"shortest_edge": 16}, return_metadata=True)
    assert len(always(FRAMES)["video_metadata"]) == 1


def handed_over(processor):
    for kind, type_ in (("pt", torch.Tensor), ("np", np.ndarray)):
        assert all(isinstance(value, type_) for value in processor(FRAMES, return_tensors=kind).values())
    as_lists = processor([FRAMES, None], return_tensors=None)
    assert [type(row) for row in as_lists["pixel_values_videos"]] == [torch.Tensor] * 2
    assert as_lists["frame_mask"] == [[1] * 5, [0] * 5]
    assert processor(FRAMES, device="cpu")["pixel_values_videos"].device == torch.device("cpu")
    assert processor(FRAMES, device=torch.device("meta"), do_pad=True)["pixel_values_videos"].is_meta


CHECKS = {
    "size": resized,
    "crop_size": resized,
    "do_resize": resized,
    "do_center_crop": resized,
    "default_to_square": resized,
    "resample": resized,
    "do_rescale": normalised,
    "rescale_factor": normalised,
    "do_normalize": normalised,
    "image_mean": normalised,
    "image_std": normalised,
    "do_convert_rgb": converted,
    "input_data_format": laid_out,
    "data_format": laid_out,
    "do_pad": padded,
    "do_sample_frames": sampled,
    "num_frames": sampled,
    "fps": sampled_by_rate,
    "video_metadata": sampled_by_rate,
    "return_metadata": told,
    "return_tensors": handed_over,
    "device": handed_over,
}


@pytest.mark.contract
@pytest.mark.parametrize("check", list(dict.fromkeys(CHECKS.values())), ids=lambda check: check.__name__)
def test_arguments_do_what_they_say(processor, check):
    """Would fail if one of the arguments were ignored without a word."""
    check(processor)


def test_every_argument_of_transformers_is_decided_on(processor, monkeypatch):
    """
    Would fail if a version of transformers brought an argument that nobody looked at, or if such a one were taken.
    """
    assert set(VideosKwargs.__annotations__) == set(CHECKS) == module.SHARED_ARGUMENTS
    monkeypatch.setitem(VideosKwargs.__annotations__, "do_rotate", bool)
    monkeypatch.setitem(module.GGMVideoProcessorKwargs.__annotations__, "do_rotate", bool)
    with pytest.raises(InputError, match="do_rotate"):
        processor(FRAMES, do_rotate=True)


def test_clips_are_sampled_by_rate_and_told_of(processor, tmp_path):
    """
    Would fail if a clip's frames were not those of the asked rate, or if another time or number were told of them.
    """
    # Ten frames a second, but for half a second without any.
    times = [index / 10 for index in range(20) if not 10 <= index < 15]
    clip = write_clip(tmp_path / "clip.mp4", times, 2.0)
    batch = processor(clip, fps=4, return_metadata=True)
    metadata = batch["video_metadata"][0]
    count = int(metadata.duration * 4)
    wanted = [(index + 0.5) * metadata.duration / count for index in range(count)]
    expected = [min(times, key=lambda time: abs(time - second)) for second in wanted]
    assert 0.9 in expected and 1.5 in expected
    assert metadata.timestamps == pytest.approx(expected)
    assert metadata.frames_indices == [times.index(time) for time in expected]
    assert (metadata.total_num_frames, metadata.height, metadata.width) == (15, 48, 64)
    assert metadata.duration == pytest.approx(2.0, abs=0.1)
    assert metadata.fps == pytest.approx(15 / metadata.duration) and metadata.video_backend == "pyav"
    greys = batch["pixel_values_videos"][0, :, 0, 8, 8]
    assert greys.tolist() == pytest.approx([grey_of(time) for time in expected], abs=3)
    media = processor.decode(clip, fps=4)
    assert torch.equal(processor(media, fps=4)["pixel_values_videos"], batch["pixel_values_videos"])
    assert len(media.frames) == count >= 7 and len(processor(media, num_frames=2)["frame_mask"][0]) == 2
    assert len(processor(media, do_sample_frames=False)["frame_mask"][0]) == count
    with pytest.raises(InputError, match="do_sample_frames=False"):
        processor(clip, do_sample_frames=False)
    with pytest.raises(InputError, match="num_frames and fps"):
        processor.sample_frames(VideoMetadata(total_num_frames=3), num_frames=2, fps=1)
