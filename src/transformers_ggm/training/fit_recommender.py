"""The stage `ranker`: all sources' candidates for the validation rows, and a ranker that tells the true ones."""

from ..evaluation import best_k
from ..recommendation import fit_ranker
from .fused_guidance import recommender
from .run import TrainingRun
from .run_records import TrainingRecord
from .run_sources import all_sources, split_features


def fit_recommender(run: TrainingRun) -> None:
    """
    Writes `checkpoint/ranker`, fitted on the validation split with the finished generator among the sources, and how
    it went into `runs/ranker`: its calibration, and how many of each source's hashtags are best.
    """
    if run.is_done("ranker", run.folders.ranker, run.folders.ranker_run):
        return
    if run.process.is_main_process:
        sources = all_sources(run)
        features, ranked = split_features(run, sources, "validation")
        references = run.shorts.rows("validation")["hashtags"][:]
        ranker = fit_ranker(features, references, hidden_size=run.source.ranker_hidden_size, seed=run.training.seed)
        TrainingRecord(run.folders.ranker_run).write(
            **run.facts(),
            rows=len(references),
            calibration_error=ranker.config.calibration_error,
            missing_hashtags=ranker.config.missing_hashtags,
            cuts={name: best_k(rows, references) if any(rows) else 1 for name, rows in ranked.items()},
        )
        recommender(run, sources, ranker).save_pretrained(run.folders.checkpoint)
    run.process.wait_for_everyone()
