"""Stages 3 and 4: the pool of training hashtags, and the hashtags retrieved from it for every clip."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data.shorts import SPLITS
from ..evaluation import recall_at_k
from ..modeling import HashtagRetriever
from ..retrieval import HashtagPool
from ..utils.files import atomic_folder
from .guidance import retrieve
from .run import TrainingRun

# The k of Table 4.
RECALL_KS = (1, 5, 10, 25, 50, 100)
# Beside guidance that is fused: the weights of its sources.
FUSION_FILE = "fusion.json"


def load_retriever(run: TrainingRun) -> HashtagRetriever:
    """The trained retriever, on this process's device."""
    return HashtagRetriever.from_pretrained(run.folders.retriever).to(run.process.device).eval()


def timed_posts(run: TrainingRun) -> list[dict[str, Any]]:
    """The training posts of which it is known when they were made."""
    return [post for post in run.shorts.posts("train") if post.get("time")]


def observe_posts(run: TrainingRun, pool: HashtagPool) -> None:
    """Gives a pool of the training hashtags their uses over time, for the source `trends`."""
    # Not by `pool.observe`: they are counted already.
    pool.uses.observe(timed_posts(run))


def build_pool(run: TrainingRun) -> None:
    """
    Writes `checkpoint/hashtag_pool`: every hashtag of the training split with its count, and on demand the unseen ones
    of a prepared corpus, with a count of 0. For the source `trends` it has their uses over time, too.
    """
    if run.is_done("pool", run.folders.pool):
        return
    if run.process.is_main_process:
        hashtags = run.shorts.written_hashtags
        if run.data.unseen_hashtags_in_pool:
            hashtags = {**dict.fromkeys(run.shorts.unseen_hashtags, 0), **hashtags}
        pool = HashtagPool.build(hashtags, load_retriever(run), run.shorts.retriever_processor)
        if "trends" in run.source.sources:
            observe_posts(run, pool)
        pool.save_pretrained(run.folders.pool, create_model_card=False)  # the checkpoint's own card tells of it
    run.process.wait_for_everyone()


def retrieve_guidance(run: TrainingRun) -> None:
    """Writes `guidance/<split>.json`: for each row of the prepared split, its hashtags; and the recall@k reached."""
    if run.is_done("guidance", run.folders.guidance):
        return
    if run.process.is_main_process:
        retriever = load_retriever(run)
        pool = HashtagPool.from_pretrained(run.folders.pool, retriever=retriever)
        with atomic_folder(run.folders.guidance) as folder:
            for split in SPLITS:
                shorts = run.shorts.for_retriever(split)
                # So many that neither Table 3 nor Table 4 needs a second retrieval.
                found = retrieve(
                    shorts, retriever, run.shorts.retriever_processor, pool, k=max(*RECALL_KS, run.model.num_guidance),
                    description=f"Retrieving guidance ({split})",
                )  # fmt: skip
                write_guidance(folder, split, found, shorts.dataset["hashtags"])
    run.process.wait_for_everyone()


def write_guidance(
    folder: Path, split: str, found: list[list[str]], references: Sequence[Sequence[str]]
) -> dict[int, float]:
    """
    Writes `<split>.json`, the hashtags that were found for each row, and `<split>_recall.json`.

    Args:
        folder (`Path`): an existing one.
        split (`str`).
        found (`list[list[str]]`): hashtags of each row, best first. The generator reads as many as `num_guidance`
            says.
        references (`list[list[str]]`): the author's hashtags of each row.

    Returns:
        `dict[int, float]`: recall by number of hashtags, times 100.
    """
    recall = recall_at_k(found, references, ks=RECALL_KS)
    (folder / f"{split}_recall.json").write_text(json.dumps(recall))
    (folder / f"{split}.json").write_text(json.dumps(found))
    return recall
