"""The sources of a training, and what they propose for the rows of its splits, whose clips are decoded already."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ..data.shorts import SPLITS
from ..errors import ArgumentError
from ..recommendation import (
    Candidate,
    CandidateFeatures,
    CandidateSource,
    ClassifierSource,
    Clues,
    FrequentSource,
    GeneratorSource,
    HistorySource,
    PoolSource,
    PostsSource,
    TrendsSource,
    WordsSource,
    candidate_features,
    gather_candidates,
)
from ..recommendation.candidates import Found
from ..recommendation.plausibility import PlausibilityScorer, load_scorer
from ..recommendation.sources.example_posts import example_posts, examples_source
from ..recommendation.sources.generator import written_candidates
from ..retrieval import DescriptionEncoder, HashtagPool, PostIndex, TextEncoder
from ..retrieval.post_index import Encoder
from ..utils.files import write_json
from .generator import generator_class, generator_collator
from .pool_and_guidance import load_retriever, observe_posts, timed_posts
from .run import TrainingRun
from .run_folders import EXAMPLES_FILE

# How many candidates of each source are joined and ranked, in training as after it.
NUM_CANDIDATES = 50
_BATCH_SIZE = 32


def text_encoder(run: TrainingRun) -> TextEncoder:
    """The checkpoint's sentence encoder, on this process's device."""
    encoder = TextEncoder.from_pretrained(run.folders.text_encoder)
    encoder.model.to(run.process.device)
    return encoder


def posts_encoder(run: TrainingRun) -> Encoder | None:
    """What the posts' vectors are made by: a sentence encoder, else a retriever that reads descriptions, else none."""
    if run.source.text_encoder is not None:
        return text_encoder(run)
    if run.retriever_reads_posts:
        return DescriptionEncoder(load_retriever(run), run.shorts.retriever_processor)
    return None


def retrieving_sources(run: TrainingRun) -> list[CandidateSource]:
    """The sources that the guidance is made of."""
    encoder = posts_encoder(run)
    names: list[str] = run.source.retrieving
    sources: list[CandidateSource] = []
    if "pool" in names:
        retriever = load_retriever(run)
        pool = HashtagPool.from_pretrained(run.folders.pool, retriever=retriever)
        sources.append(PoolSource(pool, retriever, run.shorts.retriever_processor))
    if "pool_words" in names:
        by_words = PoolSource.of_words(run.shorts.hashtag_counts, encoder)
        sources.append(by_words)
        if "trends" in names and "pool" not in names:
            pool = by_words.pool
            observe_posts(run, pool)
    if "posts" in names:
        index = PostIndex.from_pretrained(run.folders.posts, encoder=encoder)
        sources += [PostsSource(index, by, run.source.neighbours) for by in index.searches]
    if "words" in names:
        sources.append(WordsSource.build(run.shorts.posts("train")))
    if "history" in names:
        sources.append(HistorySource())
    if "frequent" in names:
        sources.append(FrequentSource(run.shorts.hashtag_counts))
    if "trends" in names:
        sources.append(TrendsSource(pool, timed_posts(run)))
    return sources


def model_sources(run: TrainingRun) -> list[CandidateSource]:
    """The sources that the ranker alone sees: they learned from the training rows."""
    sources: list[CandidateSource] = []
    if "classifier" in run.source.sources:
        classifier = ClassifierSource.from_pretrained(run.folders.classifier)
        classifier.model.to(run.process.device)
        sources.append(classifier)
    if "generator" in run.source.sources:
        model = generator_class(run).from_pretrained(run.folders.checkpoint).to(run.process.device)
        sources.append(GeneratorSource(model, run.shorts.processor))
    return sources


def plausibility_scorer(run: TrainingRun, path: str | Path) -> PlausibilityScorer:
    """A masked language model that tells how plausible candidates are, on this process's device."""
    scorer = load_scorer(path)
    scorer.model.to(run.process.device)
    return scorer


def all_sources(run: TrainingRun) -> list[CandidateSource]:
    """Every source of the run, in the order of the ranker's features."""
    return [*retrieving_sources(run), *model_sources(run)]


def split_candidates(
    run: TrainingRun,
    sources: Sequence[CandidateSource],
    split: str,
    learned: Collection[CandidateSource] = (),
) -> Iterator[tuple[list[Clues], Found]]:
    """
    What sources propose for the rows of a split.

    Args:
        run ([`TrainingRun`]): its stages up to those that the sources need are finished.
        sources (`list[CandidateSource]`): from [`retrieving_sources`] or [`all_sources`].
        split (`str`).
        learned (`list[CandidateSource]`, *optional*): those of them that learned from these very rows.

    Returns:
        Iterator over some rows at a time: what is known of them, and their candidates as of [`gather_candidates`].
    """
    clues = run.shorts.clues(split)
    readers = {source.name: _clip_reader(run, source, split) for source in sources}
    names = ", ".join(readers)
    for start in tqdm(range(0, len(clues), _BATCH_SIZE), desc=f"Candidates of {names} ({split})", unit="batch"):
        rows = clues[start : start + _BATCH_SIZE]
        found: Found = {}
        for source in sources:
            if isinstance(source, GeneratorSource):
                found[source.name] = _written(run, source, readers[source.name], start, len(rows))
            else:
                seen = _with_clips(source, rows, readers[source.name], start)
                found |= gather_candidates([source], seen, NUM_CANDIDATES, training=source in learned)
        yield rows, found


def write_examples(run: TrainingRun, sources: Sequence[CandidateSource], folder: Path) -> None:
    """
    Writes `<split>_examples.json`, the similar posts that a language model is shown with each row, where there are to
    be any. Those of training rows are neither the row itself nor near-duplicates of it.

    Args:
        run ([`TrainingRun`]): its stage `posts` is finished.
        sources (`list[CandidateSource]`): one of them knows the words of posts.
        folder (`Path`): an existing one.

    Raises:
        ArgumentError: none does.
    """
    count, source = run.source.num_examples, examples_source(sources)
    if not count:
        return
    if source is None:
        raise ArgumentError(
            "`num_examples` needs posts whose words are kept, which the checkpoint has not: compose it with"
            " --num_examples, or leave it out."
        )
    for split in SPLITS:
        clues, examples = run.shorts.clues(split), []
        for start in range(0, len(clues), _BATCH_SIZE):
            found = example_posts(source, clues[start : start + _BATCH_SIZE], count, training=split == "train")
            examples += [[{"text": text, "hashtags": tags} for text, tags in row] for row in found]
        write_json(folder / EXAMPLES_FILE.format(split), examples)


def _clip_reader(run: TrainingRun, source: CandidateSource, split: str) -> Sequence | None:
    """The rows of a split with what a source looks at, where that is more than words."""
    if source.name == PoolSource.name:
        return run.shorts.for_retriever(split) if "video" in run.retriever.retriever_query else None
    if isinstance(source, ClassifierSource):
        return run.shorts.for_classifier(split) if "video" in source.model.config.modality else None
    return run.shorts.for_generator(split) if isinstance(source, GeneratorSource) else None


def _with_clips(source: CandidateSource, rows: list[Clues], reader: Sequence | None, start: int) -> list[Clues]:
    if reader is None:
        return rows
    name = "retriever_frames" if source.name == PoolSource.name else "frames"
    clips = [reader[start + number][name] for number in range(len(rows))]
    # Stored frames are decoded where they are read.
    return [replace(row, frames=None if clip is None else clip[:]) for row, clip in zip(rows, clips)]


@torch.inference_mode()
def _written(
    run: TrainingRun, source: GeneratorSource, reader: Sequence, start: int, count: int
) -> list[list[Candidate]]:
    """What the generator writes with the guidance of the rows, by its checkpoint's own decoding."""
    collator, size = generator_collator(run, training=False), run.training.per_device_eval_batch_size
    found: list[list[Candidate]] = []
    for first in range(start, start + count, size):
        batch = collator([reader[number] for number in range(first, min(first + size, start + count))])
        batch.pop("labels", None)
        found += written_candidates(source.model, source.processor, batch.to(source.model.device), NUM_CANDIDATES)
    return found


def split_features(
    run: TrainingRun,
    sources: Sequence[CandidateSource],
    split: str,
    plausibility: PlausibilityScorer | None = None,
) -> tuple[CandidateFeatures, dict[str, list[list[str]]]]:
    """
    What the ranker knows of a split's candidates, and the hashtags that each source ranks for its rows, by its name.
    `plausibility` is as for [`candidate_features`].
    """
    parts, ranked = [], {source.name: [] for source in sources}
    for rows, found in split_candidates(run, sources, split):
        parts.append(candidate_features(sources, found, rows, run.shorts.hashtag_counts, plausibility))
        for name, candidates in found.items():
            ranked[name] += hashtags_of(candidates)
    features = CandidateFeatures(
        parts[0].names,
        torch.cat([part.values for part in parts]),
        [row for part in parts for row in part.hashtags],
        [row for part in parts for row in part.sources],
    )
    return features, ranked


def hashtags_of(candidates: Sequence[Sequence[Candidate]]) -> list[list[str]]:
    """The hashtags of each row's candidates."""
    return [[candidate.hashtag for candidate in row] for row in candidates]
