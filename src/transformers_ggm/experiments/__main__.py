"""
Trains and tests a grid of systems x corpora x seeds, and writes the paper's tables about it:

    python -m transformers_ggm.experiments examples/experiments/exercises.yaml --output_dir outputs/grid

What has finished is found again by its settings and not run twice; what failed is shown as failed, and tried again at
the next start.
"""

import argparse
import sys
from pathlib import Path

from ..utils.files import check_output_folder
from .grid import read_grid
from .report import write_report
from .runner import run_cells


def main(argv: list[str] | None = None) -> int:
    """Runs the grid; 1 if a cell failed, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m transformers_ggm.experiments",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="YAML file with corpora, systems and seeds")
    parser.add_argument("--output_dir", type=Path, required=True, help="where cells, tables and plots go")
    parser.add_argument("--jobs", type=int, default=1, help="cells that run at once (default: 1)")
    parser.add_argument("--report_only", action="store_true", help="write tables and plots of what has finished")
    arguments = parser.parse_args(argv)
    try:
        check_output_folder(arguments.output_dir)
        grid = read_grid(arguments.config)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    failures = {} if arguments.report_only else run_cells(grid.cells(), arguments.output_dir, arguments.jobs)
    print(f"The report is {write_report(grid, arguments.output_dir)}")
    if failures:
        print(f"{len(failures)} cells failed; start again to try them once more.", file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
