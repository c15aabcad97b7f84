import io
from fractions import Fraction
from itertools import combinations

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from transformers_ggm.data.near_duplicates import (
    FRAME_BITS,
    FRAME_BITS_SAME_WORDS,
    description_key,
    description_keys,
    frame_hashes,
    near_duplicate_groups,
    near_duplicates_across_splits,
    near_duplicates_summary,
)
from transformers_ggm.errors import InputError

LONG = "a description that is long enough to tell"


def make_frames(seed, num_frames=8, height=96, width=128):
    """A clip of soft, coloured shapes that change slowly: (f, 3, h, w) uint8."""
    generator = torch.Generator().manual_seed(seed)
    ends = torch.rand(2, 3, 7, 9, generator=generator)
    ends = functional.interpolate(ends, size=(height, width), mode="bicubic").clamp(0, 1)
    share = torch.linspace(0, 1, num_frames)[:, None, None, None]
    return (255 * (ends[0] * (1 - share) + ends[1] * share)).to(torch.uint8)


def encode_and_decode(frames, size, bit_rate):
    """The frames after lossy encoding at another size, as `(height, width)`."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10, options={"g": "4"})
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *size, "yuv420p", bit_rate
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame.permute(1, 2, 0).numpy().copy(), format="rgb24")
            picture = picture.reformat(width=size[1], height=size[0], format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        arrays = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(arrays) == len(frames)
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def mean_bits(one, other):
    return sum((a ^ b).bit_count() for a, b in zip(one, other)) / 4


def hash_array(rows):
    return np.array(rows, dtype=np.uint64).reshape(-1, 4)


# Frame hashes


def test_other_sizes_and_encodings_give_near_hashes():
    """A clip posted twice, at another size and quality, would pass for another clip."""
    for seed in range(8):
        frames = make_frames(seed)
        again = encode_and_decode(frames, (48, 64), bit_rate=60_000)
        assert mean_bits(frame_hashes(frames), frame_hashes(again)) <= FRAME_BITS
        brighter = (frames.float() * 0.9 + 25).to(torch.uint8)
        assert mean_bits(frame_hashes(frames), frame_hashes(brighter)) <= FRAME_BITS


def test_different_clips_give_far_hashes():
    """Different clips would pass for the same one."""
    hashes = [frame_hashes(make_frames(seed)) for seed in range(40)]
    distances = [mean_bits(one, other) for one, other in combinations(hashes, 2)]
    assert min(distances) > FRAME_BITS_SAME_WORDS
    assert np.mean(distances) == pytest.approx(32, abs=2)


def test_hashes_are_signs_of_low_frequencies():
    """The hash would not be a perceptual one: the 32 largest of the 64 lowest frequencies set their bits."""
    frame = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    grey = np.tensordot([0.299, 0.587, 0.114], frame[0].double().numpy(), axes=1)
    wave = [[np.cos(np.pi * k * (2 * n + 1) / 64) for n in range(32)] for k in range(32)]
    places = sorted(((u, v) for u in range(32) for v in range(32) if (u, v) != (0, 0)), key=lambda p: (sum(p), p))[:64]
    values = [float(np.outer(wave[u], wave[v]).ravel() @ grey.ravel()) for u, v in places]
    highest = sorted(range(64), key=lambda place: -values[place])[:32]
    assert frame_hashes(frame) == [sum(1 << (63 - place) for place in highest)] * 4


@pytest.mark.parametrize(
    ("num_frames", "places"), [(1, [0] * 4), (3, [0, 1, 1, 2]), (4, [0, 1, 2, 3]), (15, [1, 5, 9, 13])]
)
def test_frames_are_spread_evenly(num_frames, places):
    """Frames of one part of the clip would stand for all of it."""
    frames = torch.cat([make_frames(seed, num_frames=1) for seed in range(num_frames)])
    alone = [frame_hashes(frames[index : index + 1])[0] for index in range(num_frames)]
    assert frame_hashes(frames) == [alone[place] for place in places]


@pytest.mark.parametrize("level", [0, 130, 255])
def test_frames_of_one_colour_have_no_hash(level):
    """Black screens would all be duplicates of one another."""
    flat = torch.full((4, 3, 64, 64), level)
    noise = torch.randint(-8, 9, flat.shape, generator=torch.Generator().manual_seed(0))
    assert frame_hashes((flat + noise).clamp(0, 255).to(torch.uint8)) == [0, 0, 0, 0]


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 70), st.integers(1, 70), st.integers(0, 99))
def test_half_the_bits_are_set(num_frames, height, width, seed):
    """Hashes of odd sizes would be lopsided, and so nearer to one another than chance."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (num_frames, 3, height, width), dtype=torch.uint8, generator=generator)
    hashes = frame_hashes(frames)
    assert all(type(value) is int and value.bit_count() in (0, 32) for value in hashes)
    assert np.array(hashes, dtype=np.uint64).tolist() == hashes


@pytest.mark.parametrize(
    "frames",
    [
        torch.zeros(0, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(2, 8, 8, 3, dtype=torch.uint8),
        torch.zeros(3, 8, 8, dtype=torch.uint8),
        torch.zeros(2, 3, 8, 8),
    ],
)
def test_what_is_no_clip_is_refused(frames):
    """Frames in another layout would be hashed as if they were right."""
    with pytest.raises(InputError, match=r"`frames` has shape"):
        frame_hashes(frames)


# Descriptions


def test_descriptions_are_compared_by_letters_and_digits():
    """A copied description would be missed for an emoji, or different ones taken for the same."""
    assert description_key("First snow of 2024 in Toronto!") == description_key("first SNOW of 2024, in toronto 🙂")
    assert description_key("first snow") != description_key("first show")
    assert description_key("") == description_key(" 🙂 !") == 0
    assert description_key("snow") % 2 == 0 != description_key("snow")
    assert description_key(LONG) % 2 == 1
    assert description_keys(["snow", ""]).tolist() == [description_key("snow"), 0]
    assert description_keys([]).shape == (0,)


# Groups


def reference_groups(hashes, descriptions):
    """The rule of the module, pair by pair."""
    parents = list(range(len(hashes)))
    for one, other in combinations(range(len(hashes)), 2):
        same = descriptions[one] == descriptions[other] != ""
        pairs = [(a, b) for a, b in zip(hashes[one], hashes[other]) if a and b]
        if pairs:
            mean = sum((a ^ b).bit_count() for a, b in pairs) / len(pairs)
            near = len(pairs) >= 2 and mean <= FRAME_BITS
            near |= same and mean <= FRAME_BITS_SAME_WORDS
        else:
            near = same and descriptions[one] == LONG and not any(hashes[one]) and not any(hashes[other])
        if near:
            old, new = sorted((parents[one], parents[other]))[::-1]
            parents = [new if parent == old else parent for parent in parents]
    return parents


@st.composite
def corpora(draw):
    """Rows of which some are others with some bits changed, frames blanked or another description."""
    source = np.random.default_rng(draw(st.integers(0, 2**32)))
    hashes = [source.integers(1, 2**64, 4, dtype=np.uint64) for _ in range(draw(st.integers(1, 3)))]
    descriptions = ["short"]
    for _ in range(draw(st.integers(0, 25))):
        row = hashes[source.integers(len(hashes))].copy()
        for frame in range(4):
            for bit in source.choice(64, draw(st.sampled_from([0, 1, 4, 5, 8, 12])), replace=False):
                row[frame] ^= np.uint64(1) << np.uint64(bit)
            if source.random() < 0.15:
                row[frame] = 0
        hashes.append(row * (source.random() > 0.1))
    descriptions = source.choice(["", "short", "other", LONG], len(hashes)).tolist()
    return [row.tolist() for row in hash_array(hashes).astype(object)], descriptions


@settings(max_examples=150, deadline=None)
@given(corpora())
def test_groups_are_those_of_every_pair_compared(corpus):
    """Near-duplicates would be missed by the search, or rows joined that the rule keeps apart."""
    hashes, descriptions = corpus
    groups = near_duplicate_groups(hash_array(hashes), description_keys(descriptions))
    assert groups.dtype == np.int64
    assert groups.tolist() == reference_groups(hashes, descriptions)


def test_pairs_are_found_among_many_rows():
    """Near-duplicates would be lost in the crowd."""
    source = np.random.default_rng(0)
    hashes = source.integers(1, 2**64, (20_000, 4), dtype=np.uint64)
    copies = source.permutation(20_000)[:400]
    changed = hashes[copies[:200]]
    for frame in range(4):  # four bits in each frame, the most that the rule allows
        for bits in np.argsort(source.random((200, 64)), axis=1)[:, :4].T:
            changed[:, frame] ^= np.uint64(1) << bits.astype(np.uint64)
    hashes[copies[200:]] = changed
    groups = near_duplicate_groups(hashes, np.zeros(20_000, dtype=np.uint64))
    expected = np.arange(20_000)
    for one, other in copies.reshape(2, 200).T:
        expected[max(one, other)] = min(one, other)
    assert np.array_equal(groups, expected)


def test_a_clip_posted_very_often_is_one_group():
    """A crowd of copies, larger than what each row is compared with, would fall into several groups."""
    source = np.random.default_rng(0)
    hashes = np.repeat(source.integers(1, 2**64, (1, 4), dtype=np.uint64), 3000, axis=0)
    hashes ^= np.uint64(1) << source.integers(0, 64, hashes.shape, dtype=np.uint64)
    assert not near_duplicate_groups(hashes, np.zeros(3000, dtype=np.uint64)).any()
    words = near_duplicate_groups(np.zeros_like(hashes), description_keys([LONG] * 3000))
    assert not words.any()


def test_clips_with_a_black_beginning_are_not_joined():
    """All clips that begin and end in black would be one group."""
    source = np.random.default_rng(0)
    hashes = source.integers(1, 2**64, (50, 4), dtype=np.uint64)
    hashes[:, [0, 3]] = 0
    assert near_duplicate_groups(hashes, description_keys(["link in bio"] * 50)).tolist() == list(range(50))


@pytest.mark.parametrize(
    ("hashes", "keys", "name"),
    [
        (np.zeros((3, 4), dtype=np.int64), np.zeros(3, dtype=np.uint64), "hashes"),
        (np.zeros((3, 3), dtype=np.uint64), np.zeros(3, dtype=np.uint64), "hashes"),
        (np.zeros((3, 4), dtype=np.uint64), np.zeros(2, dtype=np.uint64), "keys"),
        (np.zeros((3, 4), dtype=np.uint64), np.zeros(3), "keys"),
    ],
)
def test_arrays_that_do_not_fit(hashes, keys, name):
    """Wrong arrays would give wrong groups."""
    with pytest.raises(InputError, match=f"`{name}` is"):
        near_duplicate_groups(hashes, keys)


@pytest.mark.parametrize("num_rows", [0, 1])
def test_no_rows_and_one_row(num_rows):
    """The smallest corpora would fail."""
    keys = description_keys([LONG] * num_rows)
    assert near_duplicate_groups(np.ones((num_rows, 4), dtype=np.uint64), keys).tolist() == [0] * num_rows
    assert near_duplicates_across_splits(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int8), []) == []


# Report


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 3)), max_size=30), st.integers(1, 4))
def test_the_report_lists_groups_that_lie_in_several_splits(pairs, max_names):
    """A leak between splits would not be reported, or rows that are dropped counted as one."""
    groups, splits = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    names = [f"{index}.mp4" for index in range(len(pairs))]
    found = near_duplicates_across_splits(groups, splits.astype(np.int8), names, max_names=max_names)
    expected = []
    for group in range(7):
        by_split = {}
        for index, split in enumerate(("train", "validation", "test", "unseen_test")):
            if members := [name for name, pair in zip(names, pairs) if pair == (group, index)]:
                by_split[split] = members
        if len(by_split) > 1:
            rows = {split: len(members) for split, members in by_split.items()}
            listed = {split: members[:max_names] for split, members in by_split.items()}
            expected.append({"rows": rows, "names": listed})
    expected.sort(key=lambda group: -sum(group["rows"].values()))
    assert found == expected


def test_the_report_of_other_splits():
    """A source's own splits would be reported under the names of a corpus."""
    found = near_duplicates_across_splits(np.zeros(2, dtype=np.int64), np.arange(2), ["a", "b"], ["one", "other"])
    assert found == [{"rows": {"one": 1, "other": 1}, "names": {"one": ["a"], "other": ["b"]}}]


def test_the_summary():
    """People would not see how much leaks, or a long list would fill the page."""
    groups = np.array([0, 0, 0, 3, 3, 5, 6, 6])
    splits = np.array([0, 0, 2, 0, 1, 0, 2, 2])
    names = [f"{index}.mp4" for index in range(8)]
    across = near_duplicates_across_splits(groups, splits, names, max_names=1)
    assert near_duplicates_summary(groups, across, max_groups=1) == (
        "7 of 8 rows are in 3 groups of near-duplicates; 2 of these groups lie in several splits.\n\n"
        "- train: `0.mp4` and 1 more; test: `2.mp4`\n"
        "- 1 further groups\n"
    )
    assert near_duplicates_summary(groups[5:6], []) == (
        "0 of 1 rows are in 0 groups of near-duplicates; 0 of these groups lie in several splits.\n"
    )
