"""Human rating of novel hashtags.

```bash
python -m transformers_ggm.experiments.human_rating sheet --predictions ggm=outputs/evaluation/predictions.jsonl \\
    --pool outputs/checkpoint --output_dir rating
python -m transformers_ggm.experiments.human_rating figures --sheets anna.csv ben.csv --key rating/key.json
--output_dir rating
```
"""

import argparse
import sys
from pathlib import Path

from ...utils.files import check_output_folder, write_json, write_text
from .metrics import rating_report, rating_table
from .ratings import read_key, read_ratings
from .sheet import KEY_FILE, RATINGS_FILE, read_pool_hashtags, read_predictions, write_rating_sheet


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and gives the exit status: 0, or 1 with a line on stderr that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        check_output_folder(options.output_dir, "--output_dir")
        options.run(options)
    except (OSError, ValueError) as error:  # what this package raises, and what the file system does
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m transformers_ggm.experiments.human_rating",
        description="Human rating of novel hashtags: writes the sheet, and the figures of filled-in ones.",
    )
    commands = parser.add_subparsers(required=True)
    style = {"formatter_class": argparse.ArgumentDefaultsHelpFormatter}
    sheet = commands.add_parser("sheet", help="write a sheet to fill in, and its key", **style)
    sheet.add_argument("--predictions", nargs="+", required=True, metavar="NAME=FILE", help="JSON lines of a system")
    sheet.add_argument("--pool", required=True, help="folder of a pool or checkpoint, or a file, one hashtag a line")
    sheet.add_argument("--output_dir", required=True, help="folder to write")
    sheet.add_argument("--examples", type=int, default=1, help="videos on which a novel hashtag is judged")
    sheet.add_argument("--max_hashtags", type=int, default=None, help="novel hashtags of a system (None: all)")
    sheet.add_argument("--seed", type=int, default=0, help="of the draws and the order")
    sheet.set_defaults(run=_write_sheet)
    figures = commands.add_parser("figures", help="figures of filled-in sheets", **style)
    figures.add_argument("--sheets", nargs="+", required=True, help="filled-in sheets, one a rater")
    figures.add_argument("--key", required=True, help="the key.json that was written with the sheet")
    figures.add_argument("--output_dir", required=True, help="folder for table6.md and table6.json")
    figures.add_argument("--scale", nargs=2, type=int, default=(1, 5), help="lowest and highest rating")
    figures.add_argument(
        "--relevant_from", type=int, default=None, help="lowest rating that says relevant (None: above the middle)"
    )
    figures.add_argument("--seed", type=int, default=0, help="of the bootstrap and the permutations")
    figures.set_defaults(run=_write_figures)
    return parser


def _write_sheet(options: argparse.Namespace) -> None:
    predictions = {}
    for argument in options.predictions:
        name, separator, path = argument.partition("=")
        if not (name and separator and path):
            raise ValueError(f"--predictions {argument}: give NAME=FILE, for instance ggm=predictions.jsonl.")
        if name in predictions:
            raise ValueError(f"--predictions has {name!r} twice: give each system a name of its own.")
        predictions[name] = read_predictions(path)
    items = write_rating_sheet(
        options.output_dir,
        predictions,
        read_pool_hashtags(options.pool),
        examples=options.examples,
        max_hashtags=options.max_hashtags,
        seed=options.seed,
    )
    novel = sum(item.kind == "novel" for item in items)
    folder = Path(options.output_dir)
    print(
        f"{folder / RATINGS_FILE}: {len(items)} hashtags to judge, {novel} of them novel. Give each rater a copy, and "
        f"keep {folder / KEY_FILE} to yourself."
    )


def _write_figures(options: argparse.Namespace) -> None:
    folder = Path(options.output_dir)
    key = read_key(options.key)
    ratings = read_ratings(options.sheets, key, scale=tuple(options.scale))
    report = rating_report(ratings, key, relevant_from=options.relevant_from, seed=options.seed)
    table = rating_table(report)
    write_json(folder / "table6.json", report)
    write_text(folder / "table6.md", table)
    print(table, end="")


if __name__ == "__main__":
    sys.exit(main())
