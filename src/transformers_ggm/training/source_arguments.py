"""Which sources propose hashtags, and which stages that takes."""

import importlib.util
from dataclasses import dataclass, field

from datasets import Dataset

from ..errors import ArgumentError
from ..recommendation.fitting import FEWEST_ROWS

# What guides the generator, and what only the ranker sees: a classifier knows its training rows by heart, and the
# generator is what is guided. In the order of the ranker's features.
RETRIEVING = ("pool", "pool_words", "posts", "words", "history", "frequent", "trends")
RANKED_ONLY = ("classifier", "generator")
SOURCES = (*RETRIEVING, *RANKED_ONLY)
PUBLISHED = ("pool",)


@dataclass
class SourceArguments:
    """Where candidates come from. By default from the retriever's pool alone, without a ranker, as published."""

    sources: list[str] = field(
        default_factory=lambda: list(PUBLISHED),
        metadata={
            "help": f"Some of {', '.join(SOURCES)}. 'pool' alone is the published model; with more, the guidance is "
            "fused from all of them but classifier and generator, and a ranker is fitted on the validation split."
        },
    )
    text_encoder: str | None = field(
        default=None,
        metadata={
            "help": "Sentence encoder, a folder or Hub id: similar posts are then sought by its vectors, and hashtags "
            "with 'pool_words'. It becomes a part of the checkpoint."
        },
    )
    neighbours: int = field(default=20, metadata={"help": "Similar posts that are looked at."})
    plausibility: str | None = field(
        default=None,
        metadata={
            "help": "Masked language model, a folder or Hub id, that tells the ranker how plausible candidates are. "
            "It becomes a part of the checkpoint."
        },
    )
    num_examples: int = field(
        default=0,
        metadata={
            "help": "Similar posts that --generator instructed is shown in its prompt; 0 for none. The source 'posts' "
            "finds them, and the words of posts are kept in the checkpoint."
        },
    )
    ranker_hidden_size: int = field(
        default=0, metadata={"help": "Hidden units of the ranker; 0 is a logistic regression."}
    )

    def __post_init__(self):
        unknown = sorted(set(self.sources) - set(SOURCES))
        if unknown or not self.sources:
            raise ArgumentError(f"`sources` is {self.sources}; choose some of {list(SOURCES)}.")
        self.sources = [name for name in SOURCES if name in self.sources]
        if self.text_encoder is not None and not self.searches_texts:
            raise ArgumentError(
                "`text_encoder` is for 'posts' and 'pool_words': add one to `sources`, or leave it out."
            )
        if self.text_encoder is None and "pool_words" in self.sources:
            raise ArgumentError("the source 'pool_words' needs a `text_encoder`: a folder or Hub id.")
        if "trends" in self.sources and not {"pool", "pool_words"} & set(self.sources):
            raise ArgumentError("the source 'trends' counts uses in a pool: add 'pool' or 'pool_words' to `sources`.")
        if self.neighbours < 1:
            raise ArgumentError(f"`neighbours` is {self.neighbours}, but one post is needed at least.")
        if self.num_examples < 0:
            raise ArgumentError(f"`num_examples` is {self.num_examples}, but must be 0 or more.")
        if self.ranker_hidden_size < 0:
            raise ArgumentError(f"`ranker_hidden_size` is {self.ranker_hidden_size}, but must be 0 or more.")

    @property
    def is_published(self) -> bool:
        """Whether the pool alone guides, as in the paper."""
        return tuple(self.sources) == PUBLISHED

    @property
    def searches_texts(self) -> bool:
        """Whether a source searches posts or hashtags by texts, which the stage `posts` prepares."""
        return bool({"posts", "pool_words"} & set(self.sources))

    @property
    def retrieving(self) -> list[str]:
        """The sources that the guidance is made of."""
        return [name for name in self.sources if name in RETRIEVING]

    def stages(self, needs_retriever: bool) -> list[str]:
        """
        The stages that run where `--stages` does not say it.

        Args:
            needs_retriever (`bool`): whether another part of the model starts from the retriever.
        """
        chosen = {
            "prepare": True,
            "retriever": "pool" in self.sources or needs_retriever,
            "posts": self.searches_texts,
            "pool": "pool" in self.sources,
            "guidance": bool(self.retrieving),
            "classifier": "classifier" in self.sources,
            "generator": True,
            "ranker": not self.is_published,
            "evaluate": True,
        }
        return [stage for stage, runs in chosen.items() if runs]


def check_sources(sources: SourceArguments, stages: list[str], num_guidance: int) -> None:
    """
    Raises:
        ArgumentError: stages are to run that these sources have nothing for, or a package is missing that they need.
    """
    idle = {"posts": not sources.searches_texts, "ranker": sources.is_published}
    for stage in stages:
        if idle.get(stage):
            raise ArgumentError(
                f"the stage '{stage}' has nothing to do for the `sources` {sources.sources}: name more of them, for"
                " instance --sources pool posts words frequent generator, or leave the stage out of `stages`."
            )
    if sources.plausibility is not None and sources.is_published:
        raise ArgumentError(
            "`plausibility` is told to a ranker, and the pool alone has none: name more `sources`, or leave it out."
        )
    if not sources.retrieving and num_guidance:
        raise ArgumentError(
            f"none of the `sources` {sources.sources} retrieves guidance: add one of {list(RETRIEVING)}, or give"
            " --num_guidance 0."
        )
    if {"posts", "ranker"} & set(stages) and importlib.util.find_spec("sklearn") is None:
        raise ArgumentError(
            "more `sources` than the pool need scikit-learn: pip install 'transformers-ggm[recommend]'."
        )


def check_examples(sources: SourceArguments, is_instructed: bool, base: str | None) -> None:
    """
    Raises:
        ArgumentError: examples are to be shown to what takes none, or there are no posts that they could be.
    """
    if not sources.num_examples:
        return
    if not is_instructed:
        raise ArgumentError("`num_examples` is for --generator instructed: give that too, or leave it out.")
    if base is None and "posts" not in sources.sources:
        raise ArgumentError("`num_examples` is of similar posts: add 'posts' to `sources`, or leave it out.")


def check_enough_rows(num_rows: int, data_dir: str) -> None:
    """
    Raises:
        ArgumentError: the validation split is too small to fit a ranker on, said before anything is trained.
    """
    if num_rows < FEWEST_ROWS:
        raise ArgumentError(
            f"the validation split of {data_dir} has {num_rows} rows with hashtags, but a ranker is fitted on"
            f" {FEWEST_ROWS} or more: move rows to it from the training split, or leave the stage 'ranker' out of"
            " `stages` (the guidance is fused all the same)."
        )


# Fields of rows that a source cannot do without.
_NEEDED = {"history": ("user", "time"), "trends": ("time",)}


def check_fields(sources: SourceArguments, rows: Dataset) -> None:
    """
    Raises:
        ArgumentError: authors' earlier posts, or uses over time, are a source, but no row tells its author or time.
    """
    for source, needed in _NEEDED.items():
        if source not in sources.sources:
            continue
        lacking = [name for name in needed if name not in rows.column_names or not any(rows[name])]
        if lacking:
            fields = " and ".join(f"`{name}`" for name in needed)
            raise ArgumentError(
                f"the source {source!r} needs the fields {fields} of rows, but none has {' or '.join(lacking)}: add"
                f" them, or leave {source!r} out of `sources`."
            )
