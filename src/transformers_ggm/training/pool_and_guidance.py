"""Stages 3 and 4: the pool of training hashtags, and the hashtags retrieved from it for every clip."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from ..data import DecodedShorts, PreparedShorts
from ..data.shorts import SPLITS
from ..evaluation import recall_at_k
from ..modeling import HashtagRetriever
from ..processing import HashtagRetrieverProcessor
from ..retrieval import HashtagPool
from ..retrieval.nearest import nearest_hashtags
from ..utils.files import atomic_folder
from .run import TrainingRun

# The k of Table 4.
RECALL_KS = (1, 5, 10, 25, 50, 100)


def load_retriever(run: TrainingRun) -> HashtagRetriever:
    """The trained retriever, on this process's device."""
    return HashtagRetriever.from_pretrained(run.retriever_dir).to(run.process.device).eval()


def build_pool(run: TrainingRun) -> None:
    """
    Writes `checkpoint/hashtag_pool`: every hashtag of the training split with its count, and on demand the unseen ones
    of a prepared corpus, with a count of 0.
    """
    if run.is_done("pool", run.pool_dir):
        return
    if run.process.is_main_process:
        hashtags = run.hashtag_counts
        if run.data.unseen_hashtags_in_pool:
            hashtags = {**dict.fromkeys(run.unseen_hashtags, 0), **hashtags}
        pool = HashtagPool.build(hashtags, load_retriever(run), run.retriever_processor)
        pool.save_pretrained(run.pool_dir, create_model_card=False)  # the checkpoint's own card tells of it
    run.process.wait_for_everyone()


def retrieve(
    shorts: DecodedShorts | PreparedShorts | Sequence[Mapping[str, Any]],
    retriever: HashtagRetriever,
    processor: HashtagRetrieverProcessor,
    pool: HashtagPool,
    k: int,
    batch_size: int = 32,
    description: str = "Retrieving guidance",
) -> list[list[str]]:
    """
    The pool's hashtags nearest to each clip, to its description or to both, as the retriever's query has it.

    Args:
        shorts ([`DecodedShorts`], [`PreparedShorts`] or a list of their rows): clips as the retriever reads them.
        retriever ([`HashtagRetriever`]), processor ([`HashtagRetrieverProcessor`]), pool ([`HashtagPool`]).
        k (`int`): how many; as many as there are where the pool has fewer.
        batch_size (`int`, *optional*, defaults to 32): clips per pass.

    Returns:
        `list[list[str]]`: nearest first; empty for a row without anything that the query is made of.
    """
    found: list[list[str]] = []
    loader = DataLoader(shorts, batch_size=batch_size, collate_fn=list)
    for rows in tqdm(loader, desc=description, unit="batch"):
        # Stored frames are decoded where they are read.
        reads_video = retriever.config.query_reads_video
        frames = [row["retriever_frames"] if reads_video else None for row in rows]
        videos = [None if clip is None else clip[:] for clip in frames]
        descriptions = [row["description"] for row in rows]
        found += nearest_hashtags(videos, descriptions, retriever, processor, pool, k)
    return found


def retrieve_guidance(run: TrainingRun) -> None:
    """Writes `guidance/<split>.json`: for each row of the prepared split, its hashtags; and the recall@k reached."""
    if run.is_done("guidance", run.guidance_dir):
        return
    if run.process.is_main_process:
        retriever = load_retriever(run)
        pool = HashtagPool.from_pretrained(run.pool_dir, retriever=retriever)
        with atomic_folder(run.guidance_dir) as folder:
            for split in SPLITS:
                shorts = run.retriever_shorts(split)
                # So many that neither Table 3 nor Table 4 needs a second retrieval.
                found = retrieve(
                    shorts, retriever, run.retriever_processor, pool, k=max(*RECALL_KS, run.model.num_guidance),
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
