"""
Trains a retriever with each of some settings of its loss, and measures how many of a post's hashtags are among the
nearest of the pool:

    python examples/compare_retrievers.py examples/experiments/retriever.yaml --data_dir DATA/tweets \\
        --encoder ENCODER --output_dir outputs/retrievers

`DATA/tweets` has `train`, `validation` and `test`, each with a `metadata.jsonl` (docs/data.md); `ENCODER` is a
sentence encoder, a folder or Hub id such as sentence-transformers/all-MiniLM-L6-v2. With `--random_weights` only its
tokenizer is used, and a smaller encoder of its kind starts from nothing and learns longer, as `random_weights` of the
file tells. All settings of one seed learn from the same rows of `train`, drawn by the seed; the pool has the hashtags
of all of `train`, and what is measured is of the same rows of `validation` and `test` for all.
Measured are the vectors as they are, cut to their first numbers, whitened, and with hubs made rarer (CSLS).
`OUTPUT_DIR/results.json` has a record of each training, and one that is there is not made again;
`OUTPUT_DIR/results.md` is the table.
"""

import json
import os
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from over_seeds import mean_and_deviation
from train_text_retriever import make_retriever, read_posts
from transformers import set_seed

from transformers_ggm import (
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverConfig,
    HashtagRetrieverProcessor,
    RetrieverTrainer,
    RetrieverTrainingArguments,
)
from transformers_ggm.evaluation import recall_at_k
from transformers_ggm.modeling import Whitening
from transformers_ggm.retrieval import DescriptionEncoder
from transformers_ggm.training.retriever_trainer import hashtag_counts
from transformers_ggm.utils.files import check_output_folder, write_json, write_text
from transformers_ggm.utils.yaml_files import read_yaml_mapping

KS = (10, 50)
MEASURED_ON = ("validation", "test")
# What is the model's own and not the training's.
OF_THE_MODEL = ("max_inverse_temperature", "logit_scale_init_value")
UNTRAINED = "untrained"
# Posts of the training by which a space is whitened, and hubs are known.
NUM_KNOWN = 2000


@dataclass(frozen=True)
class Posts:
    """The posts that are learned from, those that are measured on, and the hashtags of the pool with their counts."""

    train: Dataset
    measured_on: Mapping[str, Dataset]
    counts: Mapping[str, int]

    @classmethod
    def read(cls, folder: Path, num_eval_rows: int, min_count: int) -> "Posts":
        train, *others = (read_posts(folder / split / "metadata.jsonl") for split in ("train", *MEASURED_ON))
        counts = {tag: count for tag, count in hashtag_counts(train).items() if count >= min_count}
        drawn = [rows.shuffle(seed=0).select(range(min(num_eval_rows, len(rows)))) for rows in others]
        return cls(train, dict(zip(MEASURED_ON, drawn)), counts)


def main() -> None:
    parser = ArgumentParser(description="Compares settings of the retriever's loss.")
    parser.add_argument("grid", help="YAML file with the settings, such as examples/experiments/retriever.yaml")
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with train, validation and test")
    parser.add_argument("--encoder", required=True, help="sentence encoder, a folder or Hub id")
    parser.add_argument("--output_dir", type=Path, required=True, help="where results.json and results.md are written")
    parser.add_argument("--rows", nargs="+", help="of these settings alone, by default all of the file")
    parser.add_argument("--seeds", nargs="+", type=int, help="in the place of those of the file")
    parser.add_argument("--min_count", type=int, help="in the place of that of the file")
    parser.add_argument("--random_weights", action="store_true", help="a smaller encoder that starts from nothing")
    options = parser.parse_args()
    check_output_folder(options.output_dir)
    grid = read_yaml_mapping(options.grid, "the names of settings")
    if options.min_count is not None:
        grid["min_count"] = options.min_count
    if options.random_weights:
        grid |= {name: grid.get(name, {}) | changed for name, changed in grid["random_weights"].items()}
    posts = Posts.read(options.data_dir, grid["num_eval_rows"], grid["min_count"])
    file = options.output_dir / "results.json"
    records = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    rows = {UNTRAINED: None, **grid["rows"]}
    for seed in options.seeds or grid["seeds"]:
        for name in options.rows or rows:
            if any((record["name"], record["seed"]) == (name, seed) for record in records):
                continue
            records.append({"name": name, "seed": seed, **measure(rows[name], seed, grid, posts, options.encoder)})
            write_json(file, records)
            write_text(options.output_dir / "results.md", table(records))
    print(table(records))


def measure(
    settings: Mapping[str, Any] | None, seed: int, grid: Mapping[str, Any], posts: Posts, encoder: str
) -> dict[str, Any]:
    """Trains with some settings (`None`: not at all), and gives the recalls and the processor's seconds."""
    began = sum(os.times()[:2])
    of_the_model = {name: value for name, value in (settings or {}).items() if name in OF_THE_MODEL}
    retriever, processor = make_retriever(encoder, grid["max_length"], **of_the_model)
    if "backbone_config" in grid:
        retriever = from_nothing(retriever.config, grid["backbone_config"], seed)
    if settings is not None:
        rows = posts.train.shuffle(seed=seed).select(range(min(grid["num_train_rows"], len(posts.train))))
        of_the_training = {name: value for name, value in settings.items() if name not in OF_THE_MODEL}
        train(retriever, processor, rows, {**grid["training"], **of_the_training, "seed": seed})
    trained = sum(os.times()[:2])
    recalls = recalls_of(retriever, processor, posts, grid["dims"], grid["whitening_powers"])
    seconds = {"training": round(trained - began, 1), "measuring": round(sum(os.times()[:2]) - trained, 1)}
    return {"recalls": recalls, "seconds": seconds}


def from_nothing(config: HashtagRetrieverConfig, sizes: Mapping[str, Any], seed: int) -> HashtagRetriever:
    """A retriever with random weights, whose encoder has other sizes."""
    set_seed(seed)
    encoder: Any = config.backbone_config
    encoder.update(dict(sizes))
    return HashtagRetriever(config)


def train(
    retriever: HashtagRetriever, processor: HashtagRetrieverProcessor, rows: Dataset, arguments: Mapping[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        RetrieverTrainer(
            retriever,
            RetrieverTrainingArguments(scratch, eval_strategy="no", save_strategy="no", report_to="none", **arguments),
            train_dataset=rows,
            processing_class=processor,
        ).train()


def recalls_of(
    retriever: HashtagRetriever,
    processor: HashtagRetrieverProcessor,
    posts: Posts,
    dims: Sequence[int],
    whitening_powers: Sequence[float],
) -> dict[str, dict[str, dict[str, float]]]:
    """By the numbers that are kept of a vector, or what else is made of the space, then by split and k."""
    whole = HashtagPool.build(posts.counts, retriever, processor, progress_bar=False)
    encoder = DescriptionEncoder(retriever, processor)
    queries = {split: encoder.encode(rows["description"]) for split, rows in posts.measured_on.items()}
    pools = {str(dim): HashtagPool(whole.hashtags, whole.embeddings, dim=dim) for dim in dims if dim < whole.dim}
    pools[str(whole.dim)] = whole
    recalls = {name: recalls_in(posts, queries, pool.search) for name, pool in pools.items()}
    rows = posts.train.select(range(min(NUM_KNOWN, len(posts.train))))
    vectors = {"description": encoder.encode(rows["description"]), "hashtag": torch.as_tensor(whole.embeddings)}
    whitening = Whitening(whole.dim)
    for power in whitening_powers:
        whitening.fit(vectors, power)
        white = {split: whitening(of_split, "description") for split, of_split in queries.items()}
        pool = HashtagPool(whole.hashtags, whitening(vectors["hashtag"], "hashtag"))
        recalls[f"whitened {power}"] = recalls_in(posts, white, pool.search)
    recalls["CSLS"] = recalls_in(posts, queries, partial(search_by_csls, whole.hashtags, **vectors))
    return recalls


def recalls_in(posts: Posts, queries: Mapping[str, torch.Tensor], search: Callable) -> dict[str, dict[str, float]]:
    """By split and k."""
    recalls = {}
    for split, rows in posts.measured_on.items():
        found = search(queries[split], min(max(KS), len(posts.counts)))[1]
        recalls[split] = {str(k): value for k, value in recall_at_k(found, rows["hashtags"], KS).items()}
    return recalls


def search_by_csls(
    hashtags: Sequence[str], queries: torch.Tensor, k: int, description: torch.Tensor, hashtag: torch.Tensor
) -> tuple[torch.Tensor, list[list[str]]]:
    """The nearest where those that are near to everything are farther (Conneau et al., ICLR 2018): of twice the
    cosine, a hashtag's mean cosine to its ten nearest descriptions is taken off."""
    nearness = (description @ hashtag.T).topk(min(10, len(description)), dim=0).values.mean(dim=0)
    scores, indices = (2 * queries @ hashtag.T - nearness).topk(k)
    rows: list[list[int]] = indices.tolist()
    return scores, [[hashtags[row] for row in of_one] for of_one in rows]


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """Means over seeds, with the standard deviation where there are several."""
    columns = [(split, str(k)) for split in MEASURED_ON for k in KS]
    head = ["setting", "numbers", "seeds", *(f"{split}, recall@{k}" for split, k in columns)]
    lines = [head, ["---"] * len(head)]
    for name in dict.fromkeys(record["name"] for record in records):
        of_one = [record["recalls"] for record in records if record["name"] == name]
        for space in of_one[0]:
            values = [[recalls[space][split][k] for recalls in of_one] for split, k in columns]
            lines.append([name, space, str(len(of_one)), *map(mean_and_deviation, values)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    main()
