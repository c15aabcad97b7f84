"""The commands `ggm pool ...`: they print JSON, an object a line."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, InputError, MediaError
from ..modeling import HashtagRetriever
from ..processing import HashtagRetrieverProcessor
from ..utils.checkpoint_layout import POOL_FOLDER, RETRIEVER_FOLDER
from .hashtag_pool import HashtagPool
from .nearest import scored_nearest_hashtags
from .retriever_loading import load_retriever_part


def show(path: str) -> None:
    """Prints the hashtags of a pool with their counts, in pool order."""
    pool = HashtagPool.from_pretrained(path, subfolder=pool_subfolder(path))
    for hashtag, count in zip(pool.hashtags, pool.counts):
        _print_line(hashtag=f"#{hashtag}", count=count)


def build(counts: Mapping[str, int], retriever: str, output_dir: Path) -> None:
    """
    Makes a pool of hashtags and saves it.

    Args:
        counts (`Mapping[str, int]`): How often each hashtag was used.
        retriever (`str`): As in [`load_retriever`].
        output_dir (`Path`): Folder to write.

    Raises:
        HashtagError: One is no hashtag, or there is none.
        CheckpointError: There is no such retriever, or `output_dir` holds other files than a pool's.
    """
    pool = HashtagPool.build(counts, *load_retriever(retriever))
    pool.save_pretrained(output_dir)
    _print_line(pool=str(output_dir), size=len(pool))


def add(path: Path, hashtags: Sequence[str], retriever: str | None) -> None:
    """Adds hashtags to a pool in a folder; `retriever` is that of the checkpoint that it lies in, unless given."""
    folder, pool = _local_pool(path)
    if retriever is None and folder == path:
        raise InputError(f"{path} is a pool without its retriever: name that with --retriever.")
    before = len(pool)
    pool.add(hashtags, *load_retriever(str(path) if retriever is None else retriever))
    pool.save_pretrained(folder, create_model_card=False)
    _print_line(pool=str(folder), added=len(pool) - before, size=len(pool))


def remove(path: Path, hashtags: Sequence[str]) -> None:
    """Removes hashtags from a pool in a folder; none of them if one is not there."""
    folder, pool = _local_pool(path)
    before = len(pool)
    pool.remove(hashtags)
    pool.save_pretrained(folder, create_model_card=False)
    _print_line(pool=str(folder), removed=before - len(pool), size=len(pool))


def search(path: str, clips: Sequence[str], description: str, k: int, retriever: str | None) -> int:
    """
    Prints the hashtags of a pool that lie nearest to each clip, with their cosine similarities. A clip that cannot be
    read gets an `error` in their place. Without a clip, the description alone is sought by.

    Returns:
        `int`: The exit status: 1 if a clip could not be read, else 0.
    """
    if k < 1:
        raise InputError(f"k={k}: ask for 1 hashtag or more.")
    model, processor = load_retriever(path if retriever is None else retriever)
    pool = HashtagPool.from_pretrained(path, subfolder=pool_subfolder(path), retriever=model)
    status = 0
    for clip in clips or [None]:
        try:
            frames = clip and processor.video_processor.frames_of(clip)
        except MediaError as error:
            _print_line(video=clip, error=str(error))
            status = 1
            continue
        (found,) = scored_nearest_hashtags([frames], [description], model, processor, pool, k)
        _print_line(video=clip, hashtags=[{"hashtag": f"#{tag}", "score": score} for tag, score in found])
    return status


def pool_subfolder(path: str | Path) -> str:
    """Where in a folder the pool lies: in `hashtag_pool` of a checkpoint, else in the folder itself."""
    return POOL_FOLDER if Path(path, POOL_FOLDER).is_dir() else ""


def load_retriever(path: str) -> tuple[HashtagRetriever, HashtagRetrieverProcessor]:
    """
    A retriever and its processor, from its own folder or Hub id or from the folder of a checkpoint that has one.

    Raises:
        CheckpointError: There is none.
    """
    folder = Path(path, RETRIEVER_FOLDER)
    source = str(folder) if folder.is_dir() else path
    model = load_retriever_part(HashtagRetriever, source).eval()
    return model, load_retriever_part(HashtagRetrieverProcessor, source)


def _local_pool(path: Path) -> tuple[Path, HashtagPool]:
    if not path.is_dir():
        raise CheckpointError(f"{path} is not a folder: download a pool or checkpoint before you change it.")
    folder = path / pool_subfolder(path)
    return folder, HashtagPool.from_pretrained(folder)


def _print_line(**content: Any) -> None:
    print(json.dumps(content, ensure_ascii=False))
