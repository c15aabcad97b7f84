"""A folder laid out as github.com/yuhonas/free-exercise-db becomes a folder of shorts."""

import json
import sys

import av
import numpy as np
import pytest

from transformers_ggm import load_shorts

EXERCISE = {
    "force": "pull",
    "level": "intermediate",
    "mechanic": None,
    "equipment": "e-z curl bar",
    "primaryMuscles": ["lower back"],
    "secondaryMuscles": ["calves"],
    "instructions": ["Stand in front of a bar.", "Lift it."],
    "category": "other",
}


@pytest.fixture
def script(load_example):
    return load_example("exercises_as_shorts")


@pytest.fixture
def source(tmp_path):
    """A clone with twenty exercises, each with a dark and a light photo of 300 by 401 pixels."""
    folder = tmp_path / "clone" / "exercises"
    for number in range(20):
        name = f"Lift_{number}"
        (folder / name).mkdir(parents=True)
        for index, grey in enumerate((40, 200)):
            with av.open(folder / name / f"{index}.jpg", "w", format="mjpeg") as container:
                stream = container.add_stream("mjpeg", rate=1)
                stream.width, stream.height, stream.pix_fmt = 300, 401, "yuvj420p"
                frame = av.VideoFrame.from_ndarray(np.full((401, 300, 3), grey, np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
                container.mux(stream.encode())
        content = {**EXERCISE, "name": f"Lift {number}", "images": [f"{name}/0.jpg", f"{name}/1.jpg"]}
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder.parent


def test_becomes_a_folder_of_shorts(script, source, tmp_path, monkeypatch):
    """Would fail if the README's three commands could not follow one another."""
    monkeypatch.setattr(sys, "argv", ["script", "--source", str(source), "--output_dir", str(tmp_path / "shorts")])
    script.main()
    shorts = load_shorts(tmp_path / "shorts")
    ids = {split: {row["id"] for row in rows} for split, rows in shorts.items()}
    assert {split: {name for name in ids[split] if script.split_of(name) == split} for split in ids} == ids
    left_out = sum(script.split_of(f"Lift_{number}") is None for number in range(20))
    assert sum(map(len, ids.values())) == 20 - left_out
    row = shorts["train"][0]
    assert row["description"] == "Stand in front of a bar. Lift it."
    assert row["hashtags"] == ["ezcurlbar", "pull", "intermediate", "lowerback"]
    with av.open(row["video"]) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert min(frames[0].shape) == 224
    levels = np.array([frame.mean() for frame in frames]).reshape(-1, 5)
    assert np.allclose(levels, np.resize([[40], [200]], (6, 1)), atol=4)


def test_splits_are_those_of_the_published_metrics(script, shared_data):
    """Would fail if the metrics of docs/results.md were of other clips than the script's."""
    for split in ("train", "validation", "test"):
        lines = (shared_data / "exercises" / split / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
        assert {script.split_of(json.loads(line)["id"]) for line in lines} == {split}
