"""A checkpoint put together of parts that exist already, without training: what `ggm compose` does."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoConfig, PreTrainedModel, ProcessorMixin
from transformers.utils import ADAPTER_CONFIG_NAME

from ..data.hashtag_lists import STARTER, read_hashtag_list, spelled_counts, tagged_posts
from ..errors import CheckpointError, InputError
from ..hub_cards.composed_card import PARTS, shown_parts, write_composed_card
from ..modeling import (
    GGMConfig,
    GGMForHashtagGeneration,
    HashtagRetriever,
    HashtagRetrieverConfig,
    InstructedConfig,
    InstructedForHashtagGeneration,
    RetrievalOnlyConfig,
    RetrievalOnlyModel,
)
from ..processing import (
    ClipProcessor,
    GGMProcessor,
    GGMVideoProcessor,
    HashtagRetrieverProcessor,
    InstructedProcessor,
)
from ..processing.hashtags import remove_hashtags
from ..recommendation import (
    CandidateSource,
    FrequentSource,
    GeneratorSource,
    Guidance,
    HistorySource,
    PoolSource,
    PostsSource,
    Recommender,
    WordsSource,
)
from ..retrieval import HashtagPool, PostIndex, TextEncoder
from ..retrieval.hashtag_spellings import commonest_spelling, written_spellings
from ..retrieval.hashtag_table import counted_hashtags
from ..retrieval.pool_commands import load_retriever, pool_subfolder
from ..retrieval.pool_files import POOL_FILE
from ..retrieval.post_files import INDEX_FILE
from ..utils.checkpoint_layout import POOL_FOLDER, RETRIEVER_FOLDER
from ..utils.files import atomic_folder, check_output_folder
from ..utils.hashtag_words import shows_words
from ..utils.hub_commits import is_hub_id


@dataclass(frozen=True)
class CheckpointComposition:
    """
    Which parts a checkpoint is put together of. Each may be missing, but there must be hashtags: those of a list, or
    those of tagged posts.

    Args:
        retriever (`str`, *optional*): Folder or Hub id of a dual encoder of transformers (CLIP, SigLIP, ...), which
            finds the hashtags nearest to a clip; or of a trained retriever, or of a checkpoint that has one.
        text_encoder (`str`, *optional*): Folder or Hub id of a sentence encoder, which finds the hashtags whose words
            are nearest to what is said and written.
        generator (`str`, *optional*): Folder or Hub id of a GGM checkpoint, of which the generator is taken, or of an
            instructed language model (SmolLM2, Qwen3-VL, SmolVLM2, ...), which is prompted.
        posts (`str`, *optional*): Tagged posts, as [`~data.open_shorts`] reads them, or the folder of a [`PostIndex`]
            of them: their hashtags are proposed for clips with like words.
        hashtags (`str`, *optional*): `"starter"`, a list or a table, see [`~data.read_hashtag_list`], or the folder or
            Hub id of a pool. By default the hashtags of the posts.
        num_examples (`int`, defaults to 0): How many similar posts an instructed language model is shown with its
            prompt, as examples. The words of all posts are kept in the checkpoint for it.

    Raises:
        InputError: There are neither hashtags nor posts, or there are to be examples without posts or generator.

    Example:

    ```python
    >>> import pathlib, tempfile
    >>> from transformers import pipeline
    >>> from transformers_ggm.pipelines.compose import CheckpointComposition, compose_checkpoint

    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "hashtags.txt").write_text("FirstSnow lake roadtrip".replace(" ", chr(10)))
    >>> starter = compose_checkpoint(
    ...     CheckpointComposition(hashtags=str(folder / "hashtags.txt")), folder / "starter"
    ... )
    >>> suggest = pipeline("hashtag-generation", model=str(starter))
    >>> [found["hashtag"] for found in suggest({"description": "the first snow on the lake"})]
    ['#firstsnow', '#lake']

    ```
    """

    retriever: str | None = None
    text_encoder: str | None = None
    generator: str | None = None
    posts: str | None = None
    hashtags: str | None = None
    num_examples: int = 0

    def __post_init__(self):
        if self.num_examples < 0:
            raise InputError(f"`num_examples` is {self.num_examples}, but must be 0 or more.")
        if self.num_examples and (self.posts is None or self.generator is None):
            raise InputError(
                "`num_examples` is of posts that a language model is shown: name both (--posts, --generator), or leave"
                " it out."
            )
        if self.hashtags is None and self.posts is None:
            raise InputError(
                "There are no hashtags to recommend: name a list (--hashtags tags.txt), --hashtags starter for the"
                " one of this package, or tagged posts (--posts)."
            )


def compose_checkpoint(parts: CheckpointComposition, output_dir: str | os.PathLike) -> Path:
    """
    Writes a checkpoint folder that `pipeline("hashtag-generation", model=...)` takes, with a card. Nothing is trained:
    without a ranker, the lists of the sources are fused with equal weights.

    Args:
        parts ([`CheckpointComposition`]): What it is put together of.
        output_dir (`str` or `os.PathLike`): The folder, which appears when all is written. It must be new or empty.

    Returns:
        `Path`: `output_dir`.

    Raises:
        CheckpointError: A part cannot be loaded, or is of another kind.
        InputError, HashtagError, DatasetError: The hashtags or the posts cannot be read, or `output_dir` has files.
    """
    target = Path(output_dir)
    check_output_folder(target.parent)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"`output_dir` {target} is there already: give the name of a new folder.")
    encoder = None if parts.text_encoder is None else TextEncoder.from_pretrained(parts.text_encoder)
    posts = None if parts.posts is None else TaggedPosts.read(parts.posts, encoder, parts.num_examples > 0)
    counts = posts.spelled_counts if parts.hashtags is None else _hashtag_counts(parts.hashtags)
    if not counts:
        raise InputError("no post has a hashtag: give other `posts`, or a list (--hashtags).")
    known = KnownHashtags.of(counts)
    model, processor = (None, None) if parts.generator is None else load_generator(parts.generator)
    if isinstance(processor, InstructedProcessor):
        processor.num_examples = parts.num_examples
    elif parts.num_examples:
        raise InputError(f"`num_examples` is for language models, but the generator {parts.generator} is a GGM.")
    pool = None if parts.retriever is None else _retriever_pool(parts.retriever, known, parts.text_encoder is None)
    sources = _sources(known, pool, encoder, posts)
    guidance = Guidance([source.name for source in sources if not isinstance(source, FrequentSource)])
    if model is None:
        model, processor = _without_generator(pool)
    else:
        sources.append(GeneratorSource(model, processor))
    with atomic_folder(target) as folder:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        if pool is not None:
            pool.retriever.save_pretrained(folder / RETRIEVER_FOLDER)
            pool.processor.save_pretrained(folder / RETRIEVER_FOLDER)
            pool.pool.save_pretrained(folder / POOL_FOLDER, create_model_card=False)
        Recommender(sources, counts=known.counts, guidance=guidance).save_pretrained(folder)
        names = [source.name for source in sources]
        composition = {
            "parts": shown_parts({name: getattr(parts, name) for name in PARTS}),
            "sources": names,
            "num_hashtags": len(known.counts),
            "num_examples": parts.num_examples,
        }
        write_composed_card(folder, composition)
    return target


@dataclass(frozen=True)
class KnownHashtags:
    """
    Hashtags that can be recommended.

    Attributes:
        counts (`dict[str, int]`): how often each was used, normalised.
        spellings (`dict[str, int]`): the same by the commonest spelling of each that shows its words by capitals, or
            the commonest of all where none does.
    """

    counts: dict[str, int]
    spellings: dict[str, int]

    @classmethod
    def of(cls, written: Mapping[str, int]) -> "KnownHashtags":
        """Those of a list, as they are written."""
        names, counts = counted_hashtags(written)
        by_name = dict(zip(names.to_pylist(), counts.tolist()))
        spelled = {name: _spelling(name, of_one, by_name[name]) for name, of_one in written_spellings(written).items()}
        return cls(by_name, {spelled.get(name, name): count for name, count in by_name.items()})

    @property
    def are_counted(self) -> bool:
        """Whether some are known to be used more than others."""
        return len(set(self.counts.values())) > 1


def _spelling(hashtag: str, spellings: Mapping[str, int], count: int) -> str:
    showing = {spelling: number for spelling, number in spellings.items() if shows_words(spelling)}
    return max(showing, key=showing.get) if showing else commonest_spelling(hashtag, spellings, count)


@dataclass(frozen=True)
class TaggedPosts:
    """
    Posts whose hashtags can be proposed.

    Attributes:
        index ([`PostIndex`]): in which like ones are found.
        words ([`WordsSource`]): what is known of how often words of theirs were hashtags, too.
        spelled_counts (`dict[str, int]`): how often each hashtag is used, by its commonest spelling.
    """

    index: PostIndex
    words: WordsSource
    spelled_counts: Mapping[str, int]

    @classmethod
    def read(cls, source: str, encoder: TextEncoder | None, store_text: bool) -> "TaggedPosts":
        """
        Those of a source, of several splits of `train`; or of an index, whose posts' words are not known.

        Args:
            source (`str`): Posts, or the folder of an index.
            encoder ([`TextEncoder`], *optional*): By which like ones are found, too.
            store_text (`bool`): Whether the words of all posts are to be kept.

        Raises:
            CheckpointError: An index has vectors, and there is no encoder.
            EncoderMismatchError: Its vectors are of another one.
            InputError: An index does not keep words that are to be kept.
        """
        if not Path(source, INDEX_FILE).is_file():
            # Their descriptions without hashtags, as clips are searched by.
            posts = [{**post, "description": remove_hashtags(post["description"])} for post in tagged_posts(source)]
            index = PostIndex.build(posts, encoder, store_text=store_text)
            return cls(index, WordsSource.build(posts), spelled_counts(posts))
        index = PostIndex.from_pretrained(source, encoder=encoder)
        if encoder is None and "dense" in index.searches:
            raise CheckpointError(f"the posts in {source} have vectors: name their encoder (--text_encoder).")
        if store_text and not index.stores_text:
            raise InputError(f"the posts in {source} have no words for examples: build them with --store_text.")
        counts = index.hashtag_counts()
        return cls(index, WordsSource(counts), counts)


def _hashtag_counts(source: str) -> Mapping[str, int]:
    is_pool = Path(source, pool_subfolder(source), POOL_FILE).is_file()
    if not (is_pool or source == STARTER or Path(source).exists() or is_hub_id(source)):
        raise InputError(f"`hashtags` {source} is no file, no folder, no Hub id and not `{STARTER}`.")
    if is_pool or not (source == STARTER or Path(source).exists()):
        pool = HashtagPool.from_pretrained(source, subfolder=pool_subfolder(source))
        return {pool.spelling(tag): count for tag, count in zip(pool.hashtags, pool.counts)}
    return read_hashtag_list(source)


def load_generator(name: str) -> tuple[PreTrainedModel, ProcessorMixin]:
    """
    The generator of a checkpoint, or an instructed language model as one, with its processor.

    Args:
        name (`str`): A folder or Hub id.

    Raises:
        CheckpointError: It cannot be read, or is of no kind that writes.
    """
    if Path(name, ADAPTER_CONFIG_NAME).is_file():
        raise CheckpointError(f"{name} is an adapter: merge it into its base, and give that as the generator.")
    model_type = _model_type(name, "generator")
    if model_type == GGMConfig.model_type:
        return GGMForHashtagGeneration.from_pretrained(name), GGMProcessor.from_pretrained(name)
    if model_type == InstructedConfig.model_type:
        return InstructedForHashtagGeneration.from_pretrained(name), InstructedProcessor.from_pretrained(name)
    model = InstructedForHashtagGeneration.from_language_model_pretrained(name)
    return model, InstructedProcessor.from_language_model_pretrained(name, takes_images=model.config.takes_images)


def _retriever_pool(name: str, known: KnownHashtags, reads_text: bool) -> PoolSource:
    """The hashtags by a retriever's vectors. A dual encoder reads descriptions too, where nothing else does."""
    if Path(name, RETRIEVER_FOLDER).is_dir() or _model_type(name, "retriever") == HashtagRetrieverConfig.model_type:
        retriever, processor = load_retriever(name)
    else:
        query = "video+text" if reads_text else "video"
        retriever = HashtagRetriever.from_backbone_pretrained(name, query=query).eval()
        processor = HashtagRetrieverProcessor.from_backbone_pretrained(name, word_splitter="wordfreq")
    return PoolSource(HashtagPool.build(known.spellings, retriever, processor), retriever, processor)


def _model_type(name: str, part: str) -> str:
    try:
        return AutoConfig.from_pretrained(name).model_type
    except (OSError, ValueError) as error:
        raise CheckpointError(f"the {part} {name} cannot be read: {error}") from error


def _sources(
    known: KnownHashtags,
    pool: PoolSource | None,
    encoder: TextEncoder | None,
    posts: TaggedPosts | None,
) -> list[CandidateSource]:
    """All but the generator, in the order of a ranker's features."""
    sources: list[CandidateSource] = [] if pool is None else [pool]
    if encoder is not None:
        sources.append(PoolSource.of_words(known.spellings, encoder, progress_bar=True))
    if posts is not None:
        sources += [PostsSource(posts.index, by) for by in posts.index.searches]
    words = WordsSource(known.counts) if posts is None else posts.words
    words.uses = {**words.uses, **known.counts}
    sources += [words, HistorySource()]
    return [*sources, FrequentSource(known.counts)] if known.are_counted else sources


def _without_generator(pool: PoolSource | None) -> tuple[RetrievalOnlyModel, ClipProcessor]:
    """What stands at the top where nothing writes; clips are decoded as the retriever sees them."""
    video_processor = GGMVideoProcessor() if pool is None else pool.processor.video_processor
    return RetrievalOnlyModel(RetrievalOnlyConfig()), ClipProcessor(video_processor)
