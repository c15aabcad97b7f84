"""
How memory, search and writing grow with pools and indexes of posts: Markdown tables and a picture, which docs/scale.md
reckons with.

    python benchmarks/bench_scale.py --output docs/scale.md --store postgresql+psycopg://host/empty_database
    python benchmarks/bench_scale.py --sizes 1000 2000 --runs 1 --seconds 0.2

Vectors are random; words and hashtags of posts are drawn by Zipf's law. Memory and building of a row are the growth
from the smallest size to the largest. Times are processor time of one thread; of queries the least of several runs
counts. Changes of a store are counted by the clock, and the most of several runs counts. Between its marks, the page
is written anew.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from measured_page import check_page, machine, picture_of, write_sections
from row_costs import PARTS, Costs, costs
from store_writes import changes_a_second, fill, reading, writing_processes
from transformers.utils import logging

from transformers_ggm.utils.plotting import new_figure, save_figure

SECTION, PICTURE = "scale", "scale.png"
WRITERS, POSTS_A_CHANGE = (1, 2, 4), (1, 100)


def row_of_part(name: str, found: dict[int, Costs]) -> str:
    """A line of a Markdown table."""
    least, most = min(found), max(found)
    more = most - least
    memory = (found[most].memory - found[least].memory) / more
    building = 1e6 * (found[most].building - found[least].building) / more
    queries = [f"{1000 * costs.query:,.2f} ms" if costs.query is not None else "" for costs in found.values()]
    measured = f"{found[most].memory / 1e6:,.0f} MB"
    return " | ".join([f"| {name}", measured, f"{memory:,.0f}", f"{building:,.0f} s", *queries]) + " |"


def parts_table(found: dict[str, dict[int, Costs]]) -> list[str]:
    """Lines of a Markdown table: what a row of each part costs, and what a query does at each size."""
    sizes = list(next(iter(found.values())))
    titles = [f"memory at {max(sizes):,}", "bytes a row", "building a million"]
    titles += [f"a query at {size:,}" for size in sizes]
    lines = ["| | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(titles)]
    return lines + [row_of_part(name, by_size) for name, by_size in found.items()]


def store_tables(urls: dict[str, str], num_hashtags: int, seconds: float, runs: int) -> list[str]:
    """Lines of two Markdown tables: writing by several processes, and reading."""
    titles = [f"{count} writer{'s' * (count > 1)}" for count in WRITERS] + ["processor time of one"]
    lines = ["| changes a second | posts a change | " + " | ".join(titles) + " |"]
    lines.append("|---|---:|" + "---:|" * len(titles))
    readers = ["| a reader of the store | until it has a million hashtags | until it has one change more |"]
    readers.append("|---|---:|---:|")
    with writing_processes(max(WRITERS)) as processes:
        for name, url in urls.items():
            store = fill(url, num_hashtags)
            for size in POSTS_A_CHANGE:
                measured = [
                    [changes_a_second(processes, url, count, size, seconds) for _ in range(runs)] for count in WRITERS
                ]
                rates = [f"{max(rate for rate, _ in of_count):,.0f}" for of_count in measured]
                least = min(spent for of_count in measured for _, spent in of_count)
                lines.append(" | ".join([f"| {name} | {size}", *rates, f"{1000 * least:,.1f} ms"]) + " |")
                print(lines[-1], flush=True)
            loading, changing = np.min([reading(store) for _ in range(runs)], axis=0)
            readers.append(f"| {name} | {1e6 * loading / num_hashtags:,.0f} s | {1000 * changing:,.1f} ms |")
    return [*lines, "", *readers]


def plot(found: dict[str, dict[int, Costs]], path: Path) -> None:
    """Memory and time of a query by the number of rows, side by side."""
    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2)
    for name, by_size in found.items():
        [line] = left.plot(list(by_size), [costs.memory / 1e6 for costs in by_size.values()], marker="o", label=name)
        queries = [costs.query for costs in by_size.values()]
        if None not in queries:
            milliseconds = [1000 * seconds for seconds in queries]
            right.plot(list(by_size), milliseconds, marker="o", label=name, color=line.get_color())
    left.set_ylabel("memory, MB")
    right.set_ylabel("processor time of a query, ms")
    for axes in (left, right):
        axes.set_xlabel("rows")
        axes.set_ylim(bottom=0)
        axes.set_xticks(list(next(iter(found.values()))))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.legend(fontsize=7, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path, dots_per_inch=150)


def measure(sizes: list[int], runs: int) -> dict[str, dict[int, Costs]]:
    """The costs of each part at each size."""
    torch.set_num_threads(1)
    return {part: {size: costs(part, size, runs) for size in sizes} for part in PARTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[25_000, 50_000, 100_000], help="rows")
    parser.add_argument("--num_hashtags", type=int, default=20_000, help="in a store (default: 20,000)")
    parser.add_argument("--store", help="an empty PostgreSQL database, measured beside SQLite")
    parser.add_argument("--seconds", type=float, default=2, help="that writers write (default: 2)")
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--output", type=Path, help=f"a page with the marks of {SECTION} to write into")
    arguments = parser.parse_args()
    check_page(parser, arguments.output, [SECTION], PICTURE)
    logging.set_verbosity_error()
    found = measure(sorted(arguments.sizes), arguments.runs)
    lines = [*parts_table(found), ""]
    print(*lines, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        urls = {"SQLite": f"sqlite:///{scratch}/pool.db"}
        if arguments.store:
            urls["PostgreSQL"] = arguments.store
        lines += store_tables(urls, arguments.num_hashtags, arguments.seconds, arguments.runs)
    print("", *lines, sep="\n")
    if arguments.output:
        write_sections(arguments.output, {SECTION: [f"Measured on {machine()}.", "", *lines]})
        plot(found, picture_of(arguments.output, PICTURE))


if __name__ == "__main__":
    main()
