"""The commands `ggm rate sheet` and `ggm rate metrics`."""

from collections.abc import Sequence
from pathlib import Path

from ...utils.files import check_output_folder, write_json, write_text
from .metrics import rating_report, rating_table
from .ratings import read_key, read_ratings
from .sheet import KEY_FILE, RATINGS_FILE, read_pool_hashtags, read_predictions, write_rating_sheet


def write_sheet(predictions: Sequence[str], pool: Path, output_dir: Path, **choice) -> None:
    """
    Writes a sheet to fill in and its key, and prints what to do with them.

    Args:
        predictions (`Sequence[str]`): `NAME=FILE` of each system, a file of JSON lines.
        pool (`Path`): as in [`read_pool_hashtags`].
        output_dir (`Path`): folder to write.
        **choice: `examples`, `max_hashtags` and `seed` of [`write_rating_sheet`].

    Raises:
        ValueError: `predictions` has no name, no file, or a name twice.
        DatasetError: a file cannot be read. OutputError: `output_dir` cannot be written to.
    """
    check_output_folder(output_dir, "--output_dir")
    systems = {}
    for argument in predictions:
        name, separator, path = argument.partition("=")
        if not (name and separator and path):
            raise ValueError(f"{argument}: give NAME=FILE, for instance ggm=predictions.jsonl.")
        if name in systems:
            raise ValueError(f"{name!r} is there twice: give each system a name of its own.")
        systems[name] = read_predictions(path)
    items = write_rating_sheet(output_dir, systems, read_pool_hashtags(pool), **choice)
    novel = sum(item.kind == "novel" for item in items)
    print(
        f"{output_dir / RATINGS_FILE}: {len(items)} hashtags to judge, {novel} of them novel. Give each rater a copy, "
        f"and keep {output_dir / KEY_FILE} to yourself."
    )


def write_metrics(
    sheets: Sequence[Path],
    key: Path,
    output_dir: Path,
    scale: tuple[int, int],
    relevant_from: int | None,
    seed: int,
) -> None:
    """
    Writes the table of filled-in sheets as `table6.md` and `table6.json`, and prints it.

    Args:
        sheets (`Sequence[Path]`), key (`Path`), scale (`tuple[int, int]`): as in [`read_ratings`].
        output_dir (`Path`): folder to write.
        relevant_from (`int`, *optional*), seed (`int`): as in [`rating_report`].

    Raises:
        DatasetError: a file cannot be read. OutputError: `output_dir` cannot be written to.
    """
    check_output_folder(output_dir, "--output_dir")
    read = read_key(key)
    report = rating_report(read_ratings(sheets, read, scale=scale), read, relevant_from=relevant_from, seed=seed)
    table = rating_table(report)
    write_json(output_dir / "table6.json", report)
    write_text(output_dir / "table6.md", table)
    print(table, end="")
