"""The stage `ranker`: all sources' candidates for the validation rows, and a ranker that tells the true ones."""

from ..evaluation import best_k
from ..recommendation import fit_ranker
from .fused_guidance import recommender
from .run import TrainingRun, remove
from .run_records import TrainingRecord
from .run_sources import all_sources, plausibility_scorer, split_features


def fit_recommender(run: TrainingRun) -> None:
    """
    Writes `checkpoint/ranker`, fitted on the validation split with the finished generator among the sources, and how
    it went into `runs/ranker`: its calibration, and how many of each source's hashtags are best. A masked language
    model that the ranker was told plausibility by becomes `checkpoint/plausibility`.
    """
    if run.is_done("ranker", run.folders.ranker, run.folders.ranker_run):
        return
    if run.process.is_main_process:
        sources = all_sources(run)
        model = run.source.plausibility
        plausibility = None if model is None else plausibility_scorer(run, model)
        features, ranked = split_features(run, sources, "validation", plausibility)
        references = run.shorts.rows("validation")["hashtags"][:]
        ranker = fit_ranker(features, references, hidden_size=run.source.ranker_hidden_size, seed=run.training.seed)
        TrainingRecord(run.folders.ranker_run).write(
            **run.facts(),
            rows=len(references),
            calibration_error=ranker.config.calibration_error,
            missing_hashtags=ranker.config.missing_hashtags,
            cuts={name: best_k(rows, references) if any(rows) else 1 for name, rows in ranked.items()},
        )
        remove(run.folders.plausibility)  # of another ranker
        recommender(run, sources, ranker, plausibility).save_pretrained(run.folders.checkpoint)
    run.process.wait_for_everyone()
