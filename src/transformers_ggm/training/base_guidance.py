"""The stage `guidance` of an adapter whose base recommends already: its sources guide the adapted generator, too."""

import shutil

from ..data.shorts import SPLITS
from ..recommendation import PostsSource, Recommender
from ..utils.checkpoint_layout import POOL_FOLDER, RETRIEVER_FOLDER
from ..utils.files import atomic_folder, write_json
from .base_checkpoints import fetched_base
from .pool_and_guidance import FUSION_FILE, RECALL_KS, write_guidance
from .run import TrainingRun
from .run_sources import hashtags_of, split_candidates, write_examples


def guide_by_base(run: TrainingRun) -> None:
    """
    Writes `guidance/<split>.json`, what the sources of the base propose for each row, joined as the base joins it, and
    into `checkpoint/` the base's retriever, pool and recommender; but no ranker, which would know another generator.
    """
    if run.is_done("guidance", run.folders.guidance):
        return
    if run.process.is_main_process:
        folder = fetched_base(run.lora.base_checkpoint)
        for name in (RETRIEVER_FOLDER, POOL_FOLDER):
            if (folder / name).is_dir():
                with atomic_folder(run.folders.checkpoint / name) as copied:
                    shutil.copytree(folder / name, copied, dirs_exist_ok=True)
        recommender = Recommender.from_pretrained(folder, device=run.process.device)
        recommender.ranker = None
        recommender.save_pretrained(run.folders.checkpoint)
        with atomic_folder(run.folders.guidance) as guidance:
            for split in SPLITS:
                found = _guiding(run, recommender, split)
                write_guidance(guidance, split, found, run.shorts.rows(split)["hashtags"][:])
            weights = recommender.guidance.weights or dict.fromkeys(recommender.guidance.sources, 1.0)
            write_json(guidance / FUSION_FILE, {"weights": dict(weights)})
            write_examples(run, recommender.sources, guidance)
    run.process.wait_for_everyone()


def _guiding(run: TrainingRun, recommender: Recommender, split: str) -> list[list[str]]:
    sources = [source for source in recommender.sources if source.name in recommender.guidance.sources]
    # The posts of the base may be these rows, which must not find themselves.
    learned = [source for source in sources if isinstance(source, PostsSource)] if split == "train" else []
    found: list[list[str]] = []
    for _, candidates in split_candidates(run, sources, split, learned):
        found += hashtags_of(recommender.guidance.fused(candidates, max(*RECALL_KS, run.model.num_guidance)))
    return found
