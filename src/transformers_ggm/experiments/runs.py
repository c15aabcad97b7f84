"""How each kind of cell trains, predicts and measures what that costs. What cells share is linked, not made again."""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Subset
from tqdm.auto import tqdm

from ..data.shorts import SPLITS
from ..evaluation.cutoff import best_k, hashtags_above
from ..modeling import GGMForHashtagClassification, GGMForHashtagGeneration
from ..processing import remove_hashtags
from ..recommendation import reciprocal_rank_fusion
from ..retrieval import HashtagPool
from ..training.classifier import make_collator, train_classifier
from ..training.classifier_ranking import NUM_RANKED, classify
from ..training.decode_clips import prepare
from ..training.evaluate_recommender import evaluate_recommender
from ..training.figures import READING
from ..training.fit_recommender import fit_recommender
from ..training.fused_guidance import fuse_guidance, fusion_weights
from ..training.generator import freeze_parts, generator_collator, train_generator
from ..training.guidance import retrieve
from ..training.index_posts import index_posts
from ..training.main import argument_list, parse_arguments
from ..training.pool_and_guidance import build_pool, load_retriever, retrieve_guidance, write_guidance
from ..training.retriever import train_retriever
from ..training.run import TrainingRun
from ..training.run_sources import hashtags_of, retrieving_sources, split_candidates
from ..utils.checkpoint_layout import POOL_FOLDER, POSTS_FOLDER, RETRIEVER_FOLDER, TEXT_ENCODER_FOLDER
from ..utils.files import atomic_folder, write_json, write_lines
from .baselines.text import MostFrequentHashtags, TfidfLogisticRegression, TfidfNeighbours
from .costs import parameter_counts, timed
from .folders import HASHTAG_COUNTS, PREDICTIONS, UNSEEN, guidance_folder

TEXT_METHODS = {
    "most_frequent": MostFrequentHashtags,
    "tfidf_neighbours": TfidfNeighbours,
    "tfidf_regression": TfidfLogisticRegression,
}
# Parts of a checkpoint that a cell takes from those that it needs.
SHARED_PARTS = (RETRIEVER_FOLDER, POOL_FOLDER, POSTS_FOLDER, TEXT_ENCODER_FOLDER)
Needs = Mapping[str, Path]


def make_run(folder: Path, arguments: Mapping[str, Any], seed: int, needs: Needs) -> TrainingRun:
    """A run of `train.py` in the cell's folder, with the decoded clips, retriever, pool and guidance that it needs."""
    run = parse_arguments(argument_list({**arguments, "output_dir": str(folder), "seed": seed}))
    if "data" in needs:
        for pattern in ("*.arrow", "*.stamp.json"):
            _link(needs["data"] / "prepared", run.folders.prepared, pattern)
    for part in ("retriever", "guidance"):
        for name in SHARED_PARTS if part in needs else ():
            if (needs[part] / "checkpoint" / name).is_dir():
                _link(needs[part] / "checkpoint" / name, run.folders.checkpoint / name, "**/*")
    if "guidance" in needs:
        _link(guidance_folder(needs["guidance"]), run.folders.guidance)
    if "generator" in needs:
        _link(needs["generator"] / "checkpoint", run.folders.checkpoint)
    prepare(run)
    return run


def _link(source: Path, target: Path, pattern: str = "*") -> None:
    """Hard links to the files of a folder: those are never changed in place, but replaced."""
    for file in source.glob(pattern):
        place = target / file.relative_to(source)
        if file.is_file() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, place)


def write_predictions(run: TrainingRun, path: Path, predictions: Sequence[Sequence[str]]) -> None:
    """Writes the test split's rows with their predictions, one JSON object a line."""
    rows = run.shorts.rows("test")
    names = [name for name in ("id", "file_name", "video", "description", "hashtags") if name in rows.column_names]
    lines = zip(rows.select_columns(names), predictions, strict=True)
    write_lines(path, (json.dumps({**row, "predicted": tags}, ensure_ascii=False) for row, tags in lines))


def decode_clips(folder: Path, arguments: Mapping[str, Any], seed: int, needs: Needs) -> dict[str, Any]:
    """`"data"`: the clips decoded once."""
    costs: dict[str, float] = {}
    with timed(costs, "decoding_seconds"):
        run = make_run(folder, arguments, seed, needs)
    counts = Counter(tag for tags in run.shorts.rows("train")["hashtags"] for tag in tags)
    write_json(folder / HASHTAG_COUNTS, dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))))
    return {"costs": costs}


def run_retriever(folder: Path, arguments: Mapping[str, Any], seed: int, needs: Needs) -> dict[str, Any]:
    """`"retriever"`: the retriever, the pool and the guidance for all splits; alone it answers with its nearest k."""
    run = make_run(folder, arguments, seed, needs)
    costs: dict[str, float] = {}
    with timed(costs, "train_seconds"):
        train_retriever(run)
    build_pool(run)
    retrieve_guidance(run)
    retriever = load_retriever(run)
    pool = HashtagPool.from_pretrained(run.folders.pool, retriever=retriever)
    test = run.shorts.for_retriever("test")
    with timed(costs, "inference_seconds"):
        found = retrieve(test, retriever, run.shorts.retriever_processor, pool, NUM_RANKED)
    k = best_k(_guidance(run, "validation"), run.shorts.rows("validation")["hashtags"])
    write_predictions(run, folder / PREDICTIONS, [tags[:k] for tags in found])
    return {"costs": costs | parameter_counts(retriever), "choices": {"k": k}}


def run_fused(folder: Path, arguments: Mapping[str, Any], seed: int, needs: Needs) -> dict[str, Any]:
    """`"fused"`: what several sources retrieve, joined; alone it answers with the best k."""
    run = make_run(folder, arguments, seed, needs)
    costs: dict[str, float] = {}
    with timed(costs, "train_seconds"):
        if run.source.searches_texts:
            index_posts(run)
        fuse_guidance(run)
    sources = retrieving_sources(run)
    with timed(costs, "inference_seconds"):
        for _, found in split_candidates(run, sources, "test"):
            hashtags_of(reciprocal_rank_fusion(found, NUM_RANKED, fusion_weights(run)))
    k = best_k(_guidance(run, "validation"), run.shorts.rows("validation")["hashtags"])
    write_predictions(run, folder / PREDICTIONS, [tags[:k] for tags in _guidance(run, "test")])
    return {"costs": costs, "choices": {"k": k, "weights": fusion_weights(run)}}


def run_recommender(folder: Path, arguments: Mapping[str, Any], seed: int, needs: Needs) -> dict[str, Any]:
    """`"recommender"`: all sources, the generator among them, and a ranker that is fitted on the validation split."""
    run = make_run(folder, arguments, seed, needs)
    costs: dict[str, float] = {}
    with timed(costs, "train_seconds"):
        fit_recommender(run)
    with timed(costs, "inference_seconds"):
        summary, answers = evaluate_recommender(run, READING)
    write_predictions(run, folder / PREDICTIONS, answers)
    return {"costs": costs, "recommender": summary}


def _guidance(run: TrainingRun, split: str) -> list[list[str]]:
    return json.loads((run.folders.guidance / f"{split}.json").read_text(encoding="utf-8"))


def run_classifier(folder: Path, arguments: Mapping[str, Any], seed: int, needs: Needs) -> dict[str, Any]:
    """`"classifier"`: BERT, ViT or ViT-BERT over the training hashtags."""
    run = make_run(folder, arguments, seed, needs)
    costs: dict[str, float] = {}
    with timed(costs, "train_seconds"):
        train_classifier(run)
    model = GGMForHashtagClassification.from_pretrained(run.folders.classifier).to(run.process.device).eval()
    if run.model.freeze_vision and model.vision_encoder is not None:
        model.vision_encoder.requires_grad_(False)
    collator, test = make_collator(run, model), run.shorts.for_classifier("test")
    with timed(costs, "inference_seconds"):
        ranking = classify(test, model, collator, batch_size=run.training.per_device_eval_batch_size)
    write_predictions(run, folder / PREDICTIONS, hashtags_above(*ranking, model.config.threshold))
    return {"costs": costs | parameter_counts(model), "choices": {"threshold": model.config.threshold}}


def run_generator(folder: Path, arguments: Mapping[str, Any], seed: int, needs: Needs) -> dict[str, Any]:
    """`"generator"`: GGM with the inputs and the guidance that its arguments name."""
    run = make_run(folder, arguments, seed, needs)
    costs: dict[str, float] = {}
    with timed(costs, "train_seconds"):
        train_generator(run)
    model = GGMForHashtagGeneration.from_pretrained(run.folders.checkpoint).to(run.process.device).eval()
    costs |= _generator_parameters(run, model)
    test = run.shorts.for_generator("test")
    with timed(costs, "inference_seconds"):
        predictions = generate_hashtags(run, model, test)
    write_predictions(run, folder / PREDICTIONS, predictions)
    if run.folders.pool.is_dir() and run.model.num_guidance and fusion_weights(run) is None:
        write_unseen(run, model, folder / UNSEEN)
    return {"costs": costs}


def _generator_parameters(run: TrainingRun, model: GGMForHashtagGeneration) -> dict[str, int]:
    """Parameters of the parts that the inputs reach."""
    freeze_parts(model, run.model)
    if "video" in run.model.inputs:
        return parameter_counts(model)
    return parameter_counts(model.get_encoder().text_encoder, model.get_decoder(), model.lm_head)


@torch.inference_mode()
def generate_hashtags(run: TrainingRun, model: GGMForHashtagGeneration, shorts: Sequence) -> list[list[str]]:
    """What the model writes for rows of shorts, with its own decoding settings."""
    collator = generator_collator(run, training=False)
    loader = DataLoader(shorts, batch_size=run.training.per_device_eval_batch_size, collate_fn=collator)
    predictions = []
    for batch in tqdm(loader, desc="Generating", unit="batch"):
        batch.pop("labels", None)
        predictions += run.shorts.processor.decode_hashtags(model.generate(**batch.to(model.device)))
    return predictions


def write_unseen(run: TrainingRun, model: GGMForHashtagGeneration, path: Path) -> None:
    """
    Table 5: clips with a hashtag that training does not have, once with the pool as it is and once with those hashtags
    added to it. Nothing is trained again. The clips are those of a corpus' split `unseen_test`, else of the test
    split.
    """
    split, unseen = _unseen_hashtags(run)
    truth = run.shorts.rows(split)["hashtags"][:]
    rows = [index for index, tags in enumerate(truth) if not set(unseen).isdisjoint(tags)]
    if not rows:
        return
    content: dict[str, Any] = {"unseen": unseen, "references": [truth[index] for index in rows]}
    retriever = load_retriever(run)
    pool = HashtagPool.from_pretrained(run.folders.pool, retriever=retriever)
    clips = Subset(run.shorts.for_retriever(split), rows)
    for name in ("pool_without", "pool_with"):
        if name == "pool_with":
            pool.add(unseen, retriever, run.shorts.retriever_processor)
        guidance = [[] for _ in truth]
        for index, tags in zip(
            rows, retrieve(clips, retriever, run.shorts.retriever_processor, pool, run.model.num_guidance)
        ):
            guidance[index] = tags
        content[name] = generate_hashtags(run, model, Subset(run.shorts.for_generator(split, guidance), rows))
    write_json(path, content)


def _unseen_hashtags(run: TrainingRun) -> tuple[str, list[str]]:
    """The split that has hashtags that training lacks, and these."""
    if "unseen_test" in run.shorts.splits:
        return "unseen_test", run.shorts.unseen_hashtags
    used = {tag for tags in run.shorts.rows("test")["hashtags"] for tag in tags}
    return "test", sorted(used - set(run.shorts.hashtag_counts))


def run_text_baseline(folder: Path, arguments: Mapping[str, Any], seed: int, needs: Needs) -> dict[str, Any]:
    """`"text"`: what can be had from the descriptions without a neural network; ranks hashtags for guidance too."""
    arguments = dict(arguments)
    method = TEXT_METHODS[arguments.pop("method")]()
    run = make_run(folder, arguments, seed, needs)
    splits = {split: _texts(run, split) for split in SPLITS}
    costs: dict[str, float] = {}
    with timed(costs, "train_seconds"):
        method.fit(splits["train"], splits["validation"])
    with timed(costs, "inference_seconds"):
        predictions = method.predict(splits["test"][0])
    write_predictions(run, folder / PREDICTIONS, predictions)
    if hasattr(method, "rank"):
        ranked = {split: method.rank(splits[split][0], NUM_RANKED) for split in ("validation", "test")}
        ranked["train"] = method.rank_training(NUM_RANKED)
        with atomic_folder(run.folders.guidance) as guidance:
            for split in SPLITS:
                write_guidance(guidance, split, ranked[split], splits[split][1])
    return {"costs": costs}


def _texts(run: TrainingRun, split: str) -> tuple[list[str], list[list[str]]]:
    rows = run.shorts.rows(split)
    return [remove_hashtags(description) for description in rows["description"]], rows["hashtags"]


def run_prompted(folder: Path, arguments: Mapping[str, Any], seed: int, needs: Needs) -> dict[str, Any]:
    """`"prompted"`: a vision-language model asked for hashtags, with or without the retrieved ones in the prompt."""
    from .baselines.vision_language import VisionLanguagePrompting

    arguments = dict(arguments)
    prompting = arguments.pop("prompting", {})
    run = make_run(folder, arguments, seed, needs)
    lengths = [len(tags) for tags in run.shorts.rows("train")["hashtags"]]
    model = VisionLanguagePrompting(**{"num_hashtags": round(sum(lengths) / len(lengths)), **prompting})
    test = run.shorts.for_generator("test")
    costs: dict[str, float] = {"train_seconds": 0.0}
    with timed(costs, "inference_seconds"):
        predictions = model.predict(test)
    write_predictions(run, folder / PREDICTIONS, predictions)
    costs |= parameter_counts(model.pipeline.model) | {"trainable_parameters": 0}
    return {"costs": costs, "choices": {"num_hashtags": model.num_hashtags}}


RUN_KIND: dict[str, Callable[[Path, Mapping[str, Any], int, Needs], dict[str, Any]]] = {
    "data": decode_clips,
    "retriever": run_retriever,
    "classifier": run_classifier,
    "fused": run_fused,
    "generator": run_generator,
    "recommender": run_recommender,
    "text": run_text_baseline,
    "prompted": run_prompted,
}
