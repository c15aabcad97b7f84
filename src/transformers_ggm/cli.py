"""
The command `ggm`, which `python -m transformers_ggm` is too. What its commands do is in the folders that they belong
to, which are imported when a command runs.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.core import TyperCommand

logger = logging.getLogger("transformers_ggm")


class _Command(TyperCommand):
    """
    A command whose exit status says what came of it: 0; 1 and a line on stderr for what this package raises and for
    what the file system does; 2 for wrong usage; 130 for Ctrl-C. What a function returns is its status.
    """

    def invoke(self, ctx: typer.Context) -> None:
        try:
            status = super().invoke(ctx)
            # Here, where a pipe that nobody reads any more is told.
            sys.stdout.flush()
        except KeyboardInterrupt:
            print(f"Interrupted. {self._after_interruption()}".strip(), file=sys.stderr)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # Whoever read has enough, such as `head`. Python would complain at its end, when it flushes once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except (OSError, ValueError, ImportError) as error:
            logger.debug("Where it was raised:", exc_info=True)
            print(error, file=sys.stderr)
            raise typer.Exit(1) from None
        raise typer.Exit(status or 0)

    def _after_interruption(self) -> str:
        return "The same command goes on where this one was." if self.name in _RESUMED else ""


# Commands that find again what they had done.
_RESUMED = ("experiments", "prepare", "render-shorts", "tag", "train")
# These hand all their arguments to a parser of dataclasses, which makes their --help, too.
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
_SETTINGS = {"no_args_is_help": True, "add_completion": False, "rich_markup_mode": None}

app = typer.Typer(
    name="ggm",
    help="Hashtags for short videos: the Guided Generative Model. `ggm COMMAND --help` tells about each command.",
    pretty_exceptions_enable=False,
    **_SETTINGS,
)
pool_commands = typer.Typer(help="Look at, search and change hashtag pools. Prints JSON lines.", **_SETTINGS)
rate_commands = typer.Typer(help="Have people judge new hashtags (Table 6 of the paper).", **_SETTINGS)
app.add_typer(pool_commands, name="pool")
app.add_typer(rate_commands, name="rate")


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Runs the command line.

    Args:
        arguments (`Sequence[str]`, *optional*): without the program's name. Defaults to those of this process.

    Returns:
        `int`: the exit status.

    Example:

    ```python
    >>> from transformers_ggm.cli import main

    >>> main(["rate", "metrics"])
    2

    ```
    """
    try:
        app(arguments, prog_name="ggm")
    except SystemExit as end:
        return end.code or 0
    return 0


@app.command(cls=_Command)
def tag(
    folder: Annotated[
        Path, typer.Argument(help="of clips; descriptions and more are read from its metadata.jsonl, if it has one")
    ],
    output: Annotated[Path, typer.Option("--output", help="file of JSON lines, appended to")],
    model: Annotated[
        str | None, typer.Option("--model", help="folder or Hub id of a checkpoint; the bundled one by default")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="such as cuda:0; a GPU by default, where there is one")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="round to eight bits, which is quicker on CPUs")] = False,
    read_speech: Annotated[
        str | None, typer.Option("--read_speech", help="folder or Hub id of a model that reads what is said in clips")
    ] = None,
    read_screen: Annotated[bool, typer.Option("--read_screen", help="read what is written on the screen")] = False,
    batch_size: Annotated[int, typer.Option("--batch_size", help="clips at a time")] = 8,
    num_workers: Annotated[
        int | None, typer.Option("--num_workers", help="processes that decode; one a core by default")
    ] = None,
    top_n: Annotated[
        int | None,
        typer.Option("--top_n", help="hashtags of a clip, at most; by default all that the model writes, or by F1"),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option("--min_score", help="only hashtags with this score or a better one, 0 to 1")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="tell what each feature adds, where the checkpoint has a ranker")
    ] = False,
    num_beams: Annotated[
        int | None, typer.Option("--num_beams", help="1 is the quickest; by default what the checkpoint says")
    ] = None,
    safe: Annotated[bool, typer.Option("--safe", help="leave out unsafe hashtags")] = False,
    blocked: Annotated[
        list[str] | None,
        typer.Option("--blocked", help='hashtag or pattern ("*sale*") to leave out; may be given several times'),
    ] = None,
    platform: Annotated[
        str | None, typer.Option("--platform", help="as many hashtags as it takes, as it writes them, such as tiktok")
    ] = None,
    on_error: Annotated[
        Literal["skip", "raise"], typer.Option("--on_error", help="about clips that cannot be read")
    ] = "skip",
) -> None:
    """
    Tag every clip of a folder, into a file of JSON lines.

    What has a line is not done again.

    \b
    Example:
      ggm tag clips --output tags.jsonl --model outputs/ggm/checkpoint --batch_size 16
      ggm tag clips --output tags.jsonl --safe --platform instagram --blocked acme --blocked "*sale*"
    """
    from transformers import pipeline

    from .data.clip_files import FolderContents
    from .data.prepare.options import available_cores
    from .pipelines.numbers import check_numbers, check_score
    from .pipelines.showing import Showing
    from .pipelines.tag_folder import check_output, tag_folder

    numbers = {
        "batch_size": batch_size,
        "num_workers": available_cores() if num_workers is None else num_workers,
        "top_n": top_n,
        "num_beams": num_beams,
    }
    showing = {"safe": safe or None, "blocked": blocked or None, "platform": platform}
    options = {**numbers, "min_score": min_score, "explain": explain or None, **showing}
    given = {name: value for name, value in options.items() if value is not None}
    # Before a model is loaded.
    check_numbers(**numbers)
    check_score(min_score)
    Showing.of(given)
    check_output(output)
    FolderContents.of(folder).require_clips(folder)
    parts = {"int8": int8, "speech": read_speech, "screen_text": read_screen}
    suggest = pipeline("hashtag-generation", model=model, device=device, **parts)
    print(tag_folder(suggest, folder, output, on_error=on_error, **given), file=sys.stderr)


@app.command(cls=_Command, context_settings=_PASSED_ON)
def prepare(context: typer.Context) -> int:
    """
    Decode clips once, into Parquet shards to train on.

    \b
    Example:
      ggm prepare --data_dir shorts --output_dir prepared
    """
    from .data.prepare.command import prepare_from_arguments

    return prepare_from_arguments(context.args)


@app.command(cls=_Command, context_settings=_PASSED_ON)
def train(context: typer.Context) -> None:
    """
    Train a retriever and a generator, as train.py does.

    \b
    Example:
      ggm train --data_dir prepared --output_dir outputs/ggm
    """
    from .training import main as run_stages

    if {"-h", "--help"} & set(context.args):
        print("Example: ggm train --data_dir prepared --output_dir outputs/ggm\n")
    sys.argv[0] = "ggm train"  # what its parser takes for its name
    run_stages(context.args)


@app.command(cls=_Command)
def compose(
    output_dir: Annotated[Path, typer.Option("--output_dir", help="folder to write; new or empty")],
    hashtags: Annotated[
        str | None,
        typer.Option(
            "--hashtags",
            help="file of a hashtag a line; table with the columns hashtag and count; folder or Hub id of a pool; or"
            " `starter`, a list that comes with this package. Those of the posts by default",
        ),
    ] = None,
    retriever: Annotated[
        str | None,
        typer.Option("--retriever", help="folder or Hub id of a dual encoder, such as openai/clip-vit-base-patch32"),
    ] = None,
    text_encoder: Annotated[
        str | None,
        typer.Option(
            "--text_encoder",
            help="folder or Hub id of a sentence encoder, such as sentence-transformers/all-MiniLM-L6-v2",
        ),
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            "--generator",
            help="folder or Hub id of what writes hashtags: a GGM checkpoint, or an instructed language model, such as"
            " HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
        ),
    ] = None,
    posts: Annotated[
        str | None, typer.Option("--posts", help="tagged posts, a file or folder, whose hashtags are proposed")
    ] = None,
) -> None:
    """
    Put a checkpoint together of parts that exist, without training.

    Every part may be left out, but there must be hashtags or posts. What comes out recommends at once; a ranker can be
    fitted to it later.

    \b
    Example:
      ggm compose --text_encoder sentence-transformers/all-MiniLM-L6-v2 --hashtags starter --output_dir starter
      ggm compose --retriever openai/clip-vit-base-patch32 --generator HuggingFaceTB/SmolVLM2-500M-Video-Instruct
        --hashtags tags.txt --output_dir starter
    """
    from .pipelines.compose import CheckpointComposition, compose_checkpoint

    parts = CheckpointComposition(retriever, text_encoder, generator, posts, hashtags)
    folder = compose_checkpoint(parts, output_dir)
    print(f"The checkpoint is {folder}. Look at what it says of your clips:")
    print(f"  ggm demo clip.mp4 --description 'first snow' --model {folder}")
    print(f'  pipeline("hashtag-generation", model="{folder}")')
    print("With 50 clips or more whose hashtags are known, fit a ranker, whose scores are probabilities:")
    print(f"  ggm train --base_checkpoint {folder} --data_dir shorts --output_dir ranked")


@app.command("render-shorts", cls=_Command)
def render_shorts(
    output_dir: Annotated[Path, typer.Option("--output_dir", help="folder to write")],
    num_train: Annotated[int, typer.Option("--num_train", help="clips in the train split")] = 3000,
    num_validation: Annotated[int, typer.Option("--num_validation", help="clips in the validation split")] = 240,
    num_test: Annotated[int, typer.Option("--num_test", help="clips in the test split")] = 600,
    seed: Annotated[int, typer.Option("--seed", help="decides everything in the clips")] = 0,
    size: Annotated[int, typer.Option("--size", help="width and height in pixels")] = 96,
    num_workers: Annotated[int | None, typer.Option("--num_workers", help="processes; one a core by default")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="render finished splits again")] = False,
    spoken: Annotated[bool, typer.Option("--spoken", help="have espeak-ng speak, with hashtags of its own")] = False,
    written: Annotated[
        bool, typer.Option("--written", help="write on the screen, with hashtags of its own; from 160 pixels on")
    ] = False,
) -> None:
    """
    Render short clips whose hashtags have known causes.

    \b
    Example:
      ggm render-shorts --output_dir shorts --num_train 100
    """
    from .data import rendered_shorts

    written = rendered_shorts.render_shorts(
        output_dir,
        num_train,
        num_validation,
        num_test,
        seed,
        size,
        num_workers,
        overwrite,
        spoken=spoken,
        written=written,
    )
    for split, metadata_file in written.items():
        with metadata_file.open(encoding="utf-8") as lines:
            print(f"{split}: {sum(1 for _ in lines)} clips in {metadata_file.parent}")


@app.command(cls=_Command)
def experiments(
    config: Annotated[Path, typer.Argument(help="YAML file with corpora, systems and seeds")],
    output_dir: Annotated[Path, typer.Option("--output_dir", help="where cells, tables and plots go")],
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="cells that run at once")] = 1,
    report_only: Annotated[
        bool, typer.Option("--report_only", help="write tables and plots of what has finished")
    ] = False,
) -> int:
    """
    Train and test a grid of systems, corpora and seeds.

    Writes the paper's tables about it. What has finished is not run again; what failed is tried again at the next
    start.

    \b
    Example:
      ggm experiments examples/experiments/exercises.yaml --output_dir outputs/grid
    """
    from .experiments.grid import read_grid
    from .experiments.report import write_report
    from .experiments.runner import run_cells
    from .utils.files import check_output_folder

    try:
        check_output_folder(output_dir)
        grid = read_grid(config)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    failures = {} if report_only else run_cells(grid.cells(), output_dir, jobs)
    print(f"The report is {write_report(grid, output_dir)}")
    if failures:
        print(f"{len(failures)} cells failed; start again to try them once more.", file=sys.stderr)
    return int(bool(failures))


@app.command(cls=_Command)
def demo(
    clip: Annotated[str | None, typer.Argument(help="path or URL of a clip; five rendered ones by default")] = None,
    description: Annotated[str, typer.Option("--description", help="what the author of the clip wrote")] = "",
    model: Annotated[
        str | None, typer.Option("--model", help="folder or Hub id of a checkpoint; the bundled one by default")
    ] = None,
) -> None:
    """
    Show what the bundled model suggests.

    That is for clips that it never saw, beside what is in them, or for a clip of yours.

    \b
    Example:
      ggm demo my_clip.mp4 --description "first snow in toronto"
    """
    from .pipelines.demo import demonstrate

    demonstrate(clip, description, model)


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


@pool_commands.command("show", cls=_Command)
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
    from .retrieval.pool_commands import show, show_store

    if (path is None) == (store is None):
        raise typer.BadParameter("name a POOL or a --store.")
    show(path) if store is None else show_store(store)


@pool_commands.command("build", cls=_Command)
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
) -> None:
    """
    Make a pool of hashtags.

    \b
    Example:
      ggm pool build hashtags.txt --retriever outputs/ggm/checkpoint --output_dir pool
      ggm pool build starter --retriever outputs/ggm/checkpoint --output_dir pool
    """
    from .data.hashtag_lists import STARTER, read_hashtag_list
    from .retrieval.pool_commands import build

    if hashtags not in (STARTER, "-") and not Path(hashtags).exists():
        raise typer.BadParameter(f"{hashtags} is no file, no folder and not `{STARTER}`.")
    build(read_hashtag_list(hashtags), retriever, output_dir)


@pool_commands.command("add", cls=_Command)
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
    from .retrieval.pool_commands import add, add_to_store

    path, names = _pool_and_hashtags(hashtags, store)
    add(path, names, retriever) if store is None else add_to_store(store, names, retriever, batch)


@pool_commands.command("remove", cls=_Command)
def remove_from_pool(hashtags: _PoolAndHashtags, store: _StoreOrNone = None) -> None:
    """
    Remove hashtags from a pool or store.

    \b
    Example:
      ggm pool remove outputs/ggm/checkpoint roadtrip
      ggm pool remove --store sqlite:///pool.db roadtrip
    """
    from .retrieval.pool_commands import remove, remove_from_store

    path, names = _pool_and_hashtags(hashtags, store)
    remove(path, names) if store is None else remove_from_store(store, names)


@pool_commands.command("observe", cls=_Command)
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
    from .retrieval.pool_commands import observe, observe_in_store

    if (pool is None) == (store is None):
        raise typer.BadParameter("name a --pool or a --store.")
    observe(pool, posts) if store is None else observe_in_store(store, posts, batch)


_Patterns = Annotated[list[str], typer.Argument(metavar="PATTERN", help="hashtag; * stands for any characters")]


@pool_commands.command("block", cls=_Command)
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
    from .retrieval.pool_commands import block

    block(store, patterns, everything)


@pool_commands.command("unblock", cls=_Command)
def unblock_hashtags(patterns: _Patterns, store: _Store) -> None:
    """
    Take patterns from what a store blocks.

    \b
    Example:
      ggm pool unblock "spam*" --store sqlite:///pool.db
    """
    from .retrieval.pool_commands import unblock

    unblock(store, patterns)


@pool_commands.command("export", cls=_Command)
def export_pool(
    store: _Store, output_dir: Annotated[Path, typer.Option("--output_dir", help="folder to write")]
) -> None:
    """
    Write the pool of a store into a folder.

    \b
    Example:
      ggm pool export --store sqlite:///pool.db --output_dir pool
    """
    from .retrieval.pool_commands import export_store

    export_store(store, output_dir)


@pool_commands.command("import", cls=_Command)
def import_pool(path: _PoolOrId, store: _Store) -> None:
    """
    Fill an empty store with a pool.

    \b
    Example:
      ggm pool import outputs/ggm/checkpoint --store sqlite:///pool.db
    """
    from .retrieval.pool_commands import import_into_store

    import_into_store(path, store)


@pool_commands.command("upgrade", cls=_Command)
def upgrade_store(store: _Store) -> None:
    """
    Migrate a store to the tables of this version.

    \b
    Example:
      ggm pool upgrade --store sqlite:///pool.db
    """
    from .retrieval.pool_commands import upgrade

    upgrade(store)


@pool_commands.command("search", cls=_Command)
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
    from .retrieval.pool_commands import search

    return search(path, clips or [], description, k, retriever)


@rate_commands.command("sheet", cls=_Command)
def rating_sheet(
    predictions: Annotated[list[str], typer.Argument(metavar="NAME=FILE", help="each system's name and JSON lines")],
    pool: Annotated[
        Path, typer.Option("--pool", help="folder of a pool or checkpoint, or a file, one hashtag a line")
    ],
    output_dir: Annotated[Path, typer.Option("--output_dir", help="folder to write")],
    examples: Annotated[int, typer.Option("--examples", help="videos on which a novel hashtag is judged")] = 1,
    max_hashtags: Annotated[
        int | None, typer.Option("--max_hashtags", help="novel hashtags of a system; all by default")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="of the draws and the order")] = 0,
) -> None:
    """
    Write a sheet to fill in, and its key.

    \b
    Example:
      ggm rate sheet ggm=outputs/ggm/evaluation/predictions.jsonl --pool outputs/ggm/checkpoint --output_dir rating
    """
    from .experiments.human_rating.commands import write_sheet

    write_sheet(predictions, pool, output_dir, examples=examples, max_hashtags=max_hashtags, seed=seed)


@rate_commands.command("metrics", cls=_Command)
def rating_metrics(
    sheets: Annotated[list[Path], typer.Argument(metavar="SHEET", help="filled-in sheets, one a rater")],
    key: Annotated[Path, typer.Option("--key", help="the key.json that was written with the sheet")],
    output_dir: Annotated[Path, typer.Option("--output_dir", help="folder for table6.md and table6.json")],
    scale: Annotated[tuple[int, int], typer.Option("--scale", help="lowest and highest rating")] = (1, 5),
    relevant_from: Annotated[
        int | None,
        typer.Option("--relevant_from", help="lowest rating that says relevant; above the middle by default"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="of the bootstrap and the permutations")] = 0,
) -> None:
    """
    Write and print the metrics of filled-in sheets.

    \b
    Example:
      ggm rate metrics anna.csv ben.csv --key rating/key.json --output_dir rating
    """
    from .experiments.human_rating.commands import write_metrics

    write_metrics(sheets, key, output_dir, scale, relevant_from, seed)
