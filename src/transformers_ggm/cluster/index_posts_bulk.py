"""Makes an index of tagged posts on a Ray cluster: `ggm posts build --engine ray`."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from ..data.sources import ShortsSource
from ..errors import DatasetError, InputError
from ..hub_cards.posts_card import make_posts_card
from ..retrieval import TextEncoder
from ..retrieval.post_files import INDEX_FILE, PostContents, write_posts
from ..retrieval.post_table import TEXT_COLUMN
from ..utils.file_locks import alone_with
from ..utils.files import check_output_folder
from .actor_stages import ActorStage, stream_through
from .bulk_output import check_made_from
from .post_parts import PostEncoder, PostParts
from .ray_session import import_ray, ray_session
from .source_rows import Row, RowReader, SharedSource, ranges_of

# Posts that one encoder gets at a time.
_BLOCK_POSTS = 1024


def index_posts_bulk(
    source: str | os.PathLike,
    output_dir: str | os.PathLike,
    text_encoder: str | None = None,
    *,
    store_text: bool = False,
    address: str | None = None,
    num_models: int = 1,
    gpus_per_model: float = 0.0,
) -> Path:
    """
    Makes the index that [`PostIndex.build`] makes of the same posts, on a Ray cluster, and saves it.

    Actors read and encode the posts; this process writes what they make, in order, as parts into a hidden folder
    beside `output_dir`, and joins them at the end. The same call goes on where one was cut off. What is held in memory
    here while posts are encoded does not grow with their number; joining takes what whoever loads the index needs
    (ids, hashtags, times and terms), but not the vectors, which pass by.

    Args:
        source (`str` or `os.PathLike`): Tagged posts, a path or URL that all machines of the cluster can open, see
            [`~data.open_shorts`]; of several splits, `train`.
        output_dir (`str` or `os.PathLike`): The folder of the index, on this machine; new or empty.
        text_encoder (`str`, *optional*): Folder or Hub id of a sentence encoder, for dense search.
        store_text (`bool`, defaults to `False`): Whether to keep the posts' words.
        address (`str`, *optional*): Of the cluster, see [`ray_session`].
        num_models (`int`, defaults to 1): How many actors encode.
        gpus_per_model (`float`, defaults to 0): Of each of those; 0.5 for two on a GPU, 0 for the CPU.

    Returns:
        `Path`: `output_dir`, for [`PostIndex.from_pretrained`].

    Raises:
        `ImportError`: Ray is not installed.
        `InputError`: `output_dir` is there already, or a number is out of range.
        `ClusterError`: The cluster cannot be reached, has no such GPUs, or the work failed, as where a row is no post.
        `DatasetError`: The posts cannot be read, or another process makes this index.
        `OutputError`: `output_dir` cannot be written, or was begun with other posts or another encoder.
        `CheckpointError`: There is no such encoder.
        `PostIndexError`: Two posts have one id.

    Example:

    ```python
    >>> from transformers_ggm.cluster.index_posts_bulk import index_posts_bulk

    >>> index_posts_bulk(  # doctest: +SKIP
    ...     "s3://bucket/posts.parquet", "posts", "sentence-transformers/all-MiniLM-L6-v2", address="auto"
    ... )
    PosixPath('posts')

    ```
    """
    import_ray()
    if num_models < 1 or gpus_per_model < 0:
        raise InputError(
            f"`num_models` is {num_models} and `gpus_per_model` is {gpus_per_model}: give 1 at least, and 0 GPUs or"
            " more for each."
        )
    target = Path(os.path.abspath(output_dir))
    folder = target.with_name(f".{target.name}.parts")
    # Where all but the last step was done when the work was cut off.
    just_saved = (target / INDEX_FILE).is_file() and folder.is_dir()
    if target.exists() and not just_saved and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"`output_dir` {target} is there already: give the name of a new folder.")
    shared = SharedSource.of(source)
    splits = shared.open()
    split = split_of_posts(splits, shared.name)
    encoder = "" if text_encoder is None else TextEncoder.from_pretrained(text_encoder).fingerprint()
    made_from = {"posts": splits[split].fingerprint, "text_encoder": encoder, "store_text": store_text}
    reading = {
        "source": shared,
        "fingerprints": {name: rows.fingerprint for name, rows in splits.items()},
        "rows": _rows,
    }
    encoding = {
        "text_encoder": text_encoder,
        "fingerprint": encoder,
        "store_text": store_text,
        "device": "cuda" if gpus_per_model else "cpu",
    }
    stages = [ActorStage(RowReader, reading), ActorStage(PostEncoder, encoding, num_models, gpus_per_model)]
    with alone_with(target, check_output_folder(folder) / ".lock"):
        check_made_from(folder, made_from)
        if not just_saved:
            parts = PostParts(folder)
            _encode(parts, stages, split, splits[split].num_rows, address)
            _save(parts.joined(encoder), target)
    shutil.rmtree(folder)
    return Path(output_dir)


def split_of_posts(splits: Mapping[str | None, ShortsSource], name: str) -> str | None:
    """
    Which of some splits has the posts: `train`, or the only one there is.

    Raises:
        `DatasetError`: There are several, and no `train`.
    """
    if "train" not in splits and len(splits) > 1:
        raise DatasetError(f"{name} has the splits {', '.join(map(str, splits))}: give the folder of one of them.")
    return "train" if "train" in splits else next(iter(splits))


def _rows(source: ShortsSource, start: int) -> Iterator[Row]:
    return source.rows(start=start)


def _encode(
    parts: PostParts, stages: Sequence[ActorStage], split: str | None, num_posts: int | None, address: str | None
) -> None:
    """Adds to the parts what the stages make of the posts that are not in them."""
    done = parts.num_posts
    if done == num_posts:
        return
    blocks = ranges_of(split, [(done, num_posts)], _BLOCK_POSTS)
    with tqdm(total=num_posts, initial=done, desc="Encoding posts", unit="post") as progress:
        try:
            with ray_session(address):
                for posts in stream_through(stages, blocks, in_order=True):
                    parts.add(posts)
                    progress.update(posts.num_rows)
        finally:
            parts.write()


def _save(contents: PostContents, target: Path) -> None:
    known = {"dense": contents.vectors, "sparse": contents.counts}
    card = make_posts_card(
        size=contents.table.num_rows,
        num_hashtags=len(contents.hashtags),
        searches=[name for name, part in known.items() if part is not None],
        stores_text=TEXT_COLUMN.name in contents.table.column_names,
        encoder_fingerprint=contents.encoder_fingerprint,
    )
    write_posts(target, contents, card)
