"""
What a checkpoint trained on rendered shorts uses each of its inputs for: the tables of docs/results.md.

    python examples/rendered_shorts_results.py --checkpoint outputs/demo/checkpoint --data_dir shorts

Every line is the test split (clips that training never saw) with one thing changed. F1 leaves movement and noise
hashtags out on both sides; their recall stands in columns of its own.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm.auto import tqdm

from transformers_ggm import (
    GGMForHashtagGeneration,
    GGMProcessor,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
    load_shorts,
)
from transformers_ggm.data import DataCollatorForHashtagGeneration, DecodedShorts, decode_split
from transformers_ggm.data.rendered_shorts import MOVEMENTS, NOISE, REVERSED_MOVEMENTS
from transformers_ggm.evaluation import hashtag_metrics, recall_by_cause
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.training.guidance import retrieve

NOT_COUNTED = {*MOVEMENTS, *NOISE}
OPPOSITES = REVERSED_MOVEMENTS | {tag: reverse for reverse, tag in REVERSED_MOVEMENTS.items()}
CAUSES = ("seen", "heard", "words", "movement", "noise")


@dataclass(frozen=True)
class Setting:
    """What the model is given: all inputs, or all but some."""

    name: str
    frames: bool = True
    sound: bool = True
    words: bool = True
    guidance: bool = True
    held_out_in_pool: bool = False


SETTINGS = (
    Setting("all inputs"),
    Setting("without sound", sound=False),
    Setting("without frames (one black frame, no guidance)", frames=False, guidance=False),
    Setting("without words", words=False),
    Setting("without guidance", guidance=False),
    Setting("without words and guidance", words=False, guidance=False),
    Setting("all inputs, held-out compounds in the pool", held_out_in_pool=True),
)


def change(row: dict, setting: Setting, guidance: list[str]) -> dict:
    """A test row with what the setting takes away taken away."""
    frames = row["frames"] if setting.frames else torch.zeros_like(row["frames"][:1])
    return {
        **row,
        "frames": frames,
        "input_features": row["input_features"] if setting.sound else None,
        "description": row["description"] if setting.words else "",
        "guidance": guidance if setting.guidance else [],
    }


@torch.inference_mode()
def predict(model, processor, rows: list[dict], name: str, batch_size: int = 50) -> list[list[str]]:
    """Hashtags for rows of prepared shorts, with the checkpoint's own decoding settings."""
    collator = DataCollatorForHashtagGeneration(processor, training=False)
    predictions = []
    for start in tqdm(range(0, len(rows), batch_size), desc=name):
        batch = collator(rows[start : start + batch_size])
        batch.pop("labels")
        predictions += processor.decode_hashtags(model.generate(**batch))
    return predictions


def counted(hashtags: list[list[str]]) -> list[list[str]]:
    """Hashtags without those of movement and noise."""
    return [[tag for tag in tags if tag not in NOT_COUNTED] for tags in hashtags]


def direction_accuracy(predictions: list[list[str]], causes: list[dict[str, list[str]]]) -> float:
    """Share of right ones where the model names one of two movements that only the order of frames tells apart."""
    answers = []
    for predicted, cause in zip(predictions, causes):
        for tag in {*cause["movement"]} & {*OPPOSITES}:
            named = {tag, OPPOSITES[tag]} & {*predicted}
            if len(named) == 1:
                answers.append(named == {tag})
    return 100 * sum(answers) / len(answers) if answers else float("nan")


def metrics(predictions: list[list[str]], dataset) -> dict[str, float]:
    """F1 of all clips, of those with a compound known from training, and of the others; recall per cause."""
    seen, unseen = (
        [i for i, held_out in enumerate(dataset["unseen_compound"]) if held_out is kind] for kind in (False, True)
    )
    truth, guess = counted(dataset["hashtags"]), counted(predictions)
    values = {"F1": hashtag_metrics(guess, truth)["f1"]}
    for name, rows in (("F1, known compounds", seen), ("F1, held-out compounds", unseen)):
        values[name] = hashtag_metrics([guess[i] for i in rows], [truth[i] for i in rows])["f1"]
    values["ROUGE-1"] = hashtag_metrics(predictions, dataset["hashtags"])["rouge1"]
    values |= recall_by_cause(predictions, dataset["causes"])
    values["direction"] = direction_accuracy(predictions, dataset["causes"])
    causes = [dataset["causes"][i] for i in unseen]
    values["held-out compounds"] = recall_by_cause([predictions[i] for i in unseen], causes)["seen"]
    return values


def measure(checkpoint: str | Path, data_dir: str | Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Name and metrics of every setting, one after the other. Clips are decoded and retrieved for once."""
    folder = Path(checkpoint)
    model = GGMForHashtagGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = GGMProcessor.from_pretrained(folder)
    retriever = HashtagRetriever.from_pretrained(folder / "retriever", dtype=torch.float32).eval()
    retriever_processor = HashtagRetrieverProcessor.from_pretrained(folder / "retriever")
    pool = HashtagPool.from_pretrained(folder / "hashtag_pool", retriever=retriever)
    with tempfile.TemporaryDirectory() as cache:
        dataset = decode_split(
            load_shorts(data_dir)["test"], Path(cache, "test.arrow"), processor, retriever_processor, num_workers=2
        )
        shorts = DecodedShorts(dataset)
        rows = [shorts[i] for i in range(len(shorts))]
        held_out = {tag for causes in dataset["causes"] for tag in causes["seen"] if tag not in pool}
        parts = (retriever, retriever_processor, pool, processor.num_guidance)
        guidance = {"all inputs": retrieve(rows, *parts)}
        # The description may be part of the retriever's query.
        guidance["without words"] = retrieve([{**row, "description": ""} for row in rows], *parts)
        pool.add(sorted(held_out), retriever, retriever_processor)
        guidance["held-out"] = retrieve(rows, *parts)
        for setting in SETTINGS:
            kind = "held-out" if setting.held_out_in_pool else "all inputs" if setting.words else "without words"
            changed = [change(row, setting, found) for row, found in zip(rows, guidance[kind])]
            yield setting.name, metrics(predict(model, processor, changed, setting.name), dataset)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--checkpoint", default=DEMO_CHECKPOINT, help="OUT/checkpoint of train.py (default: the demo's)"
    )
    parser.add_argument("--data_dir", required=True, help="folder of rendered shorts")
    arguments = parser.parse_args()
    for number, (name, values) in enumerate(measure(arguments.checkpoint, arguments.data_dir)):
        if not number:
            print("| input | " + " | ".join(f"recall {key}" if key in CAUSES else key for key in values) + " |")
            print("|---|" + "---|" * len(values))
        print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in values.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
