"""The hashtag pool: the hashtags that guidance is taken from, each with the vector that the retriever gives it."""

import copy
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from huggingface_hub import CommitInfo
from transformers.utils.logging import tqdm

from ..accompanying_code import CAME_ALONG
from ..errors import CheckpointError, HashtagError, PoolError, RetrieverMismatchError
from ..hub_commits import commit_files
from ..processing.hashtags import is_valid_hashtag, normalize_hashtag
from .indexes import make_index
from .pool_files import CARD_FILE, POOL_FILES, PoolContents, fetch_pool, read_pool, write_pool

_NAMED_AT_MOST = 10


class HashtagPool:
    """
    Hashtags with their vectors, searched by the vector of a video (the guidance of Yu et al., ACL 2023).

    Hashtags are kept normalised (lower case, no `#`), each one once, in the order in which they came. Vectors are
    rounded to float16, the precision they are saved in, and kept as float32 on the CPU: a pool ranks the same before
    and after saving. Scores are inner products, so they are cosine similarities when queries and vectors have
    length 1, as those of [`HashtagRetriever`] have.

    Args:
        hashtags (`Sequence[str]`): The `n` hashtags, with or without `#`.
        embeddings (`torch.Tensor` of shape `(n, d)`): Their vectors, in the same order.
        counts (`Sequence[int]`, *optional*): How often each one was seen. Defaults to 1 each.
        retriever_fingerprint (`str`, defaults to `""`): `retriever.fingerprint()` of the retriever that made the
            vectors. A pool without one cannot be used with a retriever.
        index (`str`, defaults to `"exact"`): `"exact"`, or `"faiss"` for FAISS's `IndexFlatIP` (quicker on large
            pools; needs `pip install transformers-ggm[faiss]`).

    Raises:
        HashtagError: `hashtags` is empty, or a hashtag is not valid or stands there twice.
        PoolError: `embeddings` or `counts` do not fit `hashtags`, or the index is not known or not installed.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.retrieval import HashtagPool

    >>> pool = HashtagPool(["#Snow", "skiing", "toronto"], torch.eye(3), counts=[7, 2, 4])
    >>> scores, hashtags = pool.search(torch.tensor([0.5, 0.0, 1.0]), k=2)
    >>> hashtags, scores.tolist()
    ([['toronto', 'snow']], [[1.0, 0.5]])
    >>> "#SNOW" in pool, len(pool)
    (True, 3)

    ```
    """

    def __init__(
        self,
        hashtags: Sequence[str],
        embeddings: torch.Tensor,
        counts: Sequence[int] | None = None,
        retriever_fingerprint: str = "",
        index: str = "exact",
    ):
        occurrences = _count_hashtags(hashtags)
        twice = [hashtag for hashtag, count in occurrences.items() if count > 1]
        if twice:
            raise HashtagError(f"hashtags holds some more than once: {_named(twice)}. Give each one once.")
        self.retriever_fingerprint = retriever_fingerprint
        self._set(
            dict(zip(occurrences, _checked_counts(counts, len(occurrences)))),
            _checked_embeddings(embeddings, len(occurrences)),
            index,
        )

    def _set(self, counts: dict[str, int], embeddings: torch.Tensor, index: str) -> None:
        # The index is what can fail here, so it comes first: a pool is changed as a whole or not at all.
        self._index = make_index(index, embeddings)
        self._index_name = index
        self._counts = counts
        self._hashtags = list(counts)
        self._embeddings = embeddings

    @classmethod
    def build(
        cls,
        hashtags: Iterable[str] | Mapping[str, int],
        retriever: Any,
        processor: Any,
        batch_size: int = 256,
        index: str = "exact",
        progress_bar: bool = True,
    ) -> "HashtagPool":
        """
        Encodes hashtags with a retriever and makes a pool of them.

        Args:
            hashtags (`Iterable[str]` or `Mapping[str, int]`): The hashtags, with or without `#`, or a mapping of
                hashtags to counts. Those that are the same once normalised are merged and their counts summed; each
                mention in an iterable counts 1.
            retriever ([`HashtagRetriever`]): Encodes the hashtags, on the device where it is.
            processor ([`HashtagRetrieverProcessor`]): Tokenizes them.
            batch_size (`int`, defaults to 256): Hashtags encoded at a time.
            index (`str`, defaults to `"exact"`): See [`HashtagPool`].
            progress_bar (`bool`, defaults to `True`): Whether to show one.

        Raises:
            HashtagError: There are no hashtags, or some are not valid; the message names them.
            PoolError: A count is not a whole number of 0 or more, or `batch_size` is not positive.
        """
        counts = _count_hashtags(hashtags)
        embeddings = _encode(list(counts), retriever, processor, batch_size, progress_bar)
        return cls(list(counts), embeddings, list(counts.values()), retriever.fingerprint(), index)

    def copy(self) -> "HashtagPool":
        """
        A pool with the same hashtags that is changed apart from this one, for instance one for each visitor of an app.
        It costs next to nothing: vectors and index are shared until one of the two is changed.

        Example:

        ```python
        >>> import torch
        >>> from transformers_ggm.retrieval import HashtagPool

        >>> pool = HashtagPool(["snow", "skiing"], torch.eye(2))
        >>> mine = pool.copy()
        >>> mine.remove(["snow"])
        >>> mine.hashtags, pool.hashtags
        (['skiing'], ['snow', 'skiing'])

        ```
        """
        # Enough, since changes put new objects in the place of the old ones and never write into them.
        return copy.copy(self)

    def add(
        self,
        hashtags: Iterable[str] | Mapping[str, int],
        retriever: Any,
        processor: Any,
        batch_size: int = 256,
        progress_bar: bool = True,
    ) -> None:
        """
        Adds hashtags at the end of the pool. Only new ones are encoded; the counts of known ones are raised. On any
        error the pool stays as it was. Arguments and errors are those of [`~HashtagPool.build`], except that adding
        nothing is allowed.

        Raises:
            RetrieverMismatchError: The pool was made by another retriever.
        """
        added = _count_hashtags(hashtags, allow_empty=True)
        self.check_retriever(retriever)
        new = [hashtag for hashtag in added if hashtag not in self._counts]
        counts = self._counts | {hashtag: self._counts.get(hashtag, 0) + count for hashtag, count in added.items()}
        if not new:
            self._counts = counts
            return
        encoded = _checked_embeddings(_encode(new, retriever, processor, batch_size, progress_bar), len(new))
        self._set(counts, torch.cat([self._embeddings, encoded]), self._index_name)

    def remove(self, hashtags: Iterable[str]) -> None:
        """
        Removes hashtags, given with or without `#`.

        Raises:
            PoolError: Some are not in the pool (the message names them), or none would be left; nothing is removed.
        """
        given = [(hashtag, _key(hashtag)) for hashtag in _as_iterable(hashtags)]
        unknown = [hashtag for hashtag, key in given if key not in self._counts]
        if unknown:
            raise PoolError(f"not in the hashtag pool: {_named(unknown)}. Nothing was removed.")
        leaving = {key for _, key in given}
        if len(leaving) == len(self):
            raise PoolError("removing these hashtags would leave the pool empty. Nothing was removed.")
        if leaving:
            stay = torch.tensor([hashtag not in leaving for hashtag in self._hashtags])
            counts = {hashtag: count for hashtag, count in self._counts.items() if hashtag not in leaving}
            self._set(counts, self._embeddings[stay], self._index_name)

    def search(self, queries: torch.Tensor, k: int) -> tuple[torch.Tensor, list[list[str]]]:
        """
        Finds the `k` hashtags nearest to every query, by one matrix product for the whole batch.

        Args:
            queries (`torch.Tensor` of shape `(q, d)` or `(d,)`): Vectors of videos, of any float type, on any device.
                One vector alone is a batch of one.
            k (`int`): How many hashtags, from 1 to the size of the pool.

        Returns:
            `tuple`: scores `(q, k)`, float32 on the CPU, and `q` lists of `k` hashtags (without `#`), best first.
            With the exact index, equal scores come in pool order.

        Raises:
            PoolError: `k` is out of range, or the queries have another width than the pool or are not finite.
        """
        if not isinstance(k, Integral) or k < 1:
            raise PoolError(f"k={k!r}: ask for a whole number of hashtags, 1 or more.")
        if k > len(self):
            raise PoolError(f"k={k} is more than the {len(self)} hashtags of the pool: ask for at most {len(self)}.")
        queries = torch.as_tensor(queries).detach().to("cpu", torch.float32)
        if queries.ndim == 1:
            queries = queries[None]
        if queries.ndim != 2 or queries.shape[1] != self._embeddings.shape[1]:
            dim = self._embeddings.shape[1]
            raise PoolError(
                f"queries has shape {tuple(queries.shape)}, but the vectors of the pool have {dim} numbers: "
                f"give (q, {dim}), as made by the retriever of the pool."
            )
        if not queries.isfinite().all():
            raise PoolError("queries holds NaN or infinity: check the retriever's outputs.")
        scores, rows = self._index.search(queries, k)
        return scores, [[self._hashtags[row] for row in of_query] for of_query in rows.tolist()]

    def check_retriever(self, retriever: Any) -> None:
        """
        Raises:
            RetrieverMismatchError: The pool was not made by this retriever, or does not say by which one.
        """
        given = retriever.fingerprint()
        if not self.retriever_fingerprint:
            raise RetrieverMismatchError(
                "the hashtag pool does not say which retriever made its vectors: make it with HashtagPool.build(...), "
                "or pass retriever_fingerprint=retriever.fingerprint() to HashtagPool(...) if you are sure."
            )
        if given != self.retriever_fingerprint:
            raise RetrieverMismatchError(
                f"the hashtag pool was made by the retriever {self.retriever_fingerprint}, not by the one given, "
                f"{given}: use its own retriever, or make the pool anew with HashtagPool.build(...)."
            )

    @property
    def hashtags(self) -> list[str]:
        """The hashtags in pool order, without `#` (a copy)."""
        return list(self._hashtags)

    @property
    def counts(self) -> list[int]:
        """How often each hashtag was seen, in pool order (a copy)."""
        return list(self._counts.values())

    @property
    def embeddings(self) -> torch.Tensor:
        """The vectors `(n, d)`, float32 on the CPU, rounded to float16. Not a copy: do not write into it."""
        return self._embeddings

    def __len__(self) -> int:
        return len(self._hashtags)

    def __contains__(self, hashtag: object) -> bool:
        return _key(hashtag) in self._counts

    def __iter__(self) -> Iterator[str]:
        return iter(self._hashtags)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} hashtags, {self._embeddings.shape[1]} dimensions, "
            f"index={self._index_name!r}, retriever_fingerprint={self.retriever_fingerprint!r})"
        )

    def save_pretrained(self, save_directory: str | os.PathLike, *, create_model_card: bool = True) -> None:
        """
        Saves the pool as `hashtags.parquet`, `embeddings.safetensors` (float16) and `pool.json`, with a card,
        `README.md`. The folder is replaced as a whole: if saving fails, a pool that was there before is still there.
        Of a card that is there, only the facts between its two marks are written anew.

        Args:
            save_directory (`str` or `os.PathLike`): Made where it does not exist.
            create_model_card (`bool`, defaults to `True`): Whether to write a card where there is none.

        Raises:
            CheckpointError: `save_directory` is a file, or holds files that are not a pool's.
        """
        contents = PoolContents(
            self.hashtags, self.counts, self._embeddings.to(torch.float16), self.retriever_fingerprint
        )
        write_pool(save_directory, contents, lambda card: self._card(card, create_model_card))

    def _card(self, card: str | None, create: bool, **place: str) -> str | None:
        """The card of the pool as it is now, from the one that is there; `None` for none."""
        if CAME_ALONG:
            # The templates of cards stay with the package.
            return card
        # Not above, since cards tell of pools.
        from ..hub_cards.pool_card import make_pool_card, pool_card_facts, with_new_facts

        facts = (self.hashtags, self.counts, self._embeddings.shape[1], self.retriever_fingerprint)
        if card is not None:
            return with_new_facts(card, pool_card_facts(*facts))
        return make_pool_card(*facts, **place) if create else None

    @classmethod
    def from_pretrained(
        cls,
        path_or_hub_id: str | os.PathLike,
        *,
        retriever: Any | None = None,
        subfolder: str = "",
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike | None = None,
        local_files_only: bool = False,
        index: str = "exact",
    ) -> "HashtagPool":
        """
        Loads a pool from a local folder or from the Hub.

        Args:
            path_or_hub_id (`str` or `os.PathLike`): A folder written by [`~HashtagPool.save_pretrained`], or the id
                of a repository on the Hub.
            retriever ([`HashtagRetriever`], *optional*): When given, the pool must have been made by it.
            subfolder (`str`, defaults to `""`): Where in the folder or repository the pool lies; `"hashtag_pool"` in
                a whole checkpoint.
            revision, token, cache_dir, local_files_only: As in `huggingface_hub.snapshot_download`; for the Hub only.
            index (`str`, defaults to `"exact"`): See [`HashtagPool`]. It is built from the vectors, never read.

        Raises:
            CheckpointError: There is no pool, a file of it is missing or unreadable, or its files do not belong
                together.
            RetrieverMismatchError: The pool was made by another retriever than `retriever`.
            PoolError: The index is not known or not installed.
        """
        folder = fetch_pool(
            path_or_hub_id,
            subfolder=subfolder,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        contents = read_pool(folder)
        try:
            pool = cls(contents.hashtags, contents.embeddings, contents.counts, contents.retriever_fingerprint)
        except (HashtagError, PoolError) as error:
            raise CheckpointError(f"the hashtag pool in {folder} is damaged: {error}") from error
        if retriever is not None:
            pool.check_retriever(retriever)
        # Only now, so that an index that is not installed is not taken for damage.
        pool._set(pool._counts, pool._embeddings, index)
        return pool

    def push_to_hub(
        self,
        repo_id: str,
        *,
        subfolder: str = "",
        commit_message: str = "Upload hashtag pool",
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
    ) -> CommitInfo:
        """
        Uploads the pool to a model repository on the Hub in one commit, making the repository where there is none. A
        repository of its own gets a card; of a card that is there, only the facts between its two marks are written
        anew.

        Args:
            repo_id (`str`): The repository, `"user/name"`.
            subfolder (`str`, defaults to `""`): Where in the repository; `"hashtag_pool"` beside a model.
            commit_message, private, token, revision, create_pr: As in `transformers`' `push_to_hub`.

        Returns:
            `CommitInfo`: The commit, as `huggingface_hub` describes it.
        """
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "hashtag_pool"
            self.save_pretrained(folder, create_model_card=False)

            def edit_card(full_id: str, card: str | None) -> str | None:
                return self._card(card, create=not subfolder, repo_id=full_id)

            return commit_files(
                {str(PurePosixPath(subfolder, name)): folder / name for name in POOL_FILES},
                repo_id,
                edits={str(PurePosixPath(subfolder, CARD_FILE)): edit_card},
                commit_message=commit_message,
                private=private,
                token=token,
                revision=revision,
                create_pr=create_pr,
            )


def _as_iterable(hashtags: Iterable[str]) -> Iterable[str]:
    # A string is an iterable of letters, each of which may be a valid hashtag: never what was meant.
    if isinstance(hashtags, str):
        raise HashtagError(f"hashtags is one string, {hashtags!r}: give a list, [{hashtags!r}].")
    return hashtags


def _key(hashtag: object) -> str | None:
    """The form in which a pool keeps a hashtag, `None` for what is no hashtag and so in no pool."""
    return normalize_hashtag(hashtag) if is_valid_hashtag(hashtag) else None


def _count_hashtags(hashtags: Iterable[str] | Mapping[str, int], allow_empty: bool = False) -> dict[str, int]:
    """Normalised hashtag -> count, in order of first mention; merges those that are the same once normalised."""
    given = list(_as_iterable(hashtags))
    keys = [_key(hashtag) for hashtag in given]
    bad = [hashtag for hashtag, key in zip(given, keys) if key is None]
    if bad:
        raise HashtagError(
            f"hashtags holds some that are no hashtags (letters, digits and underscores, at least one letter): "
            f"{_named(bad)}. Leave them out."
        )
    if not given and not allow_empty:
        raise HashtagError("hashtags is empty: a hashtag pool needs at least one hashtag.")
    merged: dict[str, int] = {}
    counts = list(hashtags.values()) if isinstance(hashtags, Mapping) else None
    for key, count in zip(keys, _checked_counts(counts, len(keys))):
        merged[key] = merged.get(key, 0) + count
    return merged


def _checked_counts(counts: Sequence[int] | None, size: int) -> list[int]:
    if counts is None:
        return [1] * size
    counts = list(counts)
    if len(counts) != size:
        raise PoolError(f"counts has {len(counts)} entries for {size} hashtags: give one for each.")
    bad = [count for count in counts if not isinstance(count, Integral) or isinstance(count, bool) or count < 0]
    if bad:
        raise PoolError(f"counts holds {_named(bad)}: give whole numbers of 0 or more.")
    return [int(count) for count in counts]


def _checked_embeddings(embeddings: torch.Tensor, size: int) -> torch.Tensor:
    """`embeddings` as a float32 tensor `(size, d)` on the CPU, rounded to the float16 in which it will be saved."""
    embeddings = torch.as_tensor(embeddings).detach()
    if embeddings.ndim != 2 or embeddings.shape[0] != size or embeddings.shape[1] == 0:
        raise PoolError(
            f"embeddings has shape {tuple(embeddings.shape)}: give ({size}, d), one vector for each hashtag."
        )
    embeddings = embeddings.to("cpu", torch.float16).to(torch.float32)
    if not embeddings.isfinite().all():
        raise PoolError("embeddings holds NaN, infinity or numbers beyond float16: check the retriever's outputs.")
    return embeddings


def _encode(hashtags: list[str], retriever: Any, processor: Any, batch_size: int, progress_bar: bool) -> torch.Tensor:
    """Vectors `(len(hashtags), d)` of normalised hashtags, on the CPU."""
    if batch_size < 1:
        raise PoolError(f"batch_size={batch_size}: encode at least one hashtag at a time.")
    starts = tqdm(range(0, len(hashtags), batch_size), desc="Encoding hashtags", disable=not progress_bar)
    vectors = []
    with torch.inference_mode(), _evaluating(retriever):
        for start in starts:
            inputs = processor(hashtags=hashtags[start : start + batch_size], return_tensors="pt")
            features = retriever.get_hashtag_features(
                input_ids=inputs["input_ids"].to(retriever.device),
                attention_mask=inputs["attention_mask"].to(retriever.device),
            )
            vectors.append(features.to("cpu", torch.float32))
    return torch.cat(vectors)


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Dropout off for the time being: a pool made in the middle of a training is made of clean vectors too."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _named(items: Sequence[object]) -> str:
    more = len(items) - _NAMED_AT_MOST
    return ", ".join(map(repr, items[:_NAMED_AT_MOST])) + (f" and {more} more" if more > 0 else "")
