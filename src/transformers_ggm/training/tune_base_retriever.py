"""
The stage `retriever` of a checkpoint that recommends already: its retriever is trained on from its weights, and what
depends on its vectors is made anew.
"""

from transformers.utils import logging

from ..hub_cards.composed_card import note_in_card
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..recommendation import Recommender
from ..recommendation.word_table import added
from ..retrieval import HashtagPool
from ..utils.checkpoint_layout import POOL_FOLDER
from ..utils.files import atomic_folder
from .base_checkpoints import fetched_base
from .decode_clips import decode_splits
from .lora import base_retriever
from .machines import check_same_data
from .made_from import check_data, note_made_from
from .pool_and_guidance import load_retriever
from .retriever import train_retriever
from .run import TrainingRun, remove

logger = logging.get_logger(__name__)


def check_tuning(run: TrainingRun) -> None:
    """
    Raises:
        DatasetError: a split is missing or empty, or the retriever was trained on other data before.
    """
    _ = run.shorts.splits  # read now, before anything is copied
    check_same_data(run)
    check_data(run, ["retriever"])


def tune_retriever(run: TrainingRun) -> None:
    """
    Writes `checkpoint/retriever`, trained on the training split from the weights of the base, and
    `checkpoint/hashtag_pool`, of the hashtags of both. The ranker of the base is left out: it knows the similarities
    of another retriever.
    """
    is_first = not run.folders.retriever_run.is_dir()
    run.process.wait_for_everyone()  # before any process goes on and makes that folder
    if run.process.is_main_process and (is_first or "retriever" in run.stage.overwrite_stages):
        _remove_what_depends(run)
    run.process.wait_for_everyone()
    note_made_from(run, "retriever")
    _prepare(run)
    train_retriever(run)
    if run.is_done("pool", run.folders.pool):
        return
    if run.process.is_main_process:
        _renew_pool(run)
    run.process.wait_for_everyone()


def _remove_what_depends(run: TrainingRun) -> None:
    """The retriever last: after a kill in between, all of it is removed again."""
    folders = run.folders
    for path in (folders.evaluation / "test.json", folders.ranker_run, folders.pool, folders.retriever):
        remove(path)


def _prepare(run: TrainingRun) -> None:
    """Writes `prepared/`, with the clips as the retriever sees them."""
    if run.process.is_main_process:
        processor = HashtagRetrieverProcessor.from_pretrained(base_retriever(run))
        if not (run.folders.prepared / "retriever_processor").is_dir():
            with atomic_folder(run.folders.prepared / "retriever_processor") as folder:
                processor.save_pretrained(folder)
        decode_splits(run, ("train", "validation"), GGMProcessor(processor.video_processor, processor.tokenizer))
    run.process.wait_for_everyone()


def _renew_pool(run: TrainingRun) -> None:
    """All from the base, so that nothing is counted twice after a kill; the pool, which says that it is done, last."""
    base = fetched_base(run.lora.base_checkpoint)
    counts = run.shorts.hashtag_counts
    recommender = Recommender.from_pretrained(base)
    had_ranker, recommender.ranker = recommender.ranker is not None, None
    recommender.add_hashtags(counts)
    recommender.save_pretrained(run.folders.checkpoint)
    remove(run.folders.ranker)
    if had_ranker and "ranker" not in run.stage.stages:
        logger.warning("The ranker of the base goes by its old retriever and was left out: run the stage 'ranker'.")
    before = HashtagPool.from_pretrained(base / POOL_FOLDER)
    hashtags = added(dict(zip(before.hashtags, before.counts)), counts)
    rows = len(run.shorts.for_retriever("train", only_pairs=True))
    facts = {"num_hashtags": len(added(recommender.counts, hashtags)), "retriever": {"rows": rows}}
    note_in_card(run.folders.checkpoint, **facts, ranker=None, test=None)
    of_base = {before.spelling(tag): count for tag, count in zip(before.hashtags, before.counts)}
    written = added(of_base, run.shorts.written_hashtags)
    pool = HashtagPool.build(written, load_retriever(run), run.shorts.retriever_processor)
    pool.save_pretrained(run.folders.pool, create_model_card=False)  # the checkpoint's own card tells of it
