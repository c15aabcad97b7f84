"""The video processor against the frame rule computed by hand, and against plain arithmetic on pixels."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from processing_samples import write_clip

from transformers_ggm.errors import InputError, MediaError
from transformers_ggm.processing import GGMVideoProcessor, decode_media


def random_frames(count, height=24, width=32, seed=0):
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=torch.manual_seed(seed))


@given(st.floats(0.0, 600.0), st.integers(1, 40), st.floats(0.1, 30.0), st.floats(0.5, 60.0))
def test_sample_timestamps_are_centres_of_equal_segments(duration, num_frames, per_second, long_seconds):
    """Frames are taken outside the video, unevenly, or more of them than allowed."""
    times = GGMVideoProcessor().sample_timestamps(
        duration, num_frames=num_frames, frames_per_second=per_second, long_video_seconds=long_seconds
    )
    if duration >= long_seconds:
        assert len(times) == num_frames
    else:
        assert len(times) == min(num_frames, max(1, round(duration * per_second)))
    segment = duration / len(times)
    assert times == pytest.approx([segment * (index + 0.5) for index in range(len(times))])


@pytest.mark.parametrize(("duration", "count"), [(0.0, 1), (0.2, 1), (3.0, 6), (6.9, 14), (7.0, 15), (300.0, 15)])
def test_the_papers_frame_rule(duration, count):
    """The defaults differ from the paper: 2 frames per second below 7 seconds, else 15."""
    assert len(GGMVideoProcessor().sample_timestamps(duration)) == count


@pytest.mark.contract
def test_values_by_hand():
    """Pixels are scaled or normalised wrongly: with the defaults 0..255 becomes -1..1."""
    frames = random_frames(3, 16, 16)
    batch = GGMVideoProcessor(size=16)(frames)
    assert batch["pixel_values_videos"].dtype == torch.float32
    assert batch["frame_mask"].dtype == torch.int64
    torch.testing.assert_close(batch["pixel_values_videos"][0], frames.float() / 255 * 2 - 1, atol=1e-6, rtol=0)


def test_all_forms_of_frames_give_the_same(video_processor):
    """One way of giving frames swaps axes or channels."""
    frames = random_frames(3)
    expected = video_processor(frames)
    images = [Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in frames]
    for video in [
        frames.numpy(),
        frames.permute(0, 2, 3, 1),
        frames.permute(0, 2, 3, 1).numpy(),
        images,
        [np.asarray(image) for image in images],
        [images],
        [frames],
        frames[None],
    ]:
        batch = video_processor(video)
        assert torch.equal(batch["pixel_values_videos"], expected["pixel_values_videos"])


def test_clips_are_decoded_at_the_frame_rule(video_processor, clip):
    """A path gives other frames than decoding at the rule's times and passing the frames."""
    media = decode_media(clip, sample_timestamps=video_processor.sample_timestamps)
    expected = video_processor(media.frames)["pixel_values_videos"]
    with open(clip, "rb") as file:
        for video in [clip, str(clip), clip.read_bytes(), file, media]:
            assert torch.equal(video_processor(video)["pixel_values_videos"], expected)


@pytest.mark.parametrize(
    "options",
    [
        {"size": 20, "crop_size": 16},
        {"size": {"height": 30, "width": 20}},
        {"do_resize": False},
        {"do_center_crop": False},
    ],
)
def test_frames_resized_as_they_are_decoded(clip, options):
    """The frames differ from those that are resized together later, or are resized twice."""
    processor = GGMVideoProcessor(**options)
    whole, resized = processor.decode(clip), processor.decode(clip, resize=True, sampling_rate=16_000)
    assert torch.equal(resized.frames, processor.resize_frames(whole.frames))
    assert torch.equal(processor.frames_of(resized), processor.frames_of(whole))
    assert resized.timestamps.tolist() == whole.timestamps.tolist() and len(resized.audio)


def test_padding_changes_no_row(video_processor, clip):
    """What else is in the batch changes a row, padding is not zero, or the mask does not say which frames are real."""
    videos = [random_frames(2), None, clip, random_frames(5, 40, 20)]
    batch = video_processor(videos)
    assert batch["pixel_values_videos"].shape == (4, 5, 3, 16, 16)
    assert batch["frame_mask"].sum(dim=1).tolist() == [2, 0, 4, 5]
    assert (batch["pixel_values_videos"][batch["frame_mask"] == 0] == 0).all()
    for index in (0, 2, 3):
        alone = video_processor(videos[index])["pixel_values_videos"][0]
        assert torch.equal(batch["pixel_values_videos"][index, : len(alone)], alone)


def test_padding_to_max_length(video_processor):
    """A fixed frame count, which batching in pipelines needs, is not reached."""
    batch = video_processor([random_frames(2)], padding="max_length")
    assert batch["pixel_values_videos"].shape[1] == 15
    assert batch["frame_mask"].tolist() == [[1, 1] + [0] * 13]


def test_long_lists_of_frames_are_thinned_evenly(video_processor):
    """Only the beginning of a long list of frames is seen."""
    frames = torch.arange(100, dtype=torch.uint8)[:, None, None, None].expand(100, 3, 16, 16)
    kept = video_processor(frames, num_frames=4, do_rescale=False, do_normalize=False)["pixel_values_videos"]
    assert kept[0, :, 0, 0, 0].tolist() == [12, 37, 62, 87]


@pytest.mark.parametrize("options", [{}, {"do_resize": False, "do_center_crop": False}])
def test_resizing_beforehand_changes_nothing(options):
    """Training on frames that were resized and stored sees other pixels than the pipeline does."""
    processor = GGMVideoProcessor(size={"shortest_edge": 20}, crop_size=16, image_mean=[0.4, 0.5, 0.6])
    frames = random_frames(4, 37, 53)
    resized = processor.resize_frames(frames)
    assert resized.dtype == torch.uint8
    assert resized.shape == (4, 3, 16, 16)
    if not options:
        processor = GGMVideoProcessor(size=16, image_mean=[0.4, 0.5, 0.6])
        assert torch.equal(processor.resize_frames(resized), resized)
    expected = GGMVideoProcessor(size={"shortest_edge": 20}, crop_size=16, image_mean=[0.4, 0.5, 0.6])(frames)
    assert torch.equal(processor(resized, **options)["pixel_values_videos"], expected["pixel_values_videos"])


IMAGE_PROCESSORS = {
    "vit": ({"size": {"height": 32, "width": 24}}, (32, 24)),
    "vit_with_number": ({"size": 32}, (32, 32)),
    "clip": (
        {"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}, "do_center_crop": True},
        (28, 28),
    ),
    "clip_with_numbers": ({"size": 32, "crop_size": 28, "do_center_crop": True}, (28, 28)),
    "shortest_edge_alone": ({"size": {"shortest_edge": 32}}, (32, 32)),
}


@pytest.mark.contract
@pytest.mark.parametrize("name", sorted(IMAGE_PROCESSORS))
def test_from_a_folder_of_an_image_model(tmp_path, name):
    """Frames have another size or normalisation than the vision backbone was trained with."""
    sizes, expected = IMAGE_PROCESSORS[name]
    config = {"image_processor_type": "CLIPImageProcessor", "feature_extractor_type": "CLIPFeatureExtractor", **sizes}
    config |= {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "resample": 2}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    processor = GGMVideoProcessor.from_pretrained(tmp_path)
    white = torch.full((1, 3, 40, 60), 255, dtype=torch.uint8)
    pixels = processor(white)["pixel_values_videos"]
    assert pixels.shape[-2:] == expected
    torch.testing.assert_close(pixels[0, 0, :, 5, 5], torch.tensor([0.9 / 0.4, 0.8 / 0.5, 0.7 / 0.6]))


def test_a_number_as_size_means_the_shorter_side_where_frames_are_cropped():
    """A wide frame is squashed for CLIP, or cropped for ViT."""
    assert dict(GGMVideoProcessor(size=32, do_center_crop=True).size) == {"shortest_edge": 32}
    assert dict(GGMVideoProcessor(size=32).size) == {"height": 32, "width": 32}


@pytest.mark.contract
def test_save_and_load(tmp_path):
    """A setting is lost or changed on disk."""
    processor = GGMVideoProcessor(
        size={"shortest_edge": 20}, crop_size=16, frames_per_second=1.5, num_frames=7, long_video_seconds=4.0
    )
    processor.save_pretrained(tmp_path)
    loaded = GGMVideoProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == processor.to_dict()
    assert loaded.sample_timestamps(3.0) == processor.sample_timestamps(3.0)
    frames = random_frames(3, 30, 50)
    assert torch.equal(loaded(frames)["pixel_values_videos"], processor(frames)["pixel_values_videos"])


def test_a_configuration_of_an_earlier_version(tmp_path):
    """Would fail if a checkpoint that was saved with `still_tolerance` could not be loaded, or went on carrying it."""
    processor = GGMVideoProcessor(size=16)
    processor.save_pretrained(tmp_path)
    file = tmp_path / "video_preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "still_tolerance": 2.0}))
    loaded = GGMVideoProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == processor.to_dict()
    frames = random_frames(3)
    assert torch.equal(loaded(frames)["pixel_values_videos"], processor(frames)["pixel_values_videos"])


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ([], "empty"),
        ([None, None], "every row is None"),
        (torch.zeros(2, 3, 8, 8), "uint8"),
        (np.zeros((2, 8, 8, 4), np.uint8), "shape"),
        (np.zeros((8, 8), np.uint8), "shape"),
        (np.zeros((0, 8, 8, 3), np.uint8), "no pixel"),
        ([[]], "empty list"),
        ([3], "int"),
        ([[np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 3), np.uint8)]], "unequal"),
    ],
)
def test_what_is_no_video_is_refused(video_processor, videos, message):
    """A mistake ends in a shape error of torch, or passes as a video."""
    with pytest.raises(InputError, match=message):
        video_processor(videos)


def test_frames_of_unequal_sizes_are_refused(video_processor):
    """Rows that cannot be one batch fail inside torch."""
    with pytest.raises(InputError, match="do_resize"):
        video_processor([random_frames(1, 8, 8), random_frames(1, 9, 8)], do_resize=False, do_center_crop=False)


@pytest.mark.contract
def test_misspelt_settings_are_refused(video_processor):
    """A misspelt setting is silently ignored."""
    with pytest.raises(InputError, match="num_frame"):
        video_processor(random_frames(1), num_frame=3)


def test_unreadable_clips_are_named(video_processor, tmp_path):
    """The error of one clip in a batch does not say which one."""
    good = write_clip(tmp_path / "good.mp4", [0.0], 0.1)
    with pytest.raises(MediaError, match="absent"):
        video_processor([good, tmp_path / "absent.mp4"])
