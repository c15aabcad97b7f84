"""
What recommends, in a checkpoint: `recommendation.json`, which names the sources with their settings and the guidance,
and the folders of their parts.
"""

import json
import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, SourceError
from ..retrieval import PostIndex, TextEncoder
from ..utils.checkpoint_layout import (
    CLASSIFIER_FOLDER,
    PLAUSIBILITY_FOLDER,
    POOL_FOLDER,
    POSTS_FOLDER,
    RANKER_FOLDER,
    RECOMMENDATION_FILE,
    RECOMMENDATION_FOLDERS,
    RETRIEVER_FOLDER,
    TEXT_ENCODER_FOLDER,
    WORD_POOL_FOLDER,
    WORDS_FOLDER,
    read_configuration,
)
from ..utils.files import atomic_folder, write_json
from ..utils.hub_snapshots import local_folder
from .candidates import GENERATOR, CandidateSource, source_class, source_name
from .checkpoint_parts import CheckpointParts
from .fusion import FusedSource, Guidance
from .modeling_hashtag_ranker import HashtagRanker
from .plausibility import PlausibilityScorer, load_scorer
from .sources import (
    ClassifierSource,
    FrequentSource,
    GeneratorSource,
    HistorySource,
    PoolSource,
    PostsSource,
    TrendsSource,
    WordsSource,
)
from .sources.example_posts import examples_source
from .word_table import WordTable

FORMAT_VERSION = 1
# Named, and so registered: where this code lies beside a checkpoint, no `__init__` imports them.
OWN_SOURCES = (
    ClassifierSource, FrequentSource, GeneratorSource, HistorySource, PoolSource, PostsSource, TrendsSource,
    WordsSource,
)  # fmt: skip
_AGAIN = "save or download the checkpoint again"
# What is downloaded of a repository for its recommender: its vectors may be the retriever's.
RECOMMENDATION_PATTERNS = [
    RECOMMENDATION_FILE,
    *(f"{folder}/*" for folder in (*RECOMMENDATION_FOLDERS, RETRIEVER_FOLDER, POOL_FOLDER)),
]
# Of the sources; all of them stand in the file.


def write_recommendation(
    folder: str | os.PathLike,
    sources: Sequence[CandidateSource],
    guidance: Guidance | None,
    ranker: HashtagRanker | None,
    counts: Mapping[str, int],
    k: int,
    reach_calls: Collection[str] | None,
    plausibility: PlausibilityScorer | None,
) -> None:
    """
    Writes the parts of a recommender into a checkpoint, whose other files stay. First all of them are written aside,
    so that a failure leaves what was there; `recommendation.json`, without which none of them counts, comes last.

    Raises:
        SourceError: A source cannot be stored; nothing is written.
        CheckpointError: `folder` is a file.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise CheckpointError(f"{target} is a file: a checkpoint is saved as a folder, give another name.")
    description = {
        "version": FORMAT_VERSION,
        "k": k,
        "sources": [_described(source) for source in sources],
        "guidance": None if guidance is None else guidance.to_dict(),
        "ranker": ranker is not None,
    }
    if reach_calls is not None:
        description["reach_calls"] = sorted(reach_calls)
    parts = _parts_of(sources, counts)
    if ranker is not None:
        parts[RANKER_FOLDER] = ranker
    if plausibility is not None:
        description["plausibility"] = {"max_length": plausibility.max_length}
        parts[PLAUSIBILITY_FOLDER] = plausibility
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".partial-") as scratch:
        for name, part in parts.items():
            part.save_pretrained(Path(scratch, name))
        (target / RECOMMENDATION_FILE).unlink(missing_ok=True)
        for name in parts:
            with atomic_folder(target / name) as temporary:
                for file in Path(scratch, name).iterdir():
                    file.rename(temporary / file.name)
        write_json(target / RECOMMENDATION_FILE, description)


def _described(source: CandidateSource) -> dict[str, Any]:
    if isinstance(source, FusedSource):
        raise SourceError(
            "a fused source is not stored: give the recommender the sources that it joins, and how as guidance="
            "Guidance([...], weights)."
        )
    described = {"source": source_name(source), **source.settings()}
    try:
        json.dumps(described)
    except TypeError as error:
        raise SourceError(
            f"the source {source.name!r} has settings that are no JSON ({error}): make it without them, and give them"
            " to each call."
        ) from error
    return described


def _parts_of(sources: Sequence[CandidateSource], counts: Mapping[str, int]) -> dict[str, Any]:
    """By folder, what is to be saved there."""
    parts: dict[str, Any] = {}
    for source in sources:
        for name, part in source.parts().items():
            if parts.setdefault(name, part) is not part:
                raise SourceError(
                    f"the source {source.name!r} has another part for the folder {name}/ than one before it: a"
                    " checkpoint has one of each, so give both sources the same."
                )
        if isinstance(source, FrequentSource) and dict(source.counts) != dict(counts):
            raise SourceError(
                f"the source {source.name!r} counts other uses than the recommender, which stores one table: give both"
                " the same counts."
            )
    words = next((source for source in sources if isinstance(source, WordsSource)), None)
    if words is not None:
        parts[WORDS_FOLDER] = WordTable(words.uses, words.texts, words.linked, counts)
    elif counts:
        parts[WORDS_FOLDER] = WordTable(counts, counts=counts)
    return parts


def fetch_recommendation(path_or_hub_id: str | os.PathLike, whole: bool, **hub: Any) -> Path:
    """
    The local folder of a checkpoint that recommends, downloaded where it is on the Hub.

    Args:
        path_or_hub_id (`str` or `os.PathLike`): A folder, or the id of a repository.
        whole (`bool`): Whether the model, the retriever and the pool are wanted too.
        hub: `revision`, `token`, `cache_dir`, `local_files_only`, as in `huggingface_hub.snapshot_download`.

    Raises:
        CheckpointError: Neither a folder nor a repository that can be read, or one without `recommendation.json`.
    """
    name = os.fspath(path_or_hub_id)
    patterns = ["*"] if whole else RECOMMENDATION_PATTERNS
    failure = f"{name!r} is not a local folder, and could not be fetched from the Hub: check the name"
    folder = local_folder(name, patterns, failure, **hub)
    if not (folder / RECOMMENDATION_FILE).is_file():
        raise CheckpointError(
            f"{name} has no {RECOMMENDATION_FILE}: it does not recommend. Save a recommender into it with"
            " Recommender.save_pretrained(...)."
        )
    return folder


def read_recommendation(parts: CheckpointParts, own_sources: Sequence[CandidateSource] = ()) -> dict[str, Any]:
    """
    The arguments of a [`Recommender`] from a checkpoint.

    Args:
        parts ([`CheckpointParts`]): Of a folder with a `recommendation.json`.
        own_sources (`Sequence[CandidateSource]`): Taken for those of their names.

    Raises:
        CheckpointError: Something is damaged or missing. SourceError: A source is not known, or cannot be made.
        EncoderMismatchError, RetrieverMismatchError: Parts were made by different encoders.
    """
    file = parts.folder / RECOMMENDATION_FILE
    description = _checked(read_configuration(file, _AGAIN), file)
    own = {source.name: source for source in own_sources}
    entries = description["sources"]
    made = [None if entry["source"] == GENERATOR else _made(entry, parts, own, file) for entry in entries]
    guidance = Guidance.from_dict(description["guidance"]) if description["guidance"] else None
    retrieving = [source for source in made if source is not None]
    parts.guidance = _guiding(retrieving, guidance, description["k"])
    parts.examples = examples_source(retrieving)
    sources = [_made(entry, parts, own, file) if source is None else source for entry, source in zip(entries, made)]
    counts = parts.words.counts if (parts.folder / WORDS_FOLDER).is_dir() else {}
    ranker = read_ranker(parts.folder / RANKER_FOLDER) if description["ranker"] else None
    scorer = read_plausibility(parts.folder, description)
    if scorer is not None:
        scorer.model.to(parts.device)
    stored = {name: description[name] for name in ("k", "reach_calls")}
    own_parts = {"sources": sources, "ranker": ranker, "counts": counts, "plausibility": scorer}
    return {**own_parts, "guidance": guidance, **stored}


def _guiding(sources: list[CandidateSource], guidance: Guidance | None, k: int) -> CandidateSource | None:
    """What guides a generator: the fused sources, else the pool, as Yu et al. do."""
    if guidance is None:
        return next((source for source in sources if source.name == PoolSource.name), None)
    return FusedSource([source for source in sources if source.name in guidance.sources], guidance.weights, k)


def check_recommendation(folder: Path, retriever: Any = None) -> set[str]:
    """
    Loads every part of a checkpoint's recommender but its generator, to see that others can.

    Args:
        folder (`Path`): With a `recommendation.json`.
        retriever ([`HashtagRetriever`], *optional*): The checkpoint's.

    Returns:
        `set[str]`: The folders that count.

    Raises:
        CheckpointError, EncoderMismatchError, RetrieverMismatchError: As [`read_recommendation`].
    """
    description = _checked(read_configuration(folder / RECOMMENDATION_FILE, _AGAIN), folder / RECOMMENDATION_FILE)
    entries, parts = description["sources"], CheckpointParts(folder, retriever=retriever)
    names = {entry["source"] for entry in entries}
    counting = set()
    if "posts" in names:
        counting.add(POSTS_FOLDER)
        # Beside an adapter there may be no retriever, whose vectors they have: its base has one.
        is_known = retriever is not None or (folder / TEXT_ENCODER_FOLDER).is_dir()
        posts = parts.posts if is_known else PostIndex.from_pretrained(folder / POSTS_FOLDER)
        if isinstance(posts.encoder, TextEncoder):
            counting.add(TEXT_ENCODER_FOLDER)
    if {"source": "pool", "by": "words"} in entries:
        counting |= {WORD_POOL_FOLDER, TEXT_ENCODER_FOLDER}
        parts.word_pool.check_retriever(parts.text_encoder)
    if (folder / WORDS_FOLDER).is_dir() or {"words", "frequent"} & names:
        counting.add(WORDS_FOLDER)
        _ = parts.words
    if "classifier" in names:
        counting.add(CLASSIFIER_FOLDER)
        ClassifierSource.from_pretrained(folder / CLASSIFIER_FOLDER)
    if description["ranker"]:
        counting.add(RANKER_FOLDER)
        read_ranker(folder / RANKER_FOLDER)
    if read_plausibility(folder, description) is not None:
        counting.add(PLAUSIBILITY_FOLDER)
    return counting


def stored_pool_use(folder: Path) -> tuple[bool, bool]:
    """
    Whether a checkpoint's recommender has the pool of its retriever among its sources, and whether its guidance is
    fused of sources (and not the pool's).

    Raises:
        CheckpointError: `recommendation.json` is damaged.
    """
    file = folder / RECOMMENDATION_FILE
    description = _checked(read_configuration(file, _AGAIN), file)
    return {"source": PoolSource.name} in description["sources"], description["guidance"] is not None


def _checked(description: dict[str, Any], file: Path) -> dict[str, Any]:
    version = description.get("version")
    if type(version) is int and version > FORMAT_VERSION:
        raise CheckpointError(
            f"{file} has version {version}, newer than the {FORMAT_VERSION} that is read here: upgrade with"
            " `pip install --upgrade transformers-ggm`."
        )
    k, sources, ranker = description.get("k"), description.get("sources"), description.setdefault("ranker", False)
    fine = {
        "version": type(version) is int and version > 0,
        "k": type(k) is int and k > 0,
        "sources": isinstance(sources, list)
        and bool(sources)
        and all(isinstance(entry, dict) and isinstance(entry.get("source"), str) for entry in sources),
        "guidance": _is_guidance(description.setdefault("guidance", None)),
        "ranker": isinstance(ranker, bool),
        "reach_calls": _are_hashtags(description.setdefault("reach_calls", None)),
        "plausibility": _is_scorer(description.setdefault("plausibility", None)),
    }
    bad = [name for name, is_fine in fine.items() if not is_fine]
    if bad:
        raise CheckpointError(f"{file} has no usable field {bad[0]!r} ({description.get(bad[0])!r}): {_AGAIN}.")
    return description


def _are_hashtags(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _is_scorer(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and type(value.get("max_length")) is int)


def _is_guidance(value: Any) -> bool:
    if value is None:
        return True
    names = value.get("sources") if isinstance(value, dict) else None
    weights = value.get("weights") if isinstance(value, dict) else None
    are_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
    are_weights = weights is None or (
        isinstance(weights, dict) and all(type(weight) in (int, float) for weight in weights.values())
    )
    return are_names and are_weights


def _made(entry: dict[str, Any], parts: CheckpointParts, own: Mapping[str, CandidateSource], file: Path):
    settings = {name: value for name, value in entry.items() if name != "source"}
    name = entry["source"]
    if name in own:
        return own[name]
    try:
        kind = source_class(name)
    except SourceError as error:
        raise SourceError(
            f"{file} has the source {name!r}, which is not known here: import the module that registers it, or pass"
            f" the source itself, named {name!r}, as sources=[...]."
        ) from error
    try:
        return kind.from_settings(settings, parts)
    except (TypeError, KeyError, AttributeError) as error:
        raise SourceError(
            f"the source {name!r} of {file} cannot be made of the settings {settings} ({error}): mend its"
            " from_settings(...), or pass the source itself as sources=[...]."
        ) from error


def read_ranker(folder: Path) -> HashtagRanker:
    """
    A saved ranker.

    Raises:
        CheckpointError: It is not there, is damaged, or lacks weights.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is missing, which {RECOMMENDATION_FILE} speaks of: {_AGAIN}.")
    ranker, told = HashtagRanker.from_pretrained(folder, output_loading_info=True)
    if told["missing_keys"]:
        raise CheckpointError(f"{folder} lacks {', '.join(sorted(told['missing_keys']))}: {_AGAIN}.")
    return ranker.eval()


def read_plausibility(folder: Path, description: Mapping[str, Any]) -> PlausibilityScorer | None:
    """
    The scorer of a checkpoint, `None` where it has none.

    Raises:
        CheckpointError: It is not there, is damaged, or lacks weights.
    """
    if description["plausibility"] is None:
        return None
    own = folder / PLAUSIBILITY_FOLDER
    if not own.is_dir():
        raise CheckpointError(f"{own} is missing, which {RECOMMENDATION_FILE} speaks of: {_AGAIN}.")
    return load_scorer(own, description["plausibility"]["max_length"])
