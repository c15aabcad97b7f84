"""
What the words that are spoken in clips, and those that stand on their screen, are good for: the table of
docs/reading.md.

    ggm render-shorts --output_dir shorts --num_train 120 --num_validation 0 --num_test 60 --size 192 \\
        --spoken --written
    ggm prepare --data_dir shorts --output_dir prepared --read_speech openai/whisper-tiny.en --read_screen true
    python examples/read_rendered_shorts.py prepared

Hashtags of the test clips come from the most similar training clips, by shared words. Every line is the test split
with one of its texts taken away; the last one has what was really said and shown in place of what was read.

Needs `pip install transformers-ggm[recommend,speech,ocr,data]` and espeak-ng.
"""

import argparse
from difflib import SequenceMatcher
from pathlib import Path

from transformers_ggm import PostIndex
from transformers_ggm.data import load_prepared
from transformers_ggm.evaluation import recall_by_cause
from transformers_ggm.recommendation import PostsSource, clues_of

CAUSES = ("words", "spoken", "written")
TEXTS = ("description", "transcript", "screen_text")


def main() -> None:
    parser = argparse.ArgumentParser(description="What speech and words on the screen are good for.")
    parser.add_argument("prepared", type=Path, help="rendered shorts with words, prepared and read")
    columns = ["hashtags", "causes", "said", "shown", *TEXTS]
    splits = load_prepared(parser.parse_args().prepared)
    train, test = (splits[split].select_columns(columns).to_list() for split in ("train", "test"))
    read_well(test)
    print("| | " + " | ".join(f"recall {cause}" for cause in CAUSES) + " |\n|---|" + "---:|" * len(CAUSES))
    for name, recall in measure(train, test).items():
        print(f"| {name} | " + " | ".join(f"{recall[cause]:.1f}" for cause in CAUSES) + " |")


def measure(train: list[dict], test: list[dict], neighbours: int = 10, shown: int = 8) -> dict[str, dict[str, float]]:
    """
    Recall by cause, in percent, for every setting.

    Args:
        train, test: rows with `hashtags`, `causes`, the texts, and `said` and `shown`, what is true.
        neighbours (`int`, defaults to 10): similar clips that are looked at.
        shown (`int`, defaults to 8): hashtags of each clip that are counted.
    """
    source = PostsSource(PostIndex.build(train), by="sparse", neighbours=neighbours)
    settings = {"all that was read": test}
    settings |= {f"without {name.replace('_', ' ')}": [{**row, name: ""} for row in test] for name in TEXTS}
    settings["what was really said and shown"] = [
        {**row, "transcript": row["said"], "screen_text": row["shown"]} for row in test
    ]
    measured = {}
    for name, rows in settings.items():
        found = source.candidates(clues_of(rows), shown)
        predictions = [[candidate.hashtag for candidate in row] for row in found]
        measured[name] = recall_by_cause(predictions, [row["causes"] for row in test])
    return measured


def read_well(rows: list[dict]) -> None:
    """Prints how much of what was said and shown was read, by letters, and what was read where nothing was."""
    for read, true in (("transcript", "said"), ("screen_text", "shown")):
        there = [row for row in rows if row[true]]
        alike = [SequenceMatcher(None, letters(row[read]), letters(row[true])).ratio() for row in there]
        empty = sum(not row[read] for row in there)
        made_up = sum(bool(row[read]) for row in rows if not row[true])
        print(
            f"{read}: {100 * sum(alike) / len(alike):.1f}% of the letters of {len(there)} clips, nothing in {empty}; "
            f"something in {made_up} of the {len(rows) - len(there)} others."
        )
    print()


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


if __name__ == "__main__":
    main()
