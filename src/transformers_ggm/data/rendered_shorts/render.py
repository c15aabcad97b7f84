"""Recipes to MP4 files: one clip, or a whole folder of shorts in several processes."""

import functools
import json
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import av
import numpy as np
from tqdm.auto import tqdm

from ...errors import DatasetError, InputError, MediaError
from ...utils.files import check_output_folder, replacing
from .captions import MIN_CAPTIONED_SIZE, write_caption
from .card import dataset_card
from .pictures import draw_frames
from .recipes import FRAMES_PER_SECOND, SPLITS, ClipRecipe, sample_recipes
from .sounds import SAMPLING_RATE, synthesize
from .speech import SOUND_BESIDE_SPEECH, check_espeak, say

_CHUNK = 16
# Threads would change x264's output with the machine's load. So does its macroblock tree in frames this small: with it
# the same frames gave other bytes depending on what the process had in memory before.
_VIDEO_OPTIONS = {"preset": "veryfast", "crf": "20", "threads": "1", "x264-params": "mbtree=0"}
_AUDIO_BITS_PER_SECOND = 48_000


def render_clip(recipe: ClipRecipe, path: str | os.PathLike, size: int = 96) -> None:
    """Renders one clip as MP4: H.264 at 12 frames per second and, where it has a sound, AAC at 16 kHz mono.

    The same recipe gives the same bytes on the same machine.

    Args:
        recipe ([`ClipRecipe`]): What to render.
        path (`str` or `os.PathLike`): The file to write; its folder must exist. An older file is replaced.
        size (`int`, defaults to 96): Width and height in pixels, even and at least 32; 160 where words are shown.

    Raises:
        InputError: `size` is odd or too small, or words are spoken, and espeak-ng is not installed.
        MediaError: The clip cannot be encoded, for instance because this PyAV lacks libx264.

    Example:

    ```python
    >>> import tempfile
    >>> from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     render_clip(sample_recipes("train", 1)[0], f"{folder}/clip.mp4", size=32)

    ```
    """
    _check_size(size, 32 if recipe.caption is None else MIN_CAPTIONED_SIZE)
    frames = draw_frames(recipe, size)
    if recipe.caption is not None:
        frames = write_caption(frames, recipe.caption, recipe.seed)
    samples = _mix_sounds(recipe)
    with replacing(Path(path)) as temporary:
        try:
            _encode(frames, samples, temporary)
        except av.error.FFmpegError as error:
            raise MediaError(f"{path}: cannot be encoded as H.264 and AAC ({error}); check PyAV's codecs.") from error


def render_shorts(
    output_dir: str | os.PathLike,
    num_train: int = 3000,
    num_validation: int = 240,
    num_test: int = 600,
    seed: int = 0,
    size: int = 96,
    num_workers: int | None = None,
    overwrite: bool = False,
    progress_bar: bool = True,
    spoken: bool = False,
    written: bool = False,
) -> dict[str, Path]:
    """Renders a folder of shorts in the Hub's folder convention, with a dataset card.

    A split whose `metadata.jsonl` is there is finished and is not rendered again.

    Args:
        output_dir (`str` or `os.PathLike`): Gets `README.md` and a folder per split with `metadata.jsonl` and clips.
        num_train, num_validation, num_test (`int`, default to 3000, 240 and 600): Clips per split; 0 leaves it out.
        seed (`int`, defaults to 0): Decides everything; not negative.
        size (`int`, defaults to 96): Width and height in pixels, even and at least 32.
        num_workers (`int`, *optional*): Processes; as many as there are cores by default. Does not change the clips.
        overwrite (`bool`, defaults to `False`): Whether to render finished splits again.
        progress_bar (`bool`, defaults to `True`): Whether to show one.
        spoken, written (`bool`, default to `False`): Whether espeak-ng speaks in most clips, and words stand on the
            screen, with a hashtag each, as causes of their own; see [`sample_recipes`].

    Returns:
        `dict[str, Path]`: The `metadata.jsonl` of each split that is not left out.

    Raises:
        InputError: A number is out of range, or espeak-ng is needed and not installed.
        DatasetError: A finished split was rendered with other settings and `overwrite` is off.
        OutputError: `output_dir` cannot be written to.
        MediaError: A clip cannot be encoded.

    Example:

    ```python
    >>> import tempfile
    >>> from transformers_ggm.data.rendered_shorts import render_shorts

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = render_shorts(folder, 1, 0, 1, size=32, num_workers=1, progress_bar=False)
    >>> list(written)
    ['train', 'test']

    ```
    """
    num_workers = (os.cpu_count() or 1) if num_workers is None else num_workers
    if num_workers < 1:
        raise InputError(f"`num_workers` is {num_workers}: give 1 or more.")
    _check_size(size, MIN_CAPTIONED_SIZE if written else 32)
    if spoken:
        check_espeak()
    counts = dict(zip(SPLITS, (num_train, num_validation, num_test)))
    recipes = {split: sample_recipes(split, n, seed, spoken, written) for split, n in counts.items()}
    output_dir = check_output_folder(output_dir)
    written = {}
    for split in SPLITS:
        if recipes[split]:
            written[split] = _render_split(
                recipes[split], output_dir / split, size, num_workers, overwrite, progress_bar
            )
    with replacing(output_dir / "README.md") as temporary:
        temporary.write_text(dataset_card(counts, seed, size, spoken, written), encoding="utf-8")
    return written


def _check_size(size: int, least: int) -> None:
    if size < least or size % 2:
        raise InputError(f"`size` is {size}: give an even number of pixels, {least} or more.")


def _mix_sounds(recipe: ClipRecipe) -> np.ndarray | None:
    """The sound of a clip at 16 kHz, quiet where somebody speaks; `None` for a clip without any."""
    num_samples = round(recipe.duration * SAMPLING_RATE)
    sound = None if recipe.sound is None else synthesize(recipe.sound, num_samples, recipe.seed)
    if recipe.speech is None:
        return sound
    voice = say(recipe.speech, num_samples, recipe.seed)
    return voice if sound is None else voice + np.float32(SOUND_BESIDE_SPEECH) * sound


def _render_split(
    recipes: Sequence[ClipRecipe], folder: Path, size: int, num_workers: int, overwrite: bool, progress_bar: bool
) -> Path:
    metadata_file = folder / "metadata.jsonl"
    rows = "".join(json.dumps(recipe.metadata(), ensure_ascii=False) + "\n" for recipe in recipes)
    if metadata_file.exists() and not overwrite:
        _check_finished(metadata_file, rows, folder / recipes[0].metadata()["file_name"], size)
        return metadata_file
    folder.mkdir(parents=True, exist_ok=True)
    metadata_file.unlink(missing_ok=True)
    _remove_others(folder, recipes)
    render = functools.partial(_render_into, folder=folder, size=size)
    bar = functools.partial(tqdm, total=len(recipes), desc=folder.name, unit="clip", disable=not progress_bar)
    if num_workers == 1:
        for _ in bar(map(render, recipes)):
            pass
    else:
        # Forked processes could inherit locks that a thread of the parent holds: start them afresh.
        with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            for _ in bar(pool.map(render, recipes, chunksize=_CHUNK)):
                pass
    with replacing(metadata_file) as temporary:
        temporary.write_text(rows, encoding="utf-8")
    return metadata_file


def _render_into(recipe: ClipRecipe, folder: Path, size: int) -> None:
    render_clip(recipe, folder / recipe.metadata()["file_name"], size)


def _check_finished(metadata_file: Path, rows: str, first_clip: Path, size: int) -> None:
    """Raises `DatasetError` where the finished split is not the one asked for."""
    advice = "render into another folder, or set `overwrite` (--overwrite) to render it again."
    if metadata_file.read_text(encoding="utf-8") != rows:
        raise DatasetError(f"{metadata_file}: was rendered with another seed or number of clips; {advice}")
    try:
        with av.open(first_clip) as container:
            width = container.streams.video[0].width
    except av.error.FFmpegError as error:
        raise DatasetError(f"{first_clip}: missing or damaged in a finished split; {advice}") from error
    if width != size:
        raise DatasetError(f"{metadata_file.parent}: its clips are {width} pixels wide and not {size}; {advice}")


def _remove_others(folder: Path, recipes: Sequence[ClipRecipe]) -> None:
    """Removes clips that an earlier, longer run left behind."""
    wanted = {recipe.metadata()["file_name"] for recipe in recipes}
    for clip in folder.glob(f"{folder.name}-*.mp4"):
        if clip.name not in wanted:
            clip.unlink()


def _encode(frames: np.ndarray, samples: np.ndarray | None, path: Path) -> None:
    # Bit-exact: neither the time of day nor the encoder's version goes into the file.
    with av.open(path, "w", format="mp4", options={"fflags": "+bitexact", "movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=_VIDEO_OPTIONS)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        audio = None
        if samples is not None:
            audio = container.add_stream("aac", rate=SAMPLING_RATE, layout="mono", options={"flags": "+bitexact"})
            audio.bit_rate = _AUDIO_BITS_PER_SECOND
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode())
        if audio is not None:
            sound = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            sound.sample_rate = SAMPLING_RATE
            container.mux(audio.encode(sound))
            container.mux(audio.encode())
