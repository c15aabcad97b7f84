"""Stages 3 and 4: the pool of training hashtags, and the hashtags retrieved from it for every clip."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from ..data import DecodedShorts, PreparedShorts
from ..data.shorts import SPLITS
from ..evaluation import recall_at_k
from ..files import written_whole
from ..modeling import HashtagRetriever
from ..processing import HashtagRetrieverProcessor
from ..retrieval import HashtagPool
from .run import Run

# The k of Table 4.
RECALL_KS = (1, 5, 10, 25, 50, 100)


def load_retriever(run: Run) -> HashtagRetriever:
    """The trained retriever, on this process's device."""
    return HashtagRetriever.from_pretrained(run.retriever_dir).to(run.process.device).eval()


def build_pool(run: Run) -> None:
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
        pool.save_pretrained(run.pool_dir)
    run.process.wait_for_everyone()


@torch.inference_mode()
def retrieve(
    shorts: DecodedShorts | PreparedShorts,
    retriever: HashtagRetriever,
    processor: HashtagRetrieverProcessor,
    pool: HashtagPool,
    k: int,
    batch_size: int = 32,
    description: str = "Retrieving guidance",
) -> list[list[str]]:
    """
    The pool's hashtags nearest to each clip.

    Args:
        shorts ([`DecodedShorts`] or [`PreparedShorts`]): clips as the retriever reads them.
        retriever ([`HashtagRetriever`]), processor ([`HashtagRetrieverProcessor`]), pool ([`HashtagPool`]).
        k (`int`): how many; as many as there are where the pool has fewer.
        batch_size (`int`, *optional*, defaults to 32): clips per pass.

    Returns:
        `list[list[str]]`: nearest first; empty for a row without a video.
    """
    found: list[list[str]] = []
    loader = DataLoader(shorts, batch_size=batch_size, collate_fn=list)
    for rows in tqdm(loader, desc=description, unit="batch"):
        videos = [None if row["retriever_frames"] is None else row["retriever_frames"][:] for row in rows]
        hashtags = iter(())
        if any(video is not None for video in videos):
            inputs = processor(videos=[video for video in videos if video is not None], return_tensors="pt")
            queries = retriever.get_video_features(**inputs.to(retriever.device))
            hashtags = iter(pool.search(queries, min(k, len(pool)))[1])
        found += [[] if video is None else next(hashtags) for video in videos]
    return found


def retrieve_guidance(run: Run) -> None:
    """Writes `guidance/<split>.json`: for each row of the prepared split, its hashtags; and the recall@k reached."""
    if run.is_done("guidance", run.guidance_dir):
        return
    if run.process.is_main_process:
        retriever = load_retriever(run)
        pool = HashtagPool.from_pretrained(run.pool_dir, retriever=retriever)
        with written_whole(run.guidance_dir) as folder:
            for split in SPLITS:
                shorts = run.retriever_shorts(split)
                # So many that the recall figures need no second retrieval.
                found = retrieve(
                    shorts, retriever, run.retriever_processor, pool, k=max(*RECALL_KS, run.model.num_guidance),
                    description=f"Retrieving guidance ({split})",
                )  # fmt: skip
                write_guidance(folder, split, found, shorts.dataset["hashtags"], run.model.num_guidance)
    run.process.wait_for_everyone()


def write_guidance(
    folder: Path, split: str, found: list[list[str]], references: Sequence[Sequence[str]], k: int
) -> dict[int, float]:
    """
    Writes `<split>.json`, the best `k` hashtags that were found for each row, and `<split>_recall.json`.

    Args:
        folder (`Path`): an existing one.
        split (`str`).
        found (`list[list[str]]`): hashtags of each row, best first, as many as the recall is wanted of.
        references (`list[list[str]]`): the author's hashtags of each row.
        k (`int`): how many of them are guidance.

    Returns:
        `dict[int, float]`: recall by number of hashtags, times 100.
    """
    recall = recall_at_k(found, references, ks=RECALL_KS)
    (folder / f"{split}_recall.json").write_text(json.dumps(recall))
    (folder / f"{split}.json").write_text(json.dumps([tags[:k] for tags in found]))
    return recall
