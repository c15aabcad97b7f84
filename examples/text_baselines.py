"""Prints what simple methods reach on the test split of a folder of shorts, from the descriptions alone.

    pip install ".[eval,baselines]"
    python examples/text_baselines.py --data_dir shorts

Settings are chosen on `validation` by what was learned on `train`. Before the test, the rows of `validation` are
learned, too, as in `recommend.py`. Metrics are times 100, with 95% intervals by bootstrap over the test rows.
"""

import argparse
import time

from measured_answers import MeasuredAnswers

from transformers_ggm import load_shorts
from transformers_ggm.evaluation import hashtag_report
from transformers_ggm.experiments.baselines import MostFrequentHashtags, TfidfLogisticRegression, TfidfNeighbours
from transformers_ggm.processing import remove_hashtags

BASELINES = {
    "most frequent hashtags": MostFrequentHashtags,
    "TF-IDF nearest neighbours": TfidfNeighbours,
    "TF-IDF, logistic regression per hashtag": TfidfLogisticRegression,
}
CHOSEN = ("k_", "num_neighbours_", "threshold_")
METRICS = {"f1": "F1", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2"}


def read_split(rows) -> tuple[list[str], list[list[str]]]:
    """Descriptions without the hashtags in them, and hashtags, of the rows that have any."""
    rows = [row for row in rows if row["hashtags"]]
    return [remove_hashtags(row["description"]) for row in rows], [row["hashtags"] for row in rows]


def with_all_rows(make: type, train, validation):
    """A method that learned from both splits, with the settings that `validation` chose before."""
    before = make().fit(train, validation)
    chosen = {name: value for name, value in vars(before).items() if name in CHOSEN}
    del before  # thousands of regressions need gigabytes
    method = make().fit(tuple(first + second for first, second in zip(train, validation)), validation)
    vars(method).update(chosen)
    return method


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", required=True, help="folder with train/, validation/ and test/")
    parser.add_argument("--seed", type=int, default=0, help="of the order of hashtags and of the bootstrap")
    parser.add_argument("--answers", help="where all answers are saved, a JSON file for evidence.py")
    arguments = parser.parse_args()
    shorts = load_shorts(arguments.data_dir)
    train, validation, test = (read_split(shorts[split]) for split in ("train", "validation", "test"))
    print(f"| method | {' | '.join(METRICS.values())} |\n|---|{'---|' * len(METRICS)}")
    known = sorted({hashtag for _, rows in (train, validation) for row in rows for hashtag in row})
    measured = MeasuredAnswers(test[1], known, {}, {})
    for name, make in BASELINES.items():
        method = with_all_rows(make, train, validation)
        start = time.process_time()
        predictions = method.predict(test[0])
        measured.milliseconds[name] = 1000 * (time.process_time() - start) / len(predictions)
        measured.answers[name] = predictions
        metrics = hashtag_report(predictions, test[1], seed=arguments.seed)["metrics"]
        cells = [f"{f['mean']:.1f} ({f['low']:.1f} to {f['high']:.1f})" for f in (metrics[key] for key in METRICS)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    if arguments.answers:
        measured.save(arguments.answers)


if __name__ == "__main__":
    main()
