"""The commands for clips, models and data, and how a command line is run."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from .exit_status import PASSED_ON, SETTINGS, Command
from .ggm_export import export
from .ggm_pool import pool_commands
from .ggm_posts import posts_commands
from .ggm_rate import rate_commands
from .ggm_serve import serve
from .shared_options import (
    Address,
    Backend,
    Blocked,
    Device,
    Engine,
    GpusPerModel,
    Int8,
    Model,
    ReadScreen,
    ReadSpeech,
    refuse_without_ray,
)

app = typer.Typer(
    name="ggm",
    help="Hashtags for short videos: the Guided Generative Model. `ggm COMMAND --help` tells about each command.",
    pretty_exceptions_enable=False,
    **SETTINGS,
)
app.add_typer(pool_commands, name="pool")
app.add_typer(posts_commands, name="posts")
app.add_typer(rate_commands, name="rate")
app.command(cls=Command)(serve)
app.command(cls=Command)(export)


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


_TopN = Annotated[
    int | None,
    typer.Option("--top_n", help="hashtags of a clip, at most; by default all that the model writes, or by F1"),
]
_MinScore = Annotated[
    float | None, typer.Option("--min_score", help="only hashtags with this score or a better one, 0 to 1")
]
_NumBeams = Annotated[
    int | None, typer.Option("--num_beams", help="1 is the quickest; by default what the checkpoint says")
]
_Platform = Annotated[
    str | None, typer.Option("--platform", help="as many hashtags as it takes, as it writes them, such as tiktok")
]
_Tags = Annotated[
    Path, typer.Option("--output", help="file of JSON lines, appended to; with --engine ray a folder of Parquet")
]
_NumModels = Annotated[
    int | None, typer.Option("--num_models", help="actors that have the model, with --engine ray; 1 by default")
]
_RetryRejected = Annotated[
    bool, typer.Option("--retry_rejected", help="with --engine ray, tag what could not be read before, and no more")
]


@app.command(cls=Command)
def tag(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="of clips; descriptions and more are read from its metadata.jsonl, if it has one. With --engine ray"
            " also a table (JSONL, CSV, Parquet), tars, or a URL of an object store",
        ),
    ],
    output: _Tags,
    model: Model = None,
    device: Device = None,
    int8: Int8 = False,
    backend: Backend = "torch",
    read_speech: ReadSpeech = None,
    read_screen: ReadScreen = False,
    batch_size: Annotated[int, typer.Option("--batch_size", help="clips at a time")] = 8,
    num_workers: Annotated[
        int | None, typer.Option("--num_workers", help="processes that decode; one a core by default")
    ] = None,
    top_n: _TopN = None,
    min_score: _MinScore = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="tell what each feature adds, where the checkpoint has a ranker")
    ] = False,
    num_beams: _NumBeams = None,
    safe: Annotated[bool, typer.Option("--safe", help="leave out unsafe hashtags")] = False,
    blocked: Blocked = None,
    platform: _Platform = None,
    on_error: Annotated[
        Literal["skip", "raise"], typer.Option("--on_error", help="about clips that cannot be read")
    ] = "skip",
    engine: Engine = None,
    address: Address = None,
    num_models: _NumModels = None,
    gpus_per_model: GpusPerModel = None,
    retry_rejected: _RetryRejected = False,
) -> None:
    """
    Tag every clip of a folder, into a file of JSON lines.

    What has a line is not done again. On a Ray cluster, into a folder of Parquet files.

    \b
    Example:
      ggm tag clips --output tags.jsonl --model outputs/ggm/checkpoint --batch_size 16
      ggm tag clips --output tags.jsonl --safe --platform instagram --blocked acme --blocked "*sale*"
      ggm tag "s3://bucket/clips-{000..099}.tar" --output tags --engine ray --address auto --num_workers 64
        --num_models 4 --gpus_per_model 0.5
    """
    from .tag_engines import RayOptions, tag_here, tag_on_ray

    showing = {"safe": safe or None, "blocked": blocked or None, "platform": platform}
    numbers = {"batch_size": batch_size, "num_workers": num_workers, "top_n": top_n, "num_beams": num_beams}
    options = {**numbers, "min_score": min_score, "explain": explain or None, **showing}
    given = {name: value for name, value in options.items() if value is not None}
    parts = {"int8": int8, "backend": backend, "speech": read_speech, "screen_text": read_screen}
    on_ray = RayOptions(address, num_models, gpus_per_model, retry_rejected)
    if engine is None:
        refuse_without_ray(vars(on_ray))
        report = tag_here(source, output, {"model": model, "device": device, **parts}, on_error, given)
    else:
        if device is not None or explain or on_error == "raise":
            raise typer.BadParameter("--device, --explain and --on_error raise do not go with --engine ray.")
        report = tag_on_ray(source, output, {"model": model, **parts}, on_ray, given)
    print(report, file=sys.stderr)


@app.command(cls=Command, context_settings=PASSED_ON)
def prepare(context: typer.Context) -> int:
    """
    Decode clips once, into Parquet shards to train on.

    \b
    Example:
      ggm prepare --data_dir shorts --output_dir prepared
      ggm prepare --data_dir s3://bucket/clips.parquet --output_dir prepared --engine ray --address auto
    """
    from .ggm_prepare import prepare_from_arguments

    return prepare_from_arguments(context.args)


@app.command(cls=Command, context_settings=PASSED_ON)
def train(context: typer.Context) -> None:
    """
    Train a retriever and a generator, as train.py does.

    \b
    Example:
      ggm train --data_dir prepared --output_dir outputs/ggm
    """
    from ..training import main as run_stages

    if {"-h", "--help"} & set(context.args):
        print("Example: ggm train --data_dir prepared --output_dir outputs/ggm\n")
    sys.argv[0] = "ggm train"  # what its parser takes for its name
    run_stages(context.args)


@app.command(cls=Command)
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
        str | None,
        typer.Option(
            "--posts",
            help="tagged posts, a file or folder, whose hashtags are proposed; or the folder of an index of them, that"
            " `ggm posts build` makes",
        ),
    ] = None,
    num_examples: Annotated[
        int,
        typer.Option(
            "--num_examples",
            help="similar posts that a language model is shown as examples; the words of all posts are kept for it",
        ),
    ] = 0,
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
    from ..pipelines.compose import CheckpointComposition, compose_checkpoint

    parts = CheckpointComposition(retriever, text_encoder, generator, posts, hashtags, num_examples)
    folder = compose_checkpoint(parts, output_dir)
    print(f"The checkpoint is {folder}. Look at what it says of your clips:")
    print(f"  ggm demo clip.mp4 --description 'first snow' --model {folder}")
    print(f'  pipeline("hashtag-generation", model="{folder}")')
    print("With 50 clips or more whose hashtags are known, fit a ranker, whose scores are probabilities:")
    print(f"  ggm train --base_checkpoint {folder} --data_dir shorts --output_dir ranked")


@app.command("render-shorts", cls=Command)
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
    from ..data import rendered_shorts

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


@app.command(cls=Command)
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
    from ..experiments.grid import read_grid
    from ..experiments.report import write_report
    from ..experiments.runner import run_cells
    from ..utils.files import check_output_folder

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


@app.command(cls=Command)
def demo(
    clip: Annotated[str | None, typer.Argument(help="path or URL of a clip; five rendered ones by default")] = None,
    description: Annotated[str, typer.Option("--description", help="what the author of the clip wrote")] = "",
    model: Model = None,
) -> None:
    """
    Show what the bundled model suggests.

    That is for clips that it never saw, beside what is in them, or for a clip of yours.

    \b
    Example:
      ggm demo my_clip.mp4 --description "first snow in toronto"
    """
    from ..pipelines.demo import demonstrate

    demonstrate(clip, description, model)
