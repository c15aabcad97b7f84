"""
Lays a clone of github.com/yuhonas/free-exercise-db out as shorts: real photos, instructions as descriptions,
attributes as hashtags. docs/results.md has results on them.

    git clone https://github.com/yuhonas/free-exercise-db
    python examples/exercises_as_shorts.py --source free-exercise-db --output_dir exercises
    python train.py examples/configs/exercises.yaml --data_dir exercises --output_dir outputs/exercises

The two photos of an exercise are shown in turn, half a second each, for three seconds. The source says that it is in
the public domain, but not where the photos come from: settle that before you publish them, or weights trained on them.
"""

import argparse
import hashlib
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from tqdm.auto import tqdm

from transformers_ggm.errors import OutputError
from transformers_ggm.utils.files import check_output_folder

FRAMES_PER_SECOND, FRAMES_PER_PHOTO, PHOTOS_SHOWN = 10, 5, 6
SHORT_SIDE = 224
# By the last digit of the id's hash. Digit 0 is left out, for a look at the end that no choice was made by.
SPLITS = {1: "test", 2: "validation"} | dict.fromkeys(range(3, 10), "train")


def split_of(exercise_id: str) -> str | None:
    """The split of an exercise, the same whatever other exercises there are; `None` for those left out."""
    return SPLITS.get(int(hashlib.sha1(exercise_id.encode(), usedforsecurity=False).hexdigest()[:8], 16) % 10)


def hashtags_of(exercise: dict) -> list[str]:
    """Attributes as hashtags, words joined: "lower back" is `lowerback`."""
    names = ("category", "equipment", "force", "mechanic", "level")
    values = [exercise[name] for name in names] + exercise["primaryMuscles"]
    tags = ["".join(filter(str.isalnum, value.lower())) for value in values if value and value != "other"]
    return list(dict.fromkeys(tags))


def read_photo(path: Path) -> np.ndarray:
    """A photo with its short side at 224 pixels and even sides, as H.264 wants them."""
    with av.open(path) as container:
        frame = next(container.decode(video=0))
    scale = SHORT_SIDE / min(frame.width, frame.height)
    width, height = (round(side * scale / 2) * 2 for side in (frame.width, frame.height))
    # As an array: a frame would hand JPEG's full range of values on to the video, which is read as having less.
    return frame.to_ndarray(width=width, height=height, format="rgb24")


def write_clip(photos: list[Path], path: Path) -> None:
    """Shows the photos in turn. One of another shape than the first is stretched to it."""
    frames = [av.VideoFrame.from_ndarray(read_photo(photo), format="rgb24") for photo in photos]
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for number in range(FRAMES_PER_PHOTO * PHOTOS_SHOWN):
            photo = frames[number // FRAMES_PER_PHOTO % len(frames)]
            frame = photo.reformat(width=stream.width, height=stream.height, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="clone of yuhonas/free-exercise-db")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    try:
        check_output_folder(arguments.output_dir, "--output_dir")
    except OutputError as error:
        parser.error(str(error))
    files = sorted((arguments.source / "exercises").glob("*.json"))
    if not files:
        parser.error(
            f"{arguments.source / 'exercises'} has no *.json: clone https://github.com/yuhonas/free-exercise-db"
        )
    rows = {split: [] for split in SPLITS.values()}
    for file in tqdm(files, desc="Clips"):
        exercise = json.loads(file.read_text(encoding="utf-8"))
        photos = [arguments.source / "exercises" / name for name in exercise["images"]]
        split = split_of(file.stem)
        if split is None or not photos:
            continue
        clip = arguments.output_dir / split / f"{file.stem}.mp4"
        clip.parent.mkdir(parents=True, exist_ok=True)
        write_clip(photos, clip)
        rows[split].append(
            {
                "file_name": clip.name,
                "id": file.stem,
                "title": exercise["name"],
                "description": " ".join(exercise["instructions"]),
                "hashtags": hashtags_of(exercise),
            }
        )
    for split, content in rows.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
        (arguments.output_dir / split / "metadata.jsonl").write_text(lines, encoding="utf-8")
        print(f"{split}: {len(content)} clips")


if __name__ == "__main__":
    main()
