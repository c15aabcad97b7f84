"""
Ranks what a checkpoint trained on rendered shorts writes together with what else is known, and measures it as
`rendered_shorts_results.py` does: F1 without the hashtags of movement and noise.

    ggm render-shorts --output_dir shorts
    python examples/recommend_rendered_shorts.py --data_dir shorts

Sources are the checkpoint's own pool and generator, the posts of `train` and the words in them. The ranker is fitted
on `validation`, whose clips none of them saw, and measured on `test`. A second table tells what it would cost to have
nothing written for clips whose hashtags the other sources are sure of.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import torch
from measured_answers import WHOLE, MeasuredAnswers, ranked
from rendered_shorts_results import metrics
from tqdm.auto import tqdm

from transformers_ggm import (
    GGMForHashtagGeneration,
    GGMProcessor,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
    PostIndex,
)
from transformers_ggm.evaluation import best_k, best_of_rows, expected_calibration_error
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.recommendation import (
    CandidateFeatures,
    Clues,
    FrequentSource,
    GeneratorSource,
    PoolSource,
    PostsSource,
    Recommendation,
    Recommender,
    WordsSource,
    candidate_features,
    fit_ranker,
    gather_candidates,
)

BATCH_SIZE = 40
UNWRITTEN = "without generator"
# So many hashtags are to be as likely as that, before a clip is answered without the generator.
NUM_SURE, SURE = 3, (0.5, 0.7, 0.8, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--checkpoint", default=DEMO_CHECKPOINT, help="OUT/checkpoint of train.py (default: the demo's)"
    )
    parser.add_argument("--data_dir", type=Path, required=True, help="folder of rendered shorts")
    parser.add_argument("--answers", help="where all answers are saved, a JSON file for evidence.py")
    options = parser.parse_args()
    processor = GGMProcessor.from_pretrained(options.checkpoint)
    train = read_rows(options.data_dir, "train")
    counts = Counter(hashtag for row in train for hashtag in row["hashtags"])
    sources = make_sources(Path(options.checkpoint), processor, train, counts)
    validation, test = (read_rows(options.data_dir, split) for split in ("validation", "test"))
    found = {"validation": candidates_of(sources, options.data_dir / "validation", validation, processor)[0]}
    found["test"], milliseconds = candidates_of(sources, options.data_dir / "test", test, processor)
    answers = source_answers(found, [row["hashtags"] for row in validation])
    print("| | F1 | F1, known compounds | F1, held-out compounds | calibration error |\n|---|---|---|---|---|")
    surest = []
    for left_out in (None, *sources):
        kept = [source for source in sources if source is not left_out]
        features = {
            split: candidate_features(kept, found[split], [Clues(row["description"]) for row in rows], counts)
            for split, rows in (("validation", validation), ("test", test))
        }
        ranker = fit_ranker(features["validation"], [row["hashtags"] for row in validation])
        recommender = Recommender(kept, ranker, counts)
        shown = ranked(recommender.rank(features["test"]))
        error = calibration_error(recommender, features["test"], test)
        name = WHOLE if left_out is None else f"without {left_out.name}"
        answers[name] = shown
        if name == UNWRITTEN:
            surest = recommender.rank(features["test"], top_n=NUM_SURE)
        print(f"| {name} | {figures(shown, test)} | {error:.3f} |", flush=True)
    print(f"| generator alone, all that it writes in five beams | {figures(answers['generator'], test)} | |")
    print_unwritten(answers, surest, test)
    if options.answers:
        milliseconds[WHOLE] = sum(milliseconds.values())
        known = sorted(counts)
        MeasuredAnswers([row["hashtags"] for row in test], known, answers, milliseconds).save(options.answers)


def read_rows(folder: Path, split: str) -> list[dict]:
    lines = (folder / split / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def make_sources(checkpoint: Path, processor: GGMProcessor, train: list[dict], counts: Counter) -> list:
    model = GGMForHashtagGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    retriever = HashtagRetriever.from_pretrained(checkpoint / "retriever", dtype=torch.float32).eval()
    retriever_processor = HashtagRetrieverProcessor.from_pretrained(checkpoint / "retriever")
    pool = HashtagPool.from_pretrained(checkpoint / "hashtag_pool", retriever=retriever)
    nearest = PoolSource(pool, retriever, retriever_processor)
    return [
        nearest,
        GeneratorSource(model, processor, guidance=nearest, num_return_sequences=5),
        PostsSource(PostIndex.build(train), by="sparse"),
        WordsSource.build(train),
        FrequentSource(counts),
    ]


def candidates_of(sources: list, folder: Path, rows: list[dict], processor: GGMProcessor) -> tuple[dict, dict]:
    """The candidates of all sources, some clips decoded at a time, and the CPU milliseconds of each for a clip."""
    found = {source.name: [] for source in sources}
    milliseconds = dict.fromkeys(found, 0.0)
    for start in tqdm(range(0, len(rows), BATCH_SIZE), desc=folder.name):
        clues = [clues_of_clip(folder, row, processor) for row in rows[start : start + BATCH_SIZE]]
        for source in sources:
            started = time.process_time()
            found[source.name] += gather_candidates([source], clues)[source.name]
            milliseconds[source.name] += 1000 * (time.process_time() - started) / len(rows)
    return found, milliseconds


def source_answers(found: dict[str, dict], truth: list[list[str]]) -> dict[str, list[list[str]]]:
    """What each source alone answers to `test`: as many as are best on `validation`, all that the generator writes."""
    answers = {}
    for name, rows in found["test"].items():
        cut = None if name == "generator" else best_k(ranked(found["validation"][name]), truth)
        answers[name] = [row[:cut] for row in ranked(rows)]
    return answers


def clues_of_clip(folder: Path, row: dict, processor: GGMProcessor) -> Clues:
    media = processor.decode_media(str(folder / row["file_name"]))
    frames = processor.video_processor.resize_frames(media.frames)
    sound = None if media.audio is None else torch.from_numpy(media.audio)
    return Clues(row["description"], frames=frames, sound=sound)


def print_unwritten(answers: dict[str, list], surest: list[list[Recommendation]], rows: list[dict]) -> None:
    """What the whole loses where clips that the other sources are sure of are answered by these alone."""
    print(f"\n| the other sources have {NUM_SURE} hashtags likelier than | clips | F1, known and held-out compounds |")
    print("|---|---|---|")
    for least in SURE:
        sure = [len(row) == NUM_SURE and row[-1].score >= least for row in surest]
        pairs = zip(sure, answers[UNWRITTEN], answers[WHOLE])
        shown = [alone if is_sure else whole for is_sure, alone, whole in pairs]
        print(f"| {least} | {100 * sum(sure) / len(sure):.0f}% | {figures(shown, rows).replace(' | ', ', ')} |")


def figures(shown: list[list[str]], rows: list[dict]) -> str:
    columns = {name: [row[name] for row in rows] for name in ("hashtags", "causes", "unseen_compound")}
    values = metrics(shown, columns)
    return " | ".join(f"{values[name]:.1f}" for name in ("F1", "F1, known compounds", "F1, held-out compounds"))


def calibration_error(recommender: Recommender, features: CandidateFeatures, rows: list[dict]) -> float:
    assert recommender.ranker is not None
    probabilities = features.by_row(recommender.ranker.probabilities(features.values))
    truth = features.by_row(features.truth([row["hashtags"] for row in rows]))
    return expected_calibration_error(*best_of_rows([p.numpy() for p in probabilities], [t.numpy() for t in truth]))


if __name__ == "__main__":
    main()
