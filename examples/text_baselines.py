"""Prints what simple methods reach on the test split of a folder of shorts, from the descriptions alone.

    pip install ".[eval,baselines]"
    python examples/text_baselines.py --data_dir shorts

Everything is learned on `train`, and settings are chosen on `validation`. Metrics are times 100, with 95% intervals by
bootstrap over the test rows.
"""

import argparse

from transformers_ggm import load_shorts
from transformers_ggm.evaluation import hashtag_report
from transformers_ggm.experiments.baselines import MostFrequentHashtags, TfidfLogisticRegression, TfidfNeighbours
from transformers_ggm.processing import remove_hashtags

BASELINES = {
    "most frequent hashtags": MostFrequentHashtags,
    "TF-IDF nearest neighbours": TfidfNeighbours,
    "TF-IDF, logistic regression per hashtag": TfidfLogisticRegression,
}
METRICS = {"f1": "F1", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2"}


def read_split(rows) -> tuple[list[str], list[list[str]]]:
    """Descriptions without the hashtags in them, and hashtags, of the rows that have any."""
    rows = [row for row in rows if row["hashtags"]]
    return [remove_hashtags(row["description"]) for row in rows], [row["hashtags"] for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", required=True, help="folder with train/, validation/ and test/")
    parser.add_argument("--seed", type=int, default=0, help="of the order of hashtags and of the bootstrap")
    arguments = parser.parse_args()
    shorts = load_shorts(arguments.data_dir)
    train, validation, test = (read_split(shorts[split]) for split in ("train", "validation", "test"))
    print(f"| method | {' | '.join(METRICS.values())} |\n|---|{'---|' * len(METRICS)}")
    for name, make in BASELINES.items():
        predictions = make().fit(train, validation).predict(test[0])
        metrics = hashtag_report(predictions, test[1], seed=arguments.seed)["metrics"]
        cells = [f"{f['mean']:.1f} ({f['low']:.1f} to {f['high']:.1f})" for f in (metrics[key] for key in METRICS)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
