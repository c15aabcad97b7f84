import hashlib
import itertools
import json
import re
from collections import Counter
from dataclasses import replace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.cli import main
from transformers_ggm.data.rendered_shorts import (
    CAUSES,
    COLOURS,
    MOVEMENTS,
    NOISE,
    REVERSED_MOVEMENTS,
    SHAPES,
    SOUNDS,
    SPLITS,
    TOPICS,
    compounds,
    held_out_compounds,
    render_clip,
    render_shorts,
    sample_recipes,
)
from transformers_ggm.data.rendered_shorts.motion import sample_poses
from transformers_ggm.data.rendered_shorts.pictures import draw_background, draw_frames
from transformers_ggm.data.rendered_shorts.sounds import SAMPLING_RATE, synthesize
from transformers_ggm.errors import DatasetError, InputError

PALETTE = np.array(list(COLOURS.values()), dtype=float)


def file_hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def decode(path):
    """Frames (f, h, w, 3), sound (n,) or None, and the duration in seconds of an MP4 file."""
    frames, sound = [], []
    with av.open(str(path)) as container:
        duration = float(container.streams.video[0].duration * container.streams.video[0].time_base)
        has_audio = bool(container.streams.audio)
        for frame in container.decode():
            if isinstance(frame, av.VideoFrame):
                frames.append(frame.to_ndarray(format="rgb24"))
            else:
                sound.append(frame.to_ndarray()[0])
    return np.stack(frames), np.concatenate(sound) if has_audio else None, duration


def nearest_colour(pixel):
    return list(COLOURS)[np.linalg.norm(PALETTE - pixel, axis=1).argmin()]


def sound_features(wave):
    """Log energy in 16 bands of equal ratio, and how much it varies over 50 ms windows: (32,)."""
    windows = wave[: len(wave) // 800 * 800].reshape(-1, 800) * np.hanning(800)
    power = np.abs(np.fft.rfft(windows)) ** 2
    edges = np.geomspace(2, 400, 17).astype(int)
    bands = np.log(
        np.stack([power[:, a : max(b, a + 1)].mean(axis=1) for a, b in itertools.pairwise(edges)], axis=1) + 1e-3
    )
    return np.concatenate([bands.mean(axis=0) - bands.mean(), bands.std(axis=0)])


# What is in a clip: vocabulary and recipes


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_every_colour_and_shape_keeps_partners_in_training(seed):
    """Wrong: a colour or shape is missing from training, so that an unseen compound could not be put together."""
    held_out = held_out_compounds(seed)
    assert len(held_out) == len(set(held_out)) == 26
    seen = set(compounds()) - set(held_out)
    assert min(sum(compound.startswith(colour) for compound in seen) for colour in COLOURS) >= 6
    assert min(sum(compound.endswith(shape) for compound in seen) for shape in SHAPES) >= 6


def test_the_seed_chooses_the_held_out_compounds():
    """Wrong: the same compounds are held out whatever the seed, so results over seeds are one and the same draw."""
    assert held_out_compounds(0) == held_out_compounds(0) != held_out_compounds(1)


@pytest.mark.parametrize("split", SPLITS)
def test_held_out_compounds_occur_in_a_fifth_of_the_test_split_only(split):
    """Wrong: a compound that should be new to the model leaks into training, or is not marked where it occurs."""
    held_out = set(held_out_compounds(7))
    recipes = sample_recipes(split, 1000, seed=7)
    assert all(recipe.unseen_compound == (recipe.compound in held_out) for recipe in recipes)
    assert sum(recipe.unseen_compound for recipe in recipes) == (200 if split == "test" else 0)
    seen = {recipe.compound for recipe in recipes}
    assert {compound for compound in seen if compound not in held_out} <= set(compounds())
    if split == "train":
        assert seen == set(compounds()) - held_out


@given(seed=st.integers(0, 10_000), split=st.sampled_from(SPLITS))
@settings(max_examples=25, deadline=None)
def test_hashtags_are_valid_and_parted_by_cause(seed, split):
    """Wrong: a hashtag without a cause, with two causes, written twice, or one that no platform would accept."""
    allowed = {
        "seen": set(compounds()),
        "movement": set(MOVEMENTS),
        "heard": set(SOUNDS),
        "words": set(TOPICS),
        "noise": set(NOISE),
    }
    for recipe in sample_recipes(split, 20, seed):
        row = json.loads(json.dumps(recipe.metadata()))
        assert tuple(row["causes"]) == CAUSES
        assert Counter(row["hashtags"]) == Counter(tag for tags in row["causes"].values() for tag in tags)
        assert len(row["hashtags"]) == len(set(row["hashtags"]))
        assert all(re.fullmatch("[a-z]+", tag) for tag in row["hashtags"])
        assert all(set(tags) <= allowed[cause] for cause, tags in row["causes"].items())
        assert len(row["causes"]["seen"]) == 1
        assert bool(row["description"]) == bool(row["causes"]["words"])


def test_no_hashtag_has_two_meanings():
    """Wrong: one word stands for two causes, so a right guess could not be put down to either."""
    words = [*compounds(), *MOVEMENTS, *SOUNDS, *TOPICS, *NOISE]
    assert len(words) == len(set(words))


def test_shares_of_movement_sound_words_and_noise():
    """Wrong: the causes are mixed in other shares than the card says."""
    recipes = sample_recipes("train", 4000, seed=3)

    def share(cause, n):
        return np.mean([len(recipe.causes[cause]) == n for recipe in recipes])

    assert share("movement", 1) == pytest.approx(0.8, abs=0.03)
    assert share("heard", 1) == pytest.approx(0.9, abs=0.03)
    assert share("words", 0) == pytest.approx(0.05, abs=0.02)
    assert share("words", 1) == pytest.approx(0.95 * 0.6, abs=0.03)
    assert [share("noise", n) for n in range(3)] == pytest.approx([1 / 3] * 3, abs=0.03)
    first = Counter(recipe.hashtags.index(recipe.compound) == 0 for recipe in recipes)
    assert first[True] < 0.5 * len(recipes), "the hashtags stand in the order of their causes"
    assert all(2 <= recipe.duration <= 6 for recipe in recipes)


def test_a_longer_split_begins_with_the_shorter_one_and_seeds_differ():
    """Wrong: asking for more clips changes the ones there were, or two seeds or splits repeat each other's clips."""
    assert sample_recipes("test", 30, 0)[:10] == sample_recipes("test", 10, 0)
    seeds = {recipe.seed for split in SPLITS for s in (0, 1) for recipe in sample_recipes(split, 50, s)}
    assert len(seeds) == 50 * 2 * len(SPLITS)


def test_descriptions_tell_only_of_their_topics():
    """Wrong: the words give away what is to be seen or heard, or a phrase stands for two topics."""
    parts = ["moving", "left", "right", "rising", "falling", "growing", "shrinking", "spinning", "blinking"]
    sounds = [*SOUNDS, "bird", "drum", "bell", "buzz", "clap", "beep", "wave", "song", "ding"]
    forbidden = "|".join([*COLOURS, *SHAPES, *parts, *sounds, *NOISE])
    for recipe in sample_recipes("train", 3000, seed=1):
        assert not re.search(rf"\b({forbidden})(s|es|ing)?\b", recipe.description.lower()), recipe.description
        assert "#" not in recipe.description
    phrases = [phrase for variants in TOPICS.values() for phrase in variants]
    assert len(TOPICS) == 24 and len(phrases) == len(set(phrases))
    literal = np.mean([topic in phrase.replace(" ", "").lower() for topic in TOPICS for phrase in TOPICS[topic]])
    assert 0 < literal < 0.3


@pytest.mark.parametrize(
    ("arguments", "named"), [(("dev", 1, 0), "split"), (("train", -1, 0), "`n`"), (("train", 1, -1), "`seed`")]
)
def test_wrong_arguments_are_named(arguments, named):
    """Wrong: a mistake ends in numpy's own error instead of one that names the argument."""
    with pytest.raises(InputError, match=named):
        sample_recipes(*arguments)


# What is seen


def test_palette_colours_are_far_apart():
    """Wrong: two colours are so close that compression or jitter swaps their names."""
    distances = np.linalg.norm(PALETTE[:, None] - PALETTE[None], axis=2)
    assert distances[~np.eye(len(PALETTE), dtype=bool)].min() >= 100


@pytest.mark.parametrize("colour", COLOURS)
def test_the_decoded_shape_has_its_named_colour(colour, tmp_path):
    """Wrong: after H.264 the shape's centre looks more like another colour of the palette."""
    for recipe in sample_recipes("train", 4, seed=11):
        square = replace(recipe, colour=colour, shape="square", movement="movingright", sound=None)
        render_clip(square, tmp_path / "clip.mp4", size=64)
        frames, _, _ = decode(tmp_path / "clip.mp4")
        poses = sample_poses("movingright", square.num_frames, np.random.default_rng([square.seed, 1, 0]))
        for i in (0, len(poses) // 2, len(poses) - 1):
            x, y = round(poses[i].x * 64), round(poses[i].y * 64)
            assert nearest_colour(frames[i, y - 3 : y + 3, x - 3 : x + 3].mean(axis=(0, 1))) == colour


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_covers_a_good_part_of_the_frame_in_its_colour(shape):
    """Wrong: a shape is drawn too small or thin, or swallowed by its outline or the background."""
    for recipe in sample_recipes("train", 5, seed=2):
        frame = draw_frames(replace(recipe, colour="blue", shape=shape, movement=None), size=64)[0]
        is_blue = np.linalg.norm(frame - np.array(COLOURS["blue"], dtype=float), axis=2) < 60
        assert is_blue.mean() > 0.03
        width = np.ptp(np.nonzero(is_blue.any(axis=0))) / 64
        height = np.ptp(np.nonzero(is_blue.any(axis=1))) / 64
        assert 0.3 < max(width, height) < 0.75


def test_shapes_look_different():
    """Wrong: two shapes are drawn alike, so no model could name them apart."""
    recipe = replace(sample_recipes("train", 1)[0], colour="red", movement=None)
    frames = {shape: draw_frames(replace(recipe, shape=shape), size=64)[0].astype(int) for shape in SHAPES}
    for a in SHAPES:
        for b in SHAPES:
            assert a == b or (np.abs(frames[a] - frames[b]).max(axis=2) > 60).mean() > 0.02, (a, b)


@given(seed=st.integers(0, 2**32), colour=st.sampled_from(list(COLOURS)))
@settings(max_examples=60, deadline=None)
def test_backgrounds_are_muted_and_unlike_the_shape(seed, colour):
    """Wrong: a background competes with the shape: saturated, or nearly in its colour (white on white)."""
    fill = np.array(COLOURS[colour]) / 255
    background = draw_background(fill, 48, np.random.default_rng(seed))
    assert background.shape == (48, 48, 3) and background.min() >= 0 and background.max() <= 1
    assert (background.max(axis=2) - background.min(axis=2)).max() <= 0.18
    assert np.linalg.norm(background - fill, axis=2).min() > 0.3


# Movement


@pytest.mark.parametrize(("movement", "partner"), REVERSED_MOVEMENTS.items())
def test_paired_movements_are_time_reverses(movement, partner):
    """Wrong: a model that knows no frame order could tell the pair apart by some picture of its own."""
    for recipe in sample_recipes("train", 4, seed=5):
        forward = draw_frames(replace(recipe, movement=partner), size=32)
        backward = draw_frames(replace(recipe, movement=movement), size=32)
        assert np.array_equal(forward, backward[::-1])
        assert not np.array_equal(forward, backward)


@given(seed=st.integers(0, 2**32), num_frames=st.integers(24, 72))
@settings(max_examples=60, deadline=None)
def test_movements_do_what_they_are_called(seed, num_frames):
    """Wrong: a movement has the other direction's name, is too small to see, or leaves the frame."""

    def change(movement, attribute):
        poses = sample_poses(movement, num_frames, np.random.default_rng(seed))
        assert len(poses) == num_frames
        for pose in poses:
            assert pose.x - pose.width / 2 > -0.1 and pose.x + pose.width / 2 < 1.1
            assert pose.y - pose.width / 2 > -0.1 and pose.y + pose.width / 2 < 1.1
        return getattr(poses[-1], attribute) - getattr(poses[0], attribute)

    assert change("movingright", "x") >= 0.4 and change("movingleft", "x") <= -0.4
    assert change("falling", "y") >= 0.4 and change("rising", "y") <= -0.4
    assert change("growing", "width") >= 0.25 and change("shrinking", "width") <= -0.25
    assert abs(change("spinning", "angle")) >= 90
    assert all(change(None, attribute) == 0 for attribute in ("x", "y", "width", "angle"))


@given(seed=st.integers(0, 2**32), num_frames=st.integers(24, 72))
@settings(max_examples=60, deadline=None)
def test_two_frames_a_second_show_blinking(seed, num_frames):
    """Wrong: the usual sampling of frames meets the shape only while it shows (or only while it does not)."""
    poses = sample_poses("blinking", num_frames, np.random.default_rng(seed))
    assert {pose.visible for pose in poses[3::6]} == {True, False}


@pytest.mark.parametrize("shape", SHAPES)
def test_spinning_shows_for_every_shape(shape):
    """Wrong: a round shape spins without any pixel changing, so the hashtag has no cause in the picture."""
    recipe = replace(sample_recipes("train", 1)[0], shape=shape, movement="spinning")
    frames = draw_frames(recipe, size=64).astype(int)
    assert np.abs(frames[6] - frames[0]).max() > 60


# What is heard


def test_sounds_can_be_told_apart():
    """Wrong: two kinds of sound have the same spectrum and rhythm, so hearing could not find the hashtag."""

    def features(seeds):
        return np.array([[sound_features(synthesize(s, 3 * SAMPLING_RATE, i)) for i in seeds] for s in SOUNDS])

    centroids = features(range(8)).mean(axis=1)
    others = features(range(100, 106))
    nearest = np.linalg.norm(others[:, :, None] - centroids[None, None], axis=-1).argmin(axis=-1)
    assert (nearest == np.arange(len(SOUNDS))[:, None]).mean() >= 0.95


@pytest.mark.parametrize("sound", SOUNDS)
def test_sounds_are_heard_at_a_varied_level_without_clipping(sound):
    """Wrong: a sound is silent or clips, or each clip has the very same sound."""
    waves = [synthesize(sound, 2 * SAMPLING_RATE, seed) for seed in range(6)]
    peaks = np.array([np.abs(wave).max() for wave in waves])
    assert all(wave.shape == (2 * SAMPLING_RATE,) and wave.dtype == np.float32 for wave in waves)
    assert peaks.min() > 0.25 and peaks.max() < 0.95 and np.ptp(peaks) > 0.05
    assert min(np.sqrt(np.mean(wave**2)) for wave in waves) > 0.01


# Files


def test_a_clip_decodes_to_its_recipe(tmp_path):
    """Wrong: the file's length, size, rate or sound is not what the recipe says."""
    for recipe in sample_recipes("train", 4, seed=9):
        for sound in ("bells", None):
            render_clip(replace(recipe, sound=sound), tmp_path / "clip.mp4", size=48)
            frames, samples, duration = decode(tmp_path / "clip.mp4")
            assert frames.shape == (recipe.num_frames, 48, 48, 3)
            assert duration == pytest.approx(recipe.duration, abs=0.01)
            assert (samples is None) == (sound is None)
            drawn = draw_frames(recipe, size=48)
            assert np.abs(frames.astype(int) - drawn).mean() < 8
            if samples is not None:
                assert len(samples) / SAMPLING_RATE == pytest.approx(recipe.duration, abs=0.15)
                original = synthesize("bells", round(recipe.duration * SAMPLING_RATE), recipe.seed)
                assert np.std(samples) == pytest.approx(np.std(original), rel=0.2)


def test_bytes_do_not_depend_on_what_was_in_memory(tmp_path):
    """Wrong: x264 or the sound's encoder uses memory it never wrote, so one clip has other bytes than its twin."""
    rng = np.random.default_rng(0)
    garbage, contents = [], {}
    for _ in range(5):
        for recipe in sample_recipes("train", 10)[6:]:
            garbage = [*garbage[-20:], np.full(rng.integers(1, 50_000), np.nan, dtype=np.float32)]
            render_clip(recipe, tmp_path / "clip.mp4", size=32)
            contents.setdefault(recipe.id, set()).add((tmp_path / "clip.mp4").read_bytes())
    assert {clip: len(variants) for clip, variants in contents.items()} == dict.fromkeys(contents, 1)


def test_a_clip_tells_no_time_or_encoder(tmp_path):
    """Wrong: creation time or version strings get into the file, so that it differs from day to day."""
    render_clip(replace(sample_recipes("train", 1)[0], sound="rain"), tmp_path / "clip.mp4", size=32)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        tags = {**container.metadata, **container.streams.video[0].metadata, **container.streams.audio[0].metadata}
    assert not any("time" in key or "encoder" in key for key in tags), tags


@pytest.mark.parametrize("size", [30, 65])
def test_impossible_sizes_are_named(size, tmp_path):
    """Wrong: an odd size ends in x264's own error, or leaves half a file behind."""
    with pytest.raises(InputError, match=f"`size` is {size}"):
        render_clip(sample_recipes("train", 1)[0], tmp_path / "clip.mp4", size=size)
    assert not list(tmp_path.iterdir())


COUNTS = {"num_train": 5, "num_validation": 0, "num_test": 5, "size": 32, "progress_bar": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shorts") / "one"
    render_shorts(folder, num_workers=1, **COUNTS)
    return folder


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_with_two_workers(folder, tmp_path):
    """Wrong: the clips depend on how many processes rendered them."""
    render_shorts(tmp_path / "two", num_workers=2, **COUNTS)
    assert file_hashes(folder) == file_hashes(tmp_path / "two")


def test_another_seed_gives_other_clips(folder, tmp_path):
    """Wrong: the seed does not reach the pixels."""
    render_shorts(tmp_path, num_workers=1, seed=1, **COUNTS)
    same, other = file_hashes(folder), file_hashes(tmp_path)
    assert same.keys() == other.keys() and not set(same.values()) & set(other.values())


def test_a_folder_has_metadata_clips_and_a_card_and_nothing_else(folder):
    """Wrong: the folder is not in the Hub's convention, or temporary files stay behind."""
    files = set(file_hashes(folder))
    expected = {"README.md"}
    for split in ("train", "test"):
        rows = [json.loads(line) for line in (folder / split / "metadata.jsonl").read_text().splitlines()]
        assert rows == [recipe.metadata() for recipe in sample_recipes(split, 5)]
        expected |= {f"{split}/metadata.jsonl", *(f"{split}/{row['file_name']}" for row in rows)}
    assert files == expected
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n") and "synthetic" in card
    assert all(compound in card for compound in held_out_compounds(0))


def test_a_finished_split_is_kept_and_an_unfinished_one_is_rendered(folder, tmp_path):
    """Wrong: a second run renders all again, or takes an interrupted split for a finished one."""
    copy = tmp_path / "shorts"
    render_shorts(copy, num_workers=1, **COUNTS)
    before = {path: path.stat().st_mtime_ns for path in (copy / "train").iterdir()}
    (copy / "test" / "metadata.jsonl").unlink()
    (copy / "test" / "test-00001.mp4").write_bytes(b"half a cl")
    (copy / "test" / "test-00099.mp4").write_bytes(b"from a longer run")
    render_shorts(copy, num_workers=1, **COUNTS)
    assert {path: path.stat().st_mtime_ns for path in (copy / "train").iterdir()} == before
    assert file_hashes(copy) == file_hashes(folder)


def test_other_settings_need_overwrite(tmp_path):
    """Wrong: clips of another seed or size are silently passed off as the ones asked for."""
    counts = {"num_train": 1, "num_validation": 0, "num_test": 0, "num_workers": 1, "progress_bar": False}
    render_shorts(tmp_path, size=32, **counts)
    with pytest.raises(DatasetError, match="overwrite"):
        render_shorts(tmp_path, size=32, seed=1, **counts)
    with pytest.raises(DatasetError, match="32 pixels wide"):
        render_shorts(tmp_path, size=48, **counts)
    render_shorts(tmp_path, size=48, seed=1, overwrite=True, **counts)
    assert decode(tmp_path / "train" / "train-00000.mp4")[0].shape[1:] == (48, 48, 3)


def test_the_command_line_renders_and_names_mistakes(tmp_path, capsys):
    """Wrong: the command writes elsewhere or nothing, says nothing, or shows a traceback for a wrong option."""
    options = [
        "render-shorts",
        "--output_dir",
        str(tmp_path),
        "--num_train",
        "1",
        "--num_validation",
        "1",
        "--num_test",
        "0",
    ]
    assert main([*options, "--size", "32", "--num_workers", "1"]) == 0
    assert "train: 1 clips in" in capsys.readouterr().out
    assert (tmp_path / "validation" / "validation-00000.mp4").exists()
    assert main([*options, "--num_workers", "0"]) == 1
    assert "`num_workers` is 0" in capsys.readouterr().err
