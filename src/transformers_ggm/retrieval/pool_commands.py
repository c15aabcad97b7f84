"""The commands `ggm pool ...`: they print JSON, an object a line."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, InputError, MediaError, StoreError
from ..modeling import HashtagRetriever
from ..processing import HashtagRetrieverProcessor
from ..utils.checkpoint_layout import POOL_FOLDER, RETRIEVER_FOLDER
from .hashtag_pool import HashtagPool
from .hashtag_spellings import commonest_spelling, with_spellings
from .nearest import scored_nearest_hashtags
from .retriever_loading import load_retriever_part


def show(path: str) -> None:
    """Prints the hashtags of a pool in their commonest spelling with their counts, in pool order."""
    pool = HashtagPool.from_pretrained(path, subfolder=pool_subfolder(path))
    for hashtag, count in zip(pool.hashtags, pool.counts):
        _print_line(hashtag=f"#{pool.spelling(hashtag)}", count=count)


def build(counts: Mapping[str, int], retriever: str, output_dir: Path, dim: int | None = None) -> None:
    """
    Makes a pool of hashtags and saves it.

    Args:
        counts (`Mapping[str, int]`): How often each hashtag was used.
        retriever (`str`): As in [`load_retriever`].
        output_dir (`Path`): Folder to write.
        dim (`int`, *optional*): Numbers that are kept of each vector, see [`HashtagPool`]; by default all.

    Raises:
        HashtagError: One is no hashtag, or there is none.
        PoolError: `dim` does not fit.
        CheckpointError: There is no such retriever, or `output_dir` holds other files than a pool's.
    """
    pool = HashtagPool.build(counts, *load_retriever(retriever), dim=dim)
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


def observe(path: Path, posts: str) -> None:
    """
    Counts the hashtags of posts into a pool in a folder.

    Raises:
        InputError: A line is no JSON object, or a post has no time that can be used. HashtagError: One is no hashtag.
    """
    folder, pool = _local_pool(path)
    uses = pool.observe(_read_posts(posts))
    pool.save_pretrained(folder, create_model_card=False)
    _print_line(pool=str(folder), hashtags=len(uses), uses=sum(uses.values()))


def prune(path: Path, below: float) -> None:
    """Forgets the uses of hashtags that are hardly used any more, of a pool in a folder."""
    folder, pool = _local_pool(path)
    pruned = pool.uses.prune(below)
    pool.save_pretrained(folder, create_model_card=False)
    _print_line(pool=str(folder), pruned=pruned)


def show_store(url: str) -> None:
    """Prints the hashtags of a store with their counts, and at the end what is blocked."""
    changes = _store(url).changes()
    spellings = with_spellings(changes.spellings, changes.uses.all_spellings())
    for hashtag, count in zip(changes.hashtags, changes.counts):
        _print_line(hashtag=f"#{commonest_spelling(hashtag, spellings.get(hashtag, {}), count)}", count=count)
    for pattern in sorted(changes.blocks):
        _print_line(blocked=pattern)


def add_to_store(url: str, hashtags: Sequence[str], retriever: str | None, batch: str | None) -> None:
    """Adds hashtags to a store, in whose pool they are found from then on."""
    if retriever is None:
        raise InputError("a pool store does not have its retriever: name that with --retriever.")
    added = _store(url).add(hashtags, *load_retriever(retriever), batch=batch)
    _print_line(store=_shown(url), added=added)


def remove_from_store(url: str, hashtags: Sequence[str]) -> None:
    """Removes hashtags from a store; none of them if one is not there."""
    _store(url).remove(hashtags)
    _print_line(store=_shown(url), removed=len(hashtags))


def observe_in_store(url: str, posts: str, batch: str | None) -> None:
    """[`observe`], into a store."""
    uses = _store(url).observe(_read_posts(posts), batch=batch)
    _print_line(store=_shown(url), hashtags=len(uses), uses=sum(uses.values()))


def prune_store(url: str, below: float) -> None:
    """[`prune`], of a store."""
    _print_line(store=_shown(url), pruned=_store(url).prune(below))


def block(url: str, patterns: Sequence[str], everything: bool) -> None:
    """Blocks patterns in a store."""
    store = _store(url)
    store.block(patterns, everything)
    _print_line(store=_shown(url), blocked=sorted(store.changes().blocks))


def unblock(url: str, patterns: Sequence[str]) -> None:
    """Takes patterns from what a store blocks."""
    store = _store(url)
    store.unblock(patterns)
    _print_line(store=_shown(url), blocked=sorted(store.changes().blocks))


def forget_user(url: str, user: str) -> None:
    """Deletes all that a store keeps of a user."""
    _print_line(store=_shown(url), forgotten=_store(url).users.forget(user))


def print_feedback(url: str) -> None:
    """Prints what users made of suggestions, as rows of data."""
    for row in _store(url).users.feedback():
        _print_line(**row)


def export_store(url: str, output_dir: Path) -> None:
    """Writes the pool of a store into a folder."""
    from .pool_store import PoolReader

    pool = PoolReader(_store(url)).pool
    pool.save_pretrained(output_dir)
    _print_line(pool=str(output_dir), size=len(pool))


def import_into_store(path: str, url: str) -> None:
    """Fills an empty store with a pool."""
    pool = HashtagPool.from_pretrained(path, subfolder=pool_subfolder(path))
    _store(url).put(pool)
    _print_line(store=_shown(url), size=len(pool))


def upgrade(url: str) -> None:
    """Migrates a store to the tables of this version."""
    _pool_store().upgrade(url)
    _print_line(store=_shown(url), upgraded=True)


def _pool_store() -> type:
    try:
        from .pool_store import PoolStore
    except ImportError as error:
        raise StoreError(f"{error}.") from error
    return PoolStore


def _store(url: str) -> Any:
    return _pool_store()(url)


def _shown(url: str) -> str:
    """Without the user and the password."""
    kind, _, rest = url.partition("://")
    return f"{kind}://{rest.rpartition('@')[2]}"


def _read_posts(name: str) -> list[dict[str, Any]]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} cannot be read ({error}): give a file of JSON lines, or - for stdin.") from error
    posts = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            posts += [json.loads(line)] if line.strip() else []
        except json.JSONDecodeError as error:
            raise InputError(f"line {number} of {name} is no JSON ({error}).") from error
    return posts


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
