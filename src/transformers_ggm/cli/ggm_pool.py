"""`ggm pool`: pools in folders and in stores."""

from pathlib import Path
from typing import Annotated

import typer

from .exit_status import SETTINGS, Command

pool_commands = typer.Typer(help="Look at, search and change hashtag pools. Prints JSON lines.", **SETTINGS)

_POOL = "folder of a pool or of a checkpoint"
_Pool = Annotated[Path, typer.Argument(metavar="POOL", help=_POOL)]
_PoolOrId = Annotated[str, typer.Argument(metavar="POOL", help=f"{_POOL}, or Hub id of a pool")]
_PoolAndHashtags = Annotated[
    list[str],
    typer.Argument(metavar="[POOL] HASHTAG...", help=f"{_POOL}, without --store; hashtags with or without #"),
]
_Retriever = Annotated[
    str | None, typer.Option("--retriever", help="folder or Hub id; that of the checkpoint by default")
]
_STORE = "URL of a pool store, such as sqlite:///pool.db or postgresql+psycopg://host/database"
_Store = Annotated[str, typer.Option("--store", help=_STORE)]
_StoreOrNone = Annotated[str | None, typer.Option("--store", help=_STORE)]
_Batch = Annotated[
    str | None, typer.Option("--batch", help="name of this change: by the same name it is not made again")
]


def _pool_and_hashtags(given: list[str], store: str | None) -> tuple[Path | None, list[str]]:
    if store is not None:
        return None, given
    if len(given) < 2:
        raise typer.BadParameter("name a POOL (or a --store) and one HASHTAG or more.")
    return Path(given[0]), given[1:]


@pool_commands.command("show", cls=Command)
def show_pool(
    path: Annotated[str | None, typer.Argument(metavar="[POOL]", help=f"{_POOL}, or Hub id of a pool")] = None,
    store: _StoreOrNone = None,
) -> None:
    """
    Print every hashtag with its count.

    \b
    Example:
      ggm pool show outputs/ggm/checkpoint | head
      ggm pool show --store sqlite:///pool.db
    """
    from ..retrieval.pool_commands import show, show_store

    if (path is None) == (store is None):
        raise typer.BadParameter("name a POOL or a --store.")
    show(path) if store is None else show_store(store)


@pool_commands.command("build", cls=Command)
def build_pool(
    hashtags: Annotated[
        str,
        typer.Argument(
            help="file of a hashtag a line, or of what `show` prints, - for stdin; table with the columns hashtag and"
            " count; tagged posts; or `starter`, a list that comes with this package"
        ),
    ],
    retriever: Annotated[str, typer.Option("--retriever", help="folder or Hub id of a retriever, or of a checkpoint")],
    output_dir: Annotated[Path, typer.Option("--output_dir", help="folder to write")],
    dim: Annotated[
        int | None,
        typer.Option("--dim", help="numbers that are kept of each vector, of a retriever that was trained for it"),
    ] = None,
) -> None:
    """
    Make a pool of hashtags.

    \b
    Example:
      ggm pool build hashtags.txt --retriever outputs/ggm/checkpoint --output_dir pool
      ggm pool build starter --retriever outputs/ggm/checkpoint --output_dir pool
    """
    from ..data.hashtag_lists import STARTER, read_hashtag_list
    from ..retrieval.pool_commands import build

    if hashtags not in (STARTER, "-") and not Path(hashtags).exists():
        raise typer.BadParameter(f"{hashtags} is no file, no folder and not `{STARTER}`.")
    build(read_hashtag_list(hashtags), retriever, output_dir, dim)


@pool_commands.command("add", cls=Command)
def add_to_pool(
    hashtags: _PoolAndHashtags, retriever: _Retriever = None, store: _StoreOrNone = None, batch: _Batch = None
) -> None:
    """
    Add hashtags to a pool or store; those that are there are counted once more.

    \b
    Example:
      ggm pool add outputs/ggm/checkpoint worldcup2026 heatwave
      ggm pool add --store sqlite:///pool.db --retriever outputs/ggm/checkpoint heatwave
    """
    from ..retrieval.pool_commands import add, add_to_store

    path, names = _pool_and_hashtags(hashtags, store)
    add(path, names, retriever) if store is None else add_to_store(store, names, retriever, batch)


@pool_commands.command("remove", cls=Command)
def remove_from_pool(hashtags: _PoolAndHashtags, store: _StoreOrNone = None) -> None:
    """
    Remove hashtags from a pool or store.

    \b
    Example:
      ggm pool remove outputs/ggm/checkpoint roadtrip
      ggm pool remove --store sqlite:///pool.db roadtrip
    """
    from ..retrieval.pool_commands import remove, remove_from_store

    path, names = _pool_and_hashtags(hashtags, store)
    remove(path, names) if store is None else remove_from_store(store, names)


@pool_commands.command("observe", cls=Command)
def observe_posts(
    posts: Annotated[
        str,
        typer.Argument(
            metavar="POSTS",
            help="file of JSON lines with hashtags, time, and language and country if known; - for stdin",
        ),
    ],
    pool: Annotated[Path | None, typer.Option("--pool", help=_POOL)] = None,
    store: _StoreOrNone = None,
    batch: _Batch = None,
) -> None:
    """
    Count the hashtags of posts, for trends.

    \b
    Example:
      ggm pool observe posts.jsonl --pool outputs/ggm/checkpoint
      ggm pool observe posts.jsonl --store sqlite:///pool.db --batch 2026-11-29T10
    """
    from ..retrieval.pool_commands import observe, observe_in_store

    if (pool is None) == (store is None):
        raise typer.BadParameter("name a --pool or a --store.")
    observe(pool, posts) if store is None else observe_in_store(store, posts, batch)


@pool_commands.command("prune", cls=Command)
def prune_uses(
    pool: Annotated[Path | None, typer.Argument(metavar="[POOL]", help=_POOL)] = None,
    store: _StoreOrNone = None,
    below: Annotated[
        float, typer.Option("--below", help="forget hashtags whose uses, halved every 30 days, are fewer")
    ] = 0.1,
) -> None:
    """
    Forget the uses over time, and the spellings in posts, of hashtags that are hardly used any more. They stay in the
    pool.

    \b
    Example:
      ggm pool prune outputs/ggm/checkpoint
      ggm pool prune --store sqlite:///pool.db --below 1
    """
    from ..retrieval.pool_commands import prune, prune_store

    if (pool is None) == (store is None):
        raise typer.BadParameter("name a POOL or a --store.")
    prune(pool, below) if store is None else prune_store(store, below)


_Patterns = Annotated[list[str], typer.Argument(metavar="PATTERN", help="hashtag; * stands for any characters")]


@pool_commands.command("block", cls=Command)
def block_hashtags(
    patterns: _Patterns,
    store: _Store,
    everything: Annotated[
        bool, typer.Option("--everything", help="confirm a pattern that matches all hashtags")
    ] = False,
) -> None:
    """
    Block hashtags for all readers of a store.

    \b
    Example:
      ggm pool block "spam*" --store sqlite:///pool.db
    """
    from ..retrieval.pool_commands import block

    block(store, patterns, everything)


@pool_commands.command("unblock", cls=Command)
def unblock_hashtags(patterns: _Patterns, store: _Store) -> None:
    """
    Take patterns from what a store blocks.

    \b
    Example:
      ggm pool unblock "spam*" --store sqlite:///pool.db
    """
    from ..retrieval.pool_commands import unblock

    unblock(store, patterns)


@pool_commands.command("forget-user", cls=Command)
def forget_user_of_store(
    user: Annotated[str, typer.Argument(metavar="USER", help="as the store was told of it")], store: _Store
) -> None:
    """
    Delete all that a store keeps of a user.

    \b
    Example:
      ggm pool forget-user u1 --store sqlite:///pool.db
    """
    from ..retrieval.pool_commands import forget_user

    forget_user(store, user)


@pool_commands.command("feedback", cls=Command)
def print_feedback_of_store(store: _Store) -> None:
    """
    Print what users accepted and rejected, as far as a store keeps it, without who they are: rows of data that
    `ggm train --stages ranker` takes.

    \b
    Example:
      ggm pool feedback --store sqlite:///pool.db > feedback.jsonl
    """
    from ..retrieval.pool_commands import print_feedback

    print_feedback(store)


@pool_commands.command("export", cls=Command)
def export_pool(
    store: _Store, output_dir: Annotated[Path, typer.Option("--output_dir", help="folder to write")]
) -> None:
    """
    Write the pool of a store into a folder.

    \b
    Example:
      ggm pool export --store sqlite:///pool.db --output_dir pool
    """
    from ..retrieval.pool_commands import export_store

    export_store(store, output_dir)


@pool_commands.command("import", cls=Command)
def import_pool(path: _PoolOrId, store: _Store) -> None:
    """
    Fill an empty store with a pool.

    \b
    Example:
      ggm pool import outputs/ggm/checkpoint --store sqlite:///pool.db
    """
    from ..retrieval.pool_commands import import_into_store

    import_into_store(path, store)


@pool_commands.command("upgrade", cls=Command)
def upgrade_store(store: _Store) -> None:
    """
    Migrate a store to the tables of this version.

    \b
    Example:
      ggm pool upgrade --store sqlite:///pool.db
    """
    from ..retrieval.pool_commands import upgrade

    upgrade(store)


@pool_commands.command("search", cls=Command)
def search_pool(
    path: _PoolOrId,
    clips: Annotated[list[str] | None, typer.Argument(metavar="CLIP", help="paths or URLs")] = None,
    description: Annotated[str, typer.Option("--description", help="what the author wrote")] = "",
    k: Annotated[int, typer.Option("--k", help="hashtags of each clip")] = 50,
    retriever: _Retriever = None,
) -> int:
    """
    Print the hashtags that are nearest to each clip, with their cosine similarities.

    \b
    Example:
      ggm pool search outputs/ggm/checkpoint clip.mp4 --k 10
    """
    from ..retrieval.pool_commands import search

    return search(path, clips or [], description, k, retriever)
