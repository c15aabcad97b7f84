"""A pipeline whose parts are those of one checkpoint: changed while it is used, and saved together."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from transformers import Pipeline, PreTrainedModel

from ..errors import CheckpointError, InputError
from ..modeling import HashtagRetriever
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..recommendation import PoolSource, Recommender
from ..retrieval import HashtagPool
from ..retrieval.hashtag_table import as_iterable, counted_hashtags, pool_key
from ..utils.checkpoint_layout import CONFIGURATIONS, POOL_FOLDER, RETRIEVER_FOLDER
from ..utils.files import atomic_folder
from .dtype_selection import check_savable, unrounded


class CheckpointPipeline(Pipeline):
    """
    What [`HashtagGenerationPipeline`] is made of, apart from what it does with a clip.

    Attributes:
        model ([`GGMForHashtagGeneration`]), processor ([`GGMProcessor`]): the generator and its processor.
        retriever ([`HashtagRetriever`], *optional*), retriever_processor ([`HashtagRetrieverProcessor`], *optional*),
            hashtag_pool ([`HashtagPool`], *optional*), recommender ([`Recommender`], *optional*): its other parts.
    """

    model: PreTrainedModel
    processor: GGMProcessor
    retriever: HashtagRetriever | None
    retriever_processor: HashtagRetrieverProcessor | None
    recommender: Recommender | None
    _hashtag_pool: HashtagPool | None
    _is_rounded: bool

    @property
    def hashtag_pool(self) -> HashtagPool | None:
        """The hashtags that guidance is taken from. Another one must have been made by the same retriever."""
        return self._hashtag_pool

    @hashtag_pool.setter
    def hashtag_pool(self, pool: HashtagPool) -> None:
        if self.retriever is not None:
            pool.check_retriever(self.retriever)
        self._hashtag_pool = pool
        for source in () if self.recommender is None else self.recommender.sources:
            if source.name == PoolSource.name:
                source.pool = pool

    def _check_pool(self, pool: HashtagPool | None) -> None:
        if pool is None:
            return
        if not isinstance(pool, HashtagPool):
            raise InputError(f"`hashtag_pool` is a {type(pool).__name__}: a call takes a HashtagPool that is loaded.")
        own = self.hashtag_pool
        # Hashing a large retriever takes a second: a copy of the pipeline's pool is known to fit.
        if self.retriever is not None and (own is None or pool.retriever_fingerprint != own.retriever_fingerprint):
            pool.check_retriever(self.retriever)

    def add_hashtags(self, hashtags: Iterable[str] | Mapping[str, int]) -> None:
        """Adds hashtags to the pool: the next call can be guided by them. Those that are there are counted once more.
        A recommender proposes them, too, where their words stand in a text.
        Other threads may call the pipeline meanwhile; on any error the pool stays as it was.

        Args:
            hashtags (`Iterable[str]` or `Mapping[str, int]`): With or without `#`, or a mapping of hashtags to counts.

        Raises:
            `CheckpointError`: The pipeline has no retriever or no pool.
            `HashtagError`: Some are no hashtags; the message names them.

        Example:

        ```python
        >>> from transformers import pipeline
        >>> import transformers_ggm

        >>> suggest = pipeline("hashtag-generation")
        >>> suggest.add_hashtags(["#WorldCup2026"])
        >>> "worldcup2026" in suggest.hashtag_pool
        True

        ```
        """
        names, counts = counted_hashtags(hashtags, allow_empty=True)
        given = dict(zip(names.to_pylist(), counts.tolist()))
        has_pool = self.retriever is not None and self.hashtag_pool is not None
        if self.recommender is None or has_pool:
            self._own_pool("retriever").add(given, self.retriever, self.retriever_processor, progress_bar=False)
        if self.recommender is not None:
            self.recommender.add_hashtags(given)

    def remove_hashtags(self, hashtags: Iterable[str]) -> None:
        """Removes hashtags from the pool, given with or without `#`, and from those that a recommender counts. The
        model may still write them, as new ones, and posts that have them may still propose them.

        Args:
            hashtags (`Iterable[str]`): All of them in the pool.

        Raises:
            `CheckpointError`: The pipeline has no pool.
            `PoolError`: Some are not in the pool, or none would be left; nothing is removed.
        """
        given = list(as_iterable(hashtags))
        if self.recommender is None or self.hashtag_pool is not None:
            self._own_pool().remove(given)
        if self.recommender is not None:
            self.recommender.remove_hashtags([pool_key(hashtag) for hashtag in given])

    def _own_pool(self, *needed: str) -> HashtagPool:
        missing = [name for name in (*needed, "hashtag_pool") if getattr(self, name) is None]
        if missing:
            raise CheckpointError(
                f"This pipeline has no {' and no '.join(missing)}: make it anew with"
                f" {' and '.join(f'{name}=' for name in missing)}, or without num_guidance=0."
            )
        return self.hashtag_pool

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs) -> None:
        """
        Saves the whole checkpoint: model, processor and, where the pipeline has them, `retriever/`, `hashtag_pool/`
        and what its recommender saves, see [`Recommender.save_pretrained`].
        `pipeline("hashtag-generation", model=save_directory)` loads it again. Other files in the folder stay. What the
        pipeline rounded to bfloat16 by itself is saved as the checkpoint has it.

        Args:
            save_directory (`str` or `os.PathLike`): Made where it does not exist.
            **kwargs: Those of `PreTrainedModel.save_pretrained`, for the generator.

        Raises:
            `CheckpointError`: `save_directory` is a file, the checkpoint that was rounded is gone, or
                the model was quantised to what cannot be saved.
        """
        target = Path(save_directory)
        if target.is_file():
            raise CheckpointError(f"{target} is a file: a checkpoint is saved as a folder, give another name.")
        check_savable(self.model)
        target.mkdir(parents=True, exist_ok=True)
        model, retriever = self.model, self.retriever
        if self._is_rounded:
            model, retriever = (None if part is None else unrounded(part) for part in (model, retriever))
        if retriever is not None:
            with atomic_folder(target / RETRIEVER_FOLDER) as folder:
                retriever.save_pretrained(folder)
                self.retriever_processor.save_pretrained(folder)
        if self.hashtag_pool is not None:
            self.hashtag_pool.save_pretrained(target / POOL_FOLDER, create_model_card=False)
        if self.recommender is not None:
            self.recommender.save_pretrained(target)
        with tempfile.TemporaryDirectory(dir=target, prefix=".partial-") as folder:
            model.save_pretrained(folder, **kwargs)
            self.processor.save_pretrained(folder)
            # The configuration, of the model or of an adapter, without which nothing is loaded, comes last.
            for file in sorted(Path(folder).iterdir(), key=lambda file: file.name in CONFIGURATIONS):
                os.replace(file, target / file.name)
