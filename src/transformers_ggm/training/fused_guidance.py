"""The stage `guidance` with more sources than the pool: what they retrieve, joined to one list for every row."""

import json
from collections.abc import Mapping, Sequence

from ..data.shorts import SPLITS
from ..errors import RankerError
from ..evaluation import recall_at_k
from ..recommendation import (
    Candidate,
    CandidateSource,
    Guidance,
    HashtagRanker,
    Recommender,
    learn_fusion_weights,
    reciprocal_rank_fusion,
)
from ..recommendation.candidates import Found
from ..recommendation.plausibility import PlausibilityScorer
from ..utils.files import atomic_folder, write_json
from .base_guidance import guide_by_base
from .pool_and_guidance import FUSION_FILE, RECALL_KS, retrieve_guidance, write_guidance
from .run import TrainingRun, remove
from .run_sources import NUM_CANDIDATES, hashtags_of, retrieving_sources, split_candidates, write_examples

# Rows, evenly spaced, that the weights are learned from: there are as many weights as sources.
_ROWS_TO_LEARN_FROM = 5_000
_ROWS_AT_A_TIME = 1_000

Ranked = dict[str, list[list[str]]]


def make_guidance(run: TrainingRun) -> None:
    """Writes `guidance/`: by the retriever alone as published, fused from more sources, or as a base is guided."""
    if run.guides_by_base:
        guide_by_base(run)
    elif run.source.is_published:
        retrieve_guidance(run)
    else:
        fuse_guidance(run)


def fuse_guidance(run: TrainingRun) -> None:
    """
    Writes `guidance/<split>.json` and `guidance/<split>_recall.json` as [`retrieve_guidance`] does, and
    `guidance/fusion.json` with the sources, their weights and the recall of each. The weights are learned on training
    rows, of which sources leave out what they know of the row itself.
    """
    if run.is_done("guidance", run.folders.guidance):
        return
    if run.process.is_main_process:
        sources = retrieving_sources(run)
        ranked = {split: _ranked(run, sources, split) for split in SPLITS}
        references = {split: run.shorts.rows(split)["hashtags"][:] for split in SPLITS}
        weights = _weights(ranked["train"], references["train"])
        recall = {}
        with atomic_folder(run.folders.guidance) as folder:
            for split in SPLITS:
                write_guidance(
                    folder,
                    split,
                    _fused(ranked[split], weights, max(*RECALL_KS, run.model.num_guidance)),
                    references[split],
                )
                recall[split] = {
                    name: recall_at_k(rows, references[split], RECALL_KS) for name, rows in ranked[split].items()
                }
            write_json(folder / FUSION_FILE, {"weights": weights, "recall": recall})
            write_examples(run, sources, folder)
        remove(run.folders.ranker)  # it was fitted on another guidance
        recommender(run, sources).save_pretrained(run.folders.checkpoint)
    run.process.wait_for_everyone()


def recommender(
    run: TrainingRun,
    sources: Sequence[CandidateSource],
    ranker: HashtagRanker | None = None,
    plausibility: PlausibilityScorer | None = None,
) -> Recommender:
    """The sources of a run with what they are joined by, as its checkpoint has them."""
    weights = fusion_weights(run)
    guidance = None if weights is None else Guidance(list(weights), weights)
    return Recommender(sources, ranker, run.shorts.hashtag_counts, NUM_CANDIDATES, guidance, plausibility=plausibility)


def fusion_weights(run: TrainingRun) -> dict[str, float] | None:
    """The weights of the sources in the guidance, by their names; `None` where the guidance is the pool's alone."""
    file = run.folders.guidance / FUSION_FILE
    return json.loads(file.read_text(encoding="utf-8"))["weights"] if file.is_file() else None


def _ranked(run: TrainingRun, sources: Sequence[CandidateSource], split: str) -> Ranked:
    """The hashtags of each source for each row; scores of so many rows would take too much memory."""
    ranked: Ranked = {source.name: [] for source in sources}
    for _, found in split_candidates(run, sources, split, learned=sources if split == "train" else ()):
        for name, candidates in found.items():
            ranked[name] += hashtags_of(candidates)
    return ranked


def _weights(ranked: Ranked, references: Sequence[Sequence[str]]) -> dict[str, float]:
    rows = range(0, len(references), max(1, len(references) // _ROWS_TO_LEARN_FROM))
    try:
        return learn_fusion_weights(_as_found(ranked, rows), [references[row] for row in rows])
    except RankerError:  # nothing that is true was found: then no source is better than another
        return dict.fromkeys(ranked, 1.0)


def _fused(ranked: Ranked, weights: Mapping[str, float], k: int) -> list[list[str]]:
    size = len(next(iter(ranked.values())))
    fused: list[list[str]] = []
    for start in range(0, size, _ROWS_AT_A_TIME):
        found = _as_found(ranked, range(start, min(start + _ROWS_AT_A_TIME, size)))
        fused += hashtags_of(reciprocal_rank_fusion(found, k, weights))
    return fused


def _as_found(ranked: Ranked, rows: Sequence[int]) -> Found:
    return {name: [[Candidate(tag, 0.0) for tag in of_rows[row]] for row in rows] for name, of_rows in ranked.items()}
