"""From what was found for the clips of a batch to their answers: fused guidance, all candidates, the ranker."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import ProcessorMixin
from transformers.utils import logging

from ..errors import CheckpointError, InputError, SourceError
from ..modeling import HashtagRetriever
from ..processing import GGMVideoProcessor, HashtagRetrieverProcessor
from ..recommendation import (
    Candidate,
    CandidateSource,
    ClassifierSource,
    Clues,
    GeneratorSource,
    PoolSource,
    PostsSource,
    Recommender,
    candidate_features,
    gather_candidates,
)
from ..recommendation.candidates import GENERATOR, Found
from ..recommendation.clues import text_vectors
from ..recommendation.recommender_files import fetch_recommendation, stored_pool_use
from ..recommendation.sources.example_posts import Examples, example_posts, examples_source
from ..retrieval import DescriptionEncoder
from .components import Checkpoint, GuidanceParts
from .inputs import CLUES
from .showing import Screen
from .writing import HashtagWriter

logger = logging.get_logger(__name__)

# These two are what the pipeline computes anyway.
POOL = "pool"


class RecommendationPart:
    """
    The recommender of a pipeline, before its checkpoint's other parts are loaded.

    Args:
        checkpoint ([`Checkpoint`]): The one whose own it is by default.
        given ([`Recommender`], `str`, `Path` or `False`, *optional*): Another one, or the checkpoint that has it;
            `False` goes without.
        hub: As in `huggingface_hub.snapshot_download`, for a `given` id.

    Attributes:
        source ([`Recommender`] or `Path`, *optional*): the recommender, or the folder that it lies in.

    Raises:
        `CheckpointError`: There is no recommender where one was named, or it is damaged.
        `InputError`: `given` is none of these.
    """

    def __init__(self, checkpoint: Checkpoint, given: Recommender | str | Path | bool | None, **hub: Any):
        if given is None:
            self.source = checkpoint.recommendation()
        elif given is False:
            self.source = None
        elif isinstance(given, (str, os.PathLike)):
            self.source = fetch_recommendation(given, whole=False, **hub)
        elif isinstance(given, Recommender):
            self.source = given
        else:
            raise InputError(
                f"`recommender` is a {type(given).__name__}: pass a Recommender, the folder or Hub id of a checkpoint"
                " with one, or False to go without."
            )

    @property
    def pool_source(self) -> PoolSource | None:
        """The pool and retriever that a given recommender has already."""
        return _source(self.source, POOL) if isinstance(self.source, Recommender) else None

    def guidance_parts(self, retriever: Any, retriever_processor: Any, hashtag_pool: Any) -> dict[str, Any]:
        """Those that were given, else those of a given recommender's pool source."""
        own = self.pool_source
        if own is not None and retriever is None:
            retriever, retriever_processor = own.retriever, retriever_processor or own.processor
        return {
            "retriever": retriever,
            "retriever_processor": retriever_processor,
            "hashtag_pool": own.pool if own is not None and hashtag_pool is None else hashtag_pool,
        }

    def wants_pool(self, num_guidance: int) -> bool:
        """Whether retriever and pool are needed."""
        if self.source is None:
            return num_guidance > 0
        if isinstance(self.source, Recommender):
            return pool_hashtags(self.source, num_guidance) > 0
        has_pool, is_fused = stored_pool_use(self.source)
        return has_pool or (num_guidance > 0 and not is_fused)

    def load(
        self,
        model: torch.nn.Module,
        processor: ProcessorMixin,
        parts: GuidanceParts,
        sources: Sequence[CandidateSource],
        device: torch.device,
    ) -> Recommender | None:
        """
        The recommender, made of the parts that the pipeline has, and sources of the user's own.

        Raises:
            `InputError`: There is nothing stored for `sources` to take the place of.
        """
        if self.source is None or isinstance(self.source, Recommender):
            if sources:
                raise InputError(
                    "`sources` take the place of sources that a checkpoint has stored: give them to the Recommender,"
                    " or leave them out."
                )
            return self.source
        return Recommender.from_pretrained(
            self.source,
            retriever=parts.retriever,
            retriever_processor=parts.processor,
            hashtag_pool=parts.pool,
            model=model,
            processor=processor,
            sources=sources,
            device=device,
        )


def pool_hashtags(recommender: Recommender | None, num_guidance: int) -> int:
    """How many of the pool's hashtags are sought for each row."""
    if recommender is None:
        return num_guidance
    guiding = 0 if recommender.guidance else num_guidance
    return max(recommender.k, guiding) if _source(recommender, POOL) else guiding


def used_clues(
    recommender: Recommender | None,
    writer: HashtagWriter | None,
    retriever: HashtagRetriever | None,
    retriever_processor: HashtagRetrieverProcessor | None,
) -> tuple[str, ...]:
    """Which of `CLUES` anything goes by in a pipeline: all with a recommender, else the texts that its models read."""
    if recommender is not None:
        return CLUES
    texts = set() if writer is None else {*writer.read_texts}
    if retriever is not None and "text" in retriever.config.query:
        texts |= {*retriever_processor.query_texts}
    texts -= {"description"}
    # The language is told to what reads speech.
    return tuple(name for name in CLUES if name in texts or (texts and name == "language"))


def query_texts(rows: Mapping[str, Sequence], retriever_processor: HashtagRetrieverProcessor) -> list[str]:
    """The text of each row that the pool is searched by."""
    if "clues" not in rows:
        return rows["description"]
    return [retriever_processor.query_text(vars(clues)) for clues in rows["clues"]]


def shared_queries(
    recommender: Recommender | None, rows: Sequence[Clues], texts: Sequence[str], retriever: Any
) -> torch.Tensor | None:
    """
    The pool's queries `(b, d)`, where the retriever reads what posts are searched by with it, too: it is asked once.
    `texts` are those that the pool is searched by.
    """
    if recommender is None or retriever.config.query != "text" or [row.text for row in rows] != list(texts):
        return None
    dense = [source for source in recommender.sources if isinstance(source, PostsSource) and source.by == "dense"]
    encoders = [source.index.encoder for source in dense if isinstance(source.index.encoder, DescriptionEncoder)]
    return text_vectors(rows, encoders[0]) if encoders else None


def check_answerable(writer: HashtagWriter | None, recommender: Recommender | None) -> None:
    """
    Raises:
        CheckpointError: A checkpoint without generator has nothing else that tells which hashtags are best.
    """
    if writer is None and (recommender is None or not (recommender.ranker or recommender.guidance)):
        raise CheckpointError(
            "This checkpoint has no generator, and nothing else to answer by: it needs a recommender with a ranker, or"
            " with guidance that tells which sources are joined (Guidance([...])). `ggm compose` makes one."
        )


def writes(recommender: Recommender | None) -> bool:
    """Whether the generator is asked: not where a ranker has no use for what it writes."""
    return recommender is None or recommender.ranker is None or _source(recommender, GENERATOR) is not None


def generator_arguments(recommender: Recommender | None) -> Mapping[str, Any]:
    """With which arguments the ranker knows the generator."""
    source = None if recommender is None else _source(recommender, GENERATOR)
    return source.generate_kwargs if isinstance(source, GeneratorSource) else {}


def classifier_frames(recommender: Recommender | None) -> GGMVideoProcessor | None:
    """The frames that a classifier among the sources looks at."""
    sources = [] if recommender is None else recommender.sources
    classifiers = [source for source in sources if isinstance(source, ClassifierSource)]
    return classifiers[0].collator.video_processor if classifiers else None


def retrieve(
    recommender: Recommender, rows: Sequence[Clues], nearest: Sequence[Mapping[str, float]], on_error: str
) -> Found:
    """
    The candidates of all sources but the generator: of those that guide it alone, where there is no ranker.

    Args:
        recommender ([`Recommender`]): Its sources are asked.
        rows (`list[Clues]`): The clips of the batch.
        nearest (`list[dict[str, float]]`): What the pool was searched for already: hashtags with similarities.
        on_error (`str`): `"skip"` goes on without a source that fails.
    """
    guiding = recommender.guidance.sources if recommender.guidance else ()
    names = [source.name for source in recommender.sources if recommender.ranker or source.name in guiding]
    found = {}
    if POOL in names:
        found[POOL] = [[Candidate(*pair) for pair in list(row.items())[: recommender.k]] for row in nearest]
    asked = [source for source in recommender.sources if source.name in names and source.name not in (POOL, GENERATOR)]
    return found | gather_candidates(asked, rows, recommender.k, on_error=on_error)


def guide(
    recommender: Recommender | None, found: Found, nearest: Sequence[Mapping[str, float]], num_guidance: int
) -> list[dict[str, float]]:
    """What guides the generator: fused candidates with their scores, or those nearest in the pool."""
    if not num_guidance:
        return [{} for _ in nearest]
    if recommender is None or recommender.guidance is None:
        return [dict(list(row.items())[:num_guidance]) for row in nearest]
    fused = recommender.guidance.fused(found, num_guidance)
    return [{candidate.hashtag: candidate.score for candidate in row} for row in fused]


def similar_posts(
    recommender: Recommender, rows: Sequence[Clues], writer: HashtagWriter, screen: Screen | None, on_error: str
) -> Examples:
    """
    The posts that a generator is shown as examples, as [`example_posts`] gives them.

    Args:
        recommender ([`Recommender`]): One of its sources may know the words of similar posts.
        rows (`list[Clues]`): The clips of the batch.
        writer ([`HashtagWriter`]): The generator.
        screen ([`Screen`], *optional*): What it leaves out is not shown.
        on_error (`str`): `"skip"` goes on without examples where they cannot be sought.

    Raises:
        `SourceError`: They cannot be sought.
    """
    source = examples_source(recommender.sources)
    try:
        examples = example_posts(source, rows, writer.num_examples)
    except Exception as error:
        message = f"the source {source.name!r} failed to give examples ({type(error).__name__}: {error})"
        if on_error == "raise":
            raise SourceError(f"{message}: mend it, or pass on_error='skip'.") from error
        logger.warning(f"{message}; the others go on.")
        return [[] for _ in rows]
    if screen is None:
        return examples
    kept = [[(text, tuple(screen.keep(dict.fromkeys(tags, 0.0), {}))) for text, tags in row] for row in examples]
    return [[(text, tags) for text, tags in row if tags] for row in kept]


def recommended(
    recommender: Recommender,
    found: Found,
    rows: Sequence[Clues],
    written: Sequence[Mapping[str, float]] | None,
    read_texts: Sequence[str],
) -> dict[str, list]:
    """
    What a batch is answered by, with one entry per row: the `recommender`, which sources `proposed` which hashtags,
    and the `features` of all candidates, `None` without a ranker. Without ranker and generator, the `fused`
    candidates, too.

    Args:
        recommender ([`Recommender`]): Its ranker is to be asked.
        found (`dict[str, list[list[Candidate]]]`): What [`retrieve`] gave.
        rows (`list[Clues]`): The clips.
        written (`list[dict[str, float]]`, *optional*): The generator's hashtags with their scores, best first, where
            it was asked.
        read_texts (`Sequence[str]`): The texts that the generator reads.
    """
    features, outputs = [None] * len(rows), {}
    if recommender.ranker is not None:
        if written is not None:
            found = {**found, GENERATOR: _written_candidates(recommender, rows, written, read_texts)}
        features = candidate_features(
            recommender.sources, found, rows, recommender.counts, recommender.plausibility
        ).rows()
    elif written is None:
        outputs["fused"] = recommender.guidance.shares(found, recommender.k)
    return {
        "recommender": [recommender] * len(rows),
        "proposed": [_proposing(found, number) for number in range(len(rows))],
        "features": features,
        **outputs,
    }


def _written_candidates(
    recommender: Recommender,
    rows: Sequence[Clues],
    written: Sequence[Mapping[str, float]],
    read_texts: Sequence[str],
) -> list[list[Candidate]]:
    """What the generator wrote for each row; nothing where it had neither picture nor words to go by."""
    found = []
    for row, scores in zip(rows, written):
        usable = row.frames is not None or any(getattr(row, name) for name in read_texts)
        best = list(scores.items())[: recommender.k] if usable else []
        found.append([Candidate(hashtag, score) for hashtag, score in best])
    return found


def _proposing(found: Found, number: int) -> dict[str, list[str]]:
    """By hashtag, which sources have it for a row."""
    by: dict[str, list[str]] = {}
    for name, rows in found.items():
        for candidate in rows[number]:
            by.setdefault(candidate.hashtag, []).append(name)
    return by


def _source(recommender: Recommender, name: str) -> CandidateSource | None:
    return next((source for source in recommender.sources if source.name == name), None)
