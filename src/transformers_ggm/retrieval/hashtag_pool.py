"""The hashtag pool: the hashtags that guidance is taken from, each with the vector that the retriever gives it."""

import copy
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from huggingface_hub import CommitInfo

from ..errors import CheckpointError, HashtagError, PoolError
from ..processing.hashtags import normalize_hashtag
from .hashtag_completions import PoolCompletions
from .hashtag_encoding import encode_hashtags, spellings_with_capitals
from .hashtag_spellings import Spellings, commonest_spelling, with_spellings, without_spellings, written_spellings
from .hashtag_table import (
    HashtagNames,
    NameSlices,
    as_iterable,
    check_any,
    checked_counts,
    counted_hashtags,
    named,
    normalized_hashtags,
    pool_key,
)
from .hashtag_uses import HashtagUses
from .hub_folders import fetch_folder
from .pool_files import POOL_FILES, USES_FILE, check_fingerprint, read_pool, write_pool
from .pool_rows import PoolRows, read_rows
from .pool_sharing import card_of, push_pool
from .pool_vectors import PoolVectors

_ROWS_AT_A_TIME = 2**14


class HashtagPool:
    """
    Hashtags with their vectors, searched by the vector of a video (the guidance of Yu et al., ACL 2023).

    Several threads may use one pool: a search sees it before or after a change, never half-way.

    Hashtags are kept normalised (lower case, no `#`), each one once, in the order in which they came. Vectors are
    rounded to float16, the precision they are saved in: a pool ranks the same before and after saving. Above 256 MB
    they are memory-mapped from the pool's file, or from a temporary one, and need not fit into memory. Scores are
    inner products, so they are cosine similarities when queries and vectors have length 1, as those of
    [`HashtagRetriever`] have.

    Args:
        hashtags (`Sequence[str]`): The `n` hashtags, with or without `#`.
        embeddings (`torch.Tensor` of shape `(n, d)`): Their vectors, in the same order.
        counts (`Sequence[int]`, *optional*): How often each one was seen. Defaults to 1 each.
        retriever_fingerprint (`str`, defaults to `""`): `retriever.fingerprint()` of the retriever that made the
            vectors. A pool without one cannot be used with a retriever.
        index (`str`, defaults to `"auto"`): `"exact"` goes through all vectors. `"faiss"` (needs `pip install
            transformers-ggm[faiss]`) is exact too up to 250,000 hashtags, and quicker for single queries; beyond
            that FAISS finds candidates by short codes, and scores are exact, but a few of the nearest hashtags may be
            missed: at least 95% of the nearest 50 are found. `"auto"` is `"exact"` up to 250,000 hashtags, and beyond
            that `"faiss"` where it is installed.
        dim (`int`, *optional*): Keep the first so many numbers of each vector, with length 1 again: a smaller pool, of
            a retriever trained with `matryoshka_dims`. Queries, and what is added, are given whole and cut likewise.

    Attributes:
        blocks (`frozenset[str]`): patterns that a pipeline never shows: those of the store that a pool follows.

    Raises:
        HashtagError: `hashtags` is empty, or a hashtag is not valid or stands there twice.
        PoolError: `embeddings`, `counts` or `dim` do not fit, or the index is not known or not installed.

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
        index: str = "auto",
        dim: int | None = None,
    ):
        names = normalized_hashtags(hashtags)
        check_any(names)
        vectors = torch.as_tensor(embeddings)
        if vectors.ndim != 2 or len(vectors) != len(names):
            raise PoolError(
                f"embeddings has shape {tuple(vectors.shape)}: give ({len(names)}, d), one vector for each hashtag."
            )
        numbers = checked_counts(counts, len(names))
        collected = PoolVectors.collect(vectors.split(_ROWS_AT_A_TIME), dim)
        self._fill(names, numbers, collected, retriever_fingerprint, index)
        self._spellings = written_spellings(hashtags, numbers.tolist())

    def _fill(
        self,
        names: pa.LargeStringArray,
        counts: np.ndarray,
        vectors: PoolVectors,
        retriever_fingerprint: str,
        index: str,
    ) -> None:
        self.retriever_fingerprint = retriever_fingerprint
        self._changing = threading.Lock()
        # One object, looked up once by whoever reads: a pool is changed as a whole or, where this fails, not at all.
        self._rows = PoolRows.make(HashtagNames(names), counts, vectors, index)
        self._uses = HashtagUses()
        self._completions = PoolCompletions()
        self._spellings: Spellings = {}  # of lists; the uses have those of posts
        self.blocks: frozenset[str] = frozenset()

    def __getstate__(self) -> dict[str, Any]:
        # A lock can be neither copied nor sent to another process.
        return {name: value for name, value in vars(self).items() if name != "_changing"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._changing = threading.Lock()

    @classmethod
    def build(
        cls,
        hashtags: Iterable[str] | Mapping[str, int],
        retriever: Any,
        processor: Any,
        batch_size: int = 256,
        index: str = "auto",
        progress_bar: bool = True,
        dim: int | None = None,
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
            index (`str`, defaults to `"auto"`): See [`HashtagPool`].
            progress_bar (`bool`, defaults to `True`): Whether to show one.
            dim (`int`, *optional*): See [`HashtagPool`].

        Raises:
            HashtagError: There are no hashtags, or some are not valid; the message names them.
            PoolError: A count is no whole number of 0 or more, `batch_size` is not positive, or `dim` does not fit.
        """
        hashtags = list(hashtags) if isinstance(hashtags, Iterator) else hashtags
        names, counts = counted_hashtags(hashtags)
        spellings = spellings_with_capitals(hashtags, processor)
        vectors = encode_hashtags(NameSlices(names), retriever, processor, batch_size, progress_bar, spellings)
        pool = cls.__new__(cls)
        pool._fill(names, counts, PoolVectors.collect(vectors, dim), retriever.fingerprint(), index)
        pool._spellings = written_spellings(hashtags)
        return pool

    @classmethod
    def from_batches(
        cls,
        batches: Iterable[tuple[Sequence[str], torch.Tensor] | tuple[Sequence[str], torch.Tensor, Sequence[int]]],
        retriever_fingerprint: str = "",
        index: str = "auto",
        dim: int | None = None,
    ) -> "HashtagPool":
        """
        Makes a pool of vectors that come batch by batch and need not fit into memory together: above 256 MB they are
        written to a temporary file, in the folder that the environment's `TMPDIR` names.

        Args:
            batches (`Iterable[tuple]`): Of hashtags, their vectors `(m, d)` and, where there are any, their counts.
            retriever_fingerprint, index, dim: See [`HashtagPool`].

        Raises:
            HashtagError: There are no hashtags, or a hashtag is not valid or stands there twice.
            PoolError: The parts of a batch do not fit each other, or its vectors those of the first one.

        Example:

        ```python
        >>> batches = [(["a", "b"], torch.eye(2)), (["c"], torch.ones(1, 2), [7])]
        >>> pool = HashtagPool.from_batches(batches)
        >>> pool.hashtags, pool.counts
        (['a', 'b', 'c'], [1, 1, 7])

        ```
        """
        names, counts, spellings = [], [np.zeros(0, np.int64)], {}

        def vectors() -> Iterator[torch.Tensor]:
            for hashtags, embeddings, *given in batches:
                if len(hashtags) != len(embeddings):
                    raise PoolError(f"a batch has {len(embeddings)} embeddings for {len(hashtags)} hashtags.")
                names.append(normalized_hashtags(hashtags))
                counts.append(checked_counts(given[0] if given else None, len(hashtags)))
                spellings.update(written_spellings(hashtags, counts[-1].tolist()))
                yield from torch.as_tensor(embeddings).split(_ROWS_AT_A_TIME)
            check_any(np.concatenate(counts))

        collected = PoolVectors.collect(vectors(), dim)
        pool = cls.__new__(cls)
        pool._fill(pa.concat_arrays(names), np.concatenate(counts), collected, retriever_fingerprint, index)
        pool._spellings = spellings
        return pool

    def copy(self) -> "HashtagPool":
        """
        A pool with the same hashtags that is changed apart from this one, for instance one for each visitor of an app.
        It costs next to nothing: vectors and index are shared until one of the two is changed.

        Example:

        ```python
        >>> pool = HashtagPool(["snow", "skiing"], torch.eye(2))
        >>> mine = pool.copy()
        >>> mine.remove(["snow"])
        >>> mine.hashtags, pool.hashtags
        (['skiing'], ['snow', 'skiing'])

        ```
        """
        # Enough for rows: changes put new objects in place of the old ones and never write into them.
        same = copy.copy(self)
        same._uses = self._uses.copy()
        return same

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
        error the pool stays as it was. Other threads search the pool as it was meanwhile, and wait with their own
        changes.

        Args:
            hashtags, retriever, processor, batch_size, progress_bar: As for [`~HashtagPool.build`], except that there
                may be no hashtags.

        Raises:
            RetrieverMismatchError: The pool was made by another retriever.
            HashtagError, PoolError: As for [`~HashtagPool.build`].
        """
        hashtags = list(hashtags) if isinstance(hashtags, Iterator) else hashtags
        names, counts = counted_hashtags(hashtags, allow_empty=True)
        spellings = spellings_with_capitals(hashtags, processor)
        self.check_retriever(retriever)
        with self._changing:
            before = self._rows
            rows = before.names.find(names.to_pylist())
            known = np.array([row is not None for row in rows], bool)
            after = before.counted([row for row in rows if row is not None], counts[known])
            if not known.all():
                new = names.filter(pa.array(~known)).to_pylist()
                encoded = encode_hashtags(new, retriever, processor, batch_size, progress_bar, spellings)
                after = after.followed_by(new, counts[~known], before.vectors.like(encoded))
            self._rows = after
            self._spellings = with_spellings(self._spellings, written_spellings(hashtags))

    def remove(self, hashtags: Iterable[str]) -> None:
        """
        Removes hashtags.

        Args:
            hashtags (`Iterable[str]`): With or without `#`, in any spelling.

        Raises:
            PoolError: Some are not in the pool (the message names them), or none would be left; nothing is removed.
        """
        given = list(as_iterable(hashtags))
        with self._changing:
            before = self._rows
            rows = before.names.find([pool_key(hashtag) for hashtag in given])
            unknown = [hashtag for hashtag, row in zip(given, rows) if row is None]
            if unknown:
                raise PoolError(f"not in the hashtag pool: {named(unknown)}. Nothing was removed.")
            self._rows = before.without(rows)
            gone = {before.names[row] for row in rows}
            self._uses.remove(gone)
            self._spellings = without_spellings(self._spellings, gone)

    def put(
        self,
        hashtags: Sequence[str],
        embeddings: torch.Tensor,
        counts: Sequence[int],
        removed: Iterable[str] = (),
        uses: HashtagUses | None = None,
        spellings: Spellings | None = None,
    ) -> None:
        """
        Takes over what is known of hashtags elsewhere, such as in a [`PoolStore`]: all of it at once.

        Args:
            hashtags (`Sequence[str]`): Those that are there keep their vectors and get other counts, the others
                come at the end.
            embeddings (`torch.Tensor` of shape `(n, d)`): Their vectors, whole, by the retriever of the pool.
            counts (`Sequence[int]`): How often each one was seen.
            removed (`Iterable[str]`, defaults to `()`): Hashtags that go; those that are not there are passed over.
            uses ([`HashtagUses`], *optional*): The new uses of the pool, in the place of those that it has.
            spellings (`dict[str, dict[str, int]]`, *optional*): How often `hashtags` were written in other spellings
                than theirs, in the place of what is known of them.

        Raises:
            HashtagError: One is no hashtag, or stands there twice.
            PoolError: The arguments do not fit each other, or none would be left; the pool stays as it was.
        """
        names = HashtagNames(normalized_hashtags(hashtags)).arrow().to_pylist()
        given = checked_counts(counts, len(names))
        with self._changing:
            after = self._rows
            rows = after.names.find(names)
            known = np.array([row is not None for row in rows], bool)
            places = [row for row in rows if row is not None]
            after = after.counted(places, given[known] - after.counts[places])
            if not known.all():
                new = [name for name, row in zip(names, rows) if row is None]
                vectors = after.vectors.like([torch.as_tensor(embeddings)[torch.from_numpy(~known)]])
                after = after.followed_by(new, given[~known], vectors)
            gone = list(dict.fromkeys(map(pool_key, removed)))
            self._rows = after.without([row for row in after.names.find(gone) if row is not None])
            if uses is not None:
                self._uses = uses
            if spellings is not None:
                self._spellings = {**without_spellings(self._spellings, {*gone, *names}), **spellings}

    def observe(self, posts: Iterable[Mapping[str, Any]], now: datetime | None = None) -> dict[str, int]:
        """
        Counts the hashtags of posts, those of them too that the pool does not have: the source of trends proposes
        them. Counts of hashtags that it has are raised. On any error nothing is counted.

        Args:
            posts (iterable of `dict`), now (`datetime`, *optional*): As for [`HashtagUses.observe`].

        Returns:
            `dict[str, int]`: How many uses of which hashtags were counted.

        Raises:
            InputError, HashtagError: As for [`HashtagUses.observe`].

        Example:

        ```python
        >>> pool = HashtagPool(["snow", "lake"], torch.eye(2))
        >>> pool.observe([{"hashtags": ["#Snow", "#heatwave"], "time": "2026-01-01T08:00:00Z", "language": "en"}])
        {'snow': 1, 'heatwave': 1}
        >>> pool.counts, len(pool.uses)
        ([2, 1], 2)

        ```
        """
        with self._changing:
            uses = self._uses.observe(posts, now)
            known = {name: row for name, row in zip(uses, self._rows.names.find(list(uses))) if row is not None}
            self._rows = self._rows.counted(list(known.values()), [uses[name] for name in known])
        return uses

    @property
    def uses(self) -> HashtagUses:
        """The uses of hashtags over time, as far as [`~HashtagPool.observe`] was told of any."""
        return self._uses

    def spelling(self, hashtag: str) -> str:
        """
        How a hashtag is written most often, without `#`, in the lists and posts that the pool was told of.

        Args:
            hashtag (`str`): In any spelling. One of which nothing is known is told in lower case.

        Raises:
            HashtagError: It is no hashtag.

        Example:

        ```python
        >>> pool = HashtagPool(["#FirstSnow"], torch.ones(1, 2))
        >>> pool.spelling("firstsnow")
        'FirstSnow'

        ```
        """
        key, rows = normalize_hashtag(hashtag), self._rows
        (row,) = rows.names.find([key])
        known = with_spellings({key: self._uses.spellings(key)}, {key: self._spellings.get(key, {})})
        return commonest_spelling(key, known[key], 0 if row is None else int(rows.counts[row]))

    @property
    def spellings(self) -> dict[str, dict[str, int]]:
        """Of hashtags in lists, how often each was written in other spellings than that in which it is kept."""
        return {hashtag: dict(counts) for hashtag, counts in self._spellings.items()}

    def search(self, queries: torch.Tensor, k: int) -> tuple[torch.Tensor, list[list[str]]]:
        """
        Finds the `k` hashtags nearest to every query, for the whole batch at once.

        Args:
            queries (`torch.Tensor` of shape `(q, whole_dim)` or `(whole_dim,)`): Vectors of videos, of any float type,
                on any device. One vector alone is a batch of one.
            k (`int`): How many hashtags, from 1 to the size of the pool.

        Returns:
            `tuple`: scores `(q, k)`, float32 on the CPU, and `q` lists of `k` hashtags (without `#`), best first.
            With the exact index, equal scores come in pool order.

        Raises:
            PoolError: `k` is out of range, or the queries have another width than the pool or are not finite.
        """
        return self._rows.search(queries, k)

    def check_retriever(self, retriever: Any) -> None:
        """
        Refuses another retriever than the pool's own, whose vectors are others.

        Args:
            retriever ([`HashtagRetriever`]): What queries are to be made with.

        Raises:
            RetrieverMismatchError: The pool was not made by this retriever, or does not say by which one.
        """
        check_fingerprint(self.retriever_fingerprint, retriever.fingerprint())

    @property
    def hashtags(self) -> list[str]:
        """The hashtags in pool order, without `#` (a copy)."""
        return list(self._rows.names)

    @property
    def counts(self) -> list[int]:
        """How often each hashtag was seen, in pool order (a copy)."""
        return self._rows.kept_counts().tolist()

    def likely(self, beginning: str) -> str | None:
        """
        What a hashtag may become: of those that begin so the one that was seen most often, or `None`. It may be by the
        pool as it was a tenth of its size ago, and goes by its 100,000 hashtags that were seen most often.

        Args:
            beginning (`str`): Of a normalised hashtag, without `#`.
        """
        return self._completions.likely(self._rows, beginning)

    @property
    def embeddings(self) -> torch.Tensor:
        """The vectors `(n, d)`, float32 on the CPU, rounded to float16 (a copy, which may not fit into memory)."""
        return torch.cat([rows.float() for rows in self._rows.kept_vectors()])

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return self._rows.vectors.dim

    @property
    def whole_dim(self) -> int:
        """How many numbers the retriever's vectors have, and so queries: more than `dim` where they were cut."""
        return self._rows.vectors.whole_dim

    def __len__(self) -> int:
        return len(self._rows.names)

    def __contains__(self, hashtag: object) -> bool:
        return self._rows.names.find([pool_key(hashtag)]) != [None]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows.names)

    def __repr__(self) -> str:
        rows = self._rows
        return (
            f"{type(self).__name__}({len(rows.names)} hashtags, {rows.vectors.dim} dimensions, "
            f"index={rows.index_name!r}, retriever_fingerprint={self.retriever_fingerprint!r})"
        )

    def save_pretrained(self, save_directory: str | os.PathLike, *, create_model_card: bool = True) -> None:
        """
        Saves the pool as `hashtags.parquet`, `embeddings.safetensors` (float16), `pool.json` and, where uses were
        observed, `uses.parquet`, with a card, `README.md`. The folder is replaced as a whole: if saving fails, a pool
        that was there before is still there. Of a card that is there, only the facts between its two marks are
        written anew.

        Args:
            save_directory (`str` or `os.PathLike`): Made where it does not exist.
            create_model_card (`bool`, defaults to `True`): Whether to write a card where there is none.

        Raises:
            CheckpointError: `save_directory` is a file, or holds files that are not a pool's.
        """
        # A copy, which other threads do not change between the files, or before the card.
        pool = self.copy()
        contents = pool._rows.contents(pool.retriever_fingerprint, pool._uses, pool._spellings)
        write_pool(save_directory, contents, lambda card: card_of(pool, card, create_model_card))

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
        index: str = "auto",
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
            index (`str`, defaults to `"auto"`): See [`HashtagPool`]. It is built from the vectors, never read.

        Raises:
            CheckpointError: There is no pool, a file of it is missing or unreadable, or its files do not belong
                together.
            RetrieverMismatchError: The pool was made by another retriever than `retriever`.
            PoolError: The index is not known or not installed.
        """
        folder = fetch_folder(
            path_or_hub_id,
            (*POOL_FILES, USES_FILE),
            "hashtag pool",
            subfolder=subfolder,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        contents = read_pool(folder)
        pool = cls.__new__(cls)
        try:
            names, counts, vectors = read_rows(contents, folder)
            pool._fill(names, counts, vectors, contents.retriever_fingerprint, index="exact")
        except (HashtagError, PoolError) as error:
            raise CheckpointError(f"the hashtag pool in {folder} is damaged: {error}") from error
        if retriever is not None:
            pool.check_retriever(retriever)
        # Only now, so that an index that is not installed is not taken for damage.
        pool._rows = PoolRows.make(pool._rows.names, counts, vectors, index)
        pool._uses, pool._spellings = contents.uses, contents.spellings
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
        return push_pool(
            self.copy(),
            repo_id,
            subfolder,
            commit_message=commit_message,
            private=private,
            token=token,
            revision=revision,
            create_pr=create_pr,
        )
