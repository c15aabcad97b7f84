"""`ggm rate`: what people think of new hashtags."""

from pathlib import Path
from typing import Annotated

import typer

from .exit_status import SETTINGS, Command

rate_commands = typer.Typer(help="Have people judge new hashtags (Table 6 of the paper).", **SETTINGS)


@rate_commands.command("sheet", cls=Command)
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
    from ..experiments.human_rating.commands import write_sheet

    write_sheet(predictions, pool, output_dir, examples=examples, max_hashtags=max_hashtags, seed=seed)


@rate_commands.command("metrics", cls=Command)
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
    from ..experiments.human_rating.commands import write_metrics

    write_metrics(sheets, key, output_dir, scale, relevant_from, seed)
