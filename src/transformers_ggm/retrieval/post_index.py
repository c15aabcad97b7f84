"""The index of tagged posts: what others tagged like this one."""

import copy
import os
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from huggingface_hub import CommitInfo
from torch.nn.functional import normalize

from ..errors import EncoderMismatchError, PostIndexError
from ..utils.hub_commits import commit_files
from ..utils.remote_code_fields import IS_REMOTE_CODE
from .hashtag_table import named
from .hub_folders import fetch_folder
from .indexes import SearchIndex, make_index
from .pool_vectors import PoolVectors
from .post_encoders import Encoder, field_read_by
from .post_files import CARD_FILE, POST_FILES, PostContents, read_posts, write_posts
from .post_reading import check_ids, read_batches
from .post_search import allowed_rows, search_one, search_sparse
from .post_table import (
    TEXT_COLUMN,
    Vocabulary,
    hashtag_numbers,
    next_number,
    times_of,
)
from .sparse_index import SparseIndex
from .times import microseconds, parse_time

# Of the posts that a dense search finds, some may be too late or too similar: as many times more are looked at first.
_MORE = 2


@dataclass(frozen=True)
class SimilarPost:
    """
    A post that was found.

    Attributes:
        id (`str`): of the post.
        hashtags (`tuple[str, ...]`): normalised, without `#`.
        similarity (`float`): cosine similarity to what was searched by.
        text (`str`, defaults to `""`): its words, where the index keeps them.
    """

    id: str
    hashtags: tuple[str, ...]
    similarity: float
    text: str = ""


@dataclass(frozen=True)
class _Posts:
    """
    What an index holds at one moment. Neither this nor any of its parts is ever written into, so that a search goes on
    with what it began with while the index changes.
    """

    table: pa.Table
    numbers: np.ndarray
    starts: np.ndarray
    times: np.ndarray
    vectors: PoolVectors | None
    dense: SearchIndex | None
    sparse: SparseIndex | None


class PostIndex:
    """
    Posts with their hashtags, searched by meaning (`"dense"`, the vectors of an encoder of texts, pictures or sounds),
    by shared words (`"sparse"`, TF-IDF; character n-grams in scripts without spaces), or both.

    Texts are not kept unless asked for: vectors (float16, memory-mapped above 256 MB) and hashed terms are. Adding and
    removing is seen by the next search; several threads may use one index. A dense search costs one pass of the
    encoder and one matrix product a batch, a sparse one goes through the posts that share a term.

    Made by [`~PostIndex.build`] and [`~PostIndex.from_pretrained`].

    Args:
        contents (`PostContents`): Its posts, their hashtags, vectors and terms, as its files hold them.
        encoder ([`TextEncoder`] or another [`~retrieval.post_index.Encoder`], *optional*): The one that made the
            vectors; needed for dense search by texts, and for adding to an index with vectors.
        index (`str`, defaults to `"auto"`): How vectors are searched, see [`HashtagPool`].

    Raises:
        EncoderMismatchError: The vectors were made by another encoder, or there are none.

    Example:

    ```python
    >>> from transformers_ggm import PostIndex

    >>> posts = [
    ...     {"description": "first snow on the hill", "hashtags": ["snow", "winter"]},
    ...     {"description": "a day by the lake", "hashtags": ["lake"], "time": "2026-06-29T16:30:37Z"},
    ... ]
    >>> index = PostIndex.build(posts)
    >>> index.add([{"id": "new", "description": "snow in may", "hashtags": ["#Snow"]}])
    >>> [post.hashtags for post in index.search(["snow today"], k=2, by="sparse")[0]]
    [('snow',), ('snow', 'winter')]
    >>> len(index), index.hashtag_counts()["snow"]
    (3, 2)

    ```
    """

    def __init__(self, contents: PostContents, encoder: Encoder | None = None, index: str = "auto"):
        self.encoder_fingerprint = contents.encoder_fingerprint
        if encoder is not None:
            self._check_encoder(encoder)
        self.encoder, self._index_name = encoder, index
        self._vocabulary = Vocabulary(contents.hashtags)
        self._changing = threading.Lock()
        vectors = None if contents.vectors is None else PoolVectors(list(contents.vectors), contents.whole_dim)
        sparse = None if contents.counts is None else SparseIndex(contents.counts)
        self._set(contents.table, vectors, sparse)

    def __getstate__(self) -> dict[str, Any]:
        # A lock can be neither copied nor sent to another process.
        return {name: value for name, value in vars(self).items() if name != "_changing"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._changing = threading.Lock()

    def _set(
        self,
        table: pa.Table,
        vectors: PoolVectors | None,
        sparse: SparseIndex | None,
        grown_from: SearchIndex | None = None,
    ) -> None:
        dense = None if vectors is None else make_index(self._index_name, vectors, grown_from)
        table = table.combine_chunks()
        self._posts = _Posts(table, *hashtag_numbers(table), times_of(table), vectors, dense, sparse)

    @classmethod
    def build(
        cls,
        posts: Iterable[Mapping[str, Any]],
        encoder: Encoder | None = None,
        *,
        sparse: bool = True,
        store_text: bool = False,
        index: str = "auto",
        dim: int | None = None,
    ) -> "PostIndex":
        """
        Makes an index of posts, some thousand at a time: vectors beyond 256 MB go to a temporary file.

        Args:
            posts (iterable of `dict`): A `datasets.Dataset`, a list or a stream of rows with `hashtags`, and as far as
                they are known `description`, `transcript`, `screen_text`, `id` (by default running numbers) and `time`
                (ISO 8601 with zone).
            encoder ([`TextEncoder`] or another [`~retrieval.post_index.Encoder`], *optional*): For dense search. One
                that reads another field than the text finds it in the rows; posts without it are found by words alone.
            sparse (`bool`, defaults to `True`): Whether to index shared words; needs scikit-learn.
            store_text (`bool`, defaults to `False`): Whether to keep the posts' words, and save them with the index.
            index (`str`, defaults to `"auto"`): How vectors are searched, see [`HashtagPool`].
            dim (`int`, *optional*): Keep the first so many numbers of each vector, see [`HashtagPool`]. Queries stay
                as wide as the encoder makes them.

        Raises:
            PostIndexError: There are no posts, one has no list of hashtags, two have one id, or neither `encoder`
                nor `sparse` is given; or `dim` comes without `encoder`.
            HashtagError: Some are no hashtags.
            PoolError: `dim` is no whole number from 1 to what the encoder gives.
            InputError: A time is not ISO 8601, or has no zone.
        """
        if encoder is None and not sparse:
            raise PostIndexError("an index without encoder and with sparse=False has nothing to search by: give one.")
        if encoder is None and dim is not None:
            raise PostIndexError("`dim` is of vectors, which an index without encoder does not have: leave it out.")
        vocabulary = Vocabulary()
        tables, vectors, terms = read_batches(posts, encoder, sparse, store_text, vocabulary, 0, dim)
        if not tables:
            raise PostIndexError("there are no posts: an index needs at least one.")
        table = pa.concat_tables(tables)
        check_ids(table)
        contents = PostContents(
            table=table,
            hashtags=vocabulary.hashtags,
            vectors=None if vectors is None else vectors.blocks,
            dim=0 if vectors is None else vectors.dim,
            whole_dim=0 if vectors is None else vectors.whole_dim,
            counts=terms,
            encoder_fingerprint="" if encoder is None else encoder.fingerprint(),
        )
        return cls(contents, encoder, index)

    def add(self, posts: Iterable[Mapping[str, Any]]) -> None:
        """
        Adds posts at the end; the next search finds them. On any error the index stays as it was.

        Args:
            posts (iterable of `dict`): As in [`~PostIndex.build`]. Posts of an id that is there already are refused.

        Raises:
            PostIndexError: An id is there already, or the index has vectors and was loaded without its encoder; and
                what [`~PostIndex.build`] raises.
        """
        with self._changing:
            before = self._posts
            if before.vectors is not None and self.encoder is None:
                raise PostIndexError("the index has vectors: load it with its encoder to add posts.")
            store_text = TEXT_COLUMN.name in before.table.column_names
            encoder = self.encoder if before.vectors is not None else None
            number, dim = next_number(before.table), None if before.vectors is None else before.vectors.cut_to
            tables, vectors, counts = read_batches(
                posts, encoder, before.sparse is not None, store_text, self._vocabulary, number, dim
            )
            if not tables:
                return
            table = pa.concat_tables([before.table, *tables])
            check_ids(table)
            if vectors is not None:
                vectors = before.vectors.followed_by(vectors)
            sparse = before.sparse and before.sparse.followed_by(counts)
            self._set(table, vectors, sparse, before.dense)

    def remove(self, ids: Iterable[str]) -> None:
        """
        Removes posts; the next search does not find them.

        Args:
            ids (iterable of `str`): Of the posts, as [`~PostIndex.ids`] tells them; an id given twice counts once.

        Raises:
            PostIndexError: Some ids are not there, or no post would be left; nothing is removed.
        """
        if isinstance(ids, str):
            raise PostIndexError(f"ids={ids!r} is one string: give a list of ids. Nothing was removed.")
        ids = list(map(str, ids))
        with self._changing:
            before = self._posts
            known = pc.is_in(pa.array(ids, pa.large_string()), before.table["id"].combine_chunks())
            unknown = [name for name, is_known in zip(ids, known.to_pylist()) if not is_known]
            if unknown:
                raise PostIndexError(f"not in the index of posts: {named(unknown)}. Nothing was removed.")
            keep = ~pc.is_in(before.table["id"], pa.array(ids, pa.large_string())).to_numpy()
            if not keep.any():
                raise PostIndexError("removing these posts would leave the index empty. Nothing was removed.")
            vectors = None if before.vectors is None else before.vectors.without(keep)
            sparse = before.sparse and before.sparse.kept(keep)
            self._set(before.table.filter(pa.array(keep)), vectors, sparse)

    def forget(self, before: datetime | str | None = None, keep: int | None = None) -> int:
        """
        Removes old posts, so that an index to which posts are added all the time does not grow for ever.

        Args:
            before (`datetime` or `str`, *optional*): With its zone; posts of an earlier time go, those without a time
                stay.
            keep (`int`, *optional*): How many stay at most: the newest ones, and of those of one time, or without a
                time, which count as the oldest, the ones added last.

        Returns:
            `int`: How many were removed.

        Raises:
            PostIndexError: Neither is given, `keep` is below 1, or no post would be left; nothing is removed.
            InputError: `before` is no time, or has no zone.
        """
        limit = parse_time(before)
        if limit is None and keep is None:
            raise PostIndexError("say which posts are to go: by before=, the time, or by keep=, how many stay.")
        if keep is not None and keep < 1:
            raise PostIndexError(f"keep={keep}: one post has to stay at least. Nothing was removed.")
        times = self._posts.times
        stays = np.ones(len(times), bool)
        if limit is not None:
            stays = (times >= microseconds(limit)) | (times == np.iinfo(np.int64).min)
        if keep is not None:
            newest = np.argsort(times[stays], kind="stable")[::-1][:keep]
            stays[np.delete(np.flatnonzero(stays), newest)] = False
        gone = self._posts.table["id"].filter(pa.array(~stays)).to_pylist()
        if gone:
            self.remove(gone)
        return len(gone)

    def search(
        self,
        texts: Sequence[str] | None = None,
        k: int = 20,
        *,
        by: str = "dense",
        vectors: torch.Tensor | None = None,
        before: Sequence[datetime | None] | None = None,
        max_similarity: float | None = None,
    ) -> list[list[SimilarPost]]:
        """
        The posts most similar to each text, for the whole batch at once.

        Args:
            texts (`Sequence[str]`, *optional*): The queries; nothing is found for an empty one. Needed without
                `vectors`, and for a sparse search.
            k (`int`, defaults to 20): How many posts at most.
            by (`str`, defaults to `"dense"`): Or `"sparse"`.
            vectors (`torch.Tensor` of shape `(q, d)`, *optional*): For a dense search in the place of `texts`, where
                the encoder gave them before; whole, of any length above 0 and any floating-point type.
            before (`Sequence[datetime]`, *optional*): For each text the time, with its zone, before which a post must
                have been made, or `None` for any time; posts without a time count as earlier.
            max_similarity (`float`, *optional*): Posts more similar than this are left out: those that are the same.

        Returns:
            `list[list[SimilarPost]]`: Most similar first, of equal ones the one added first (but see [`HashtagPool`]
            for `index="faiss"`).

        Raises:
            PostIndexError: The index was built without what the search needs, or loaded without the encoder; `by` is
                neither of the two, `k` is below 1, there is no query, vectors have another width, or `before` is not
                one for each query.
            InputError: A time of `before` is none, or has no zone.
        """
        posts = self._posts
        if not isinstance(k, int) or k < 1:
            raise PostIndexError(f"k={k!r}: ask for at least one post.")
        if isinstance(texts, str):
            raise PostIndexError("`texts` is one string: give a list of texts.")
        if texts is None and (vectors is None or by == "sparse"):
            raise PostIndexError(
                f"`texts` is missing, which a {by} search needs{' without `vectors`' * (by == 'dense')}."
            )
        count = len(vectors if texts is None else texts)
        if before is not None and len(before) != count:
            raise PostIndexError(
                f"`before` has {len(before)} times for {count} queries: give one, or `None`, for each."
            )
        if not count:
            return []
        times = [parse_time(time) for time in before or ()]
        limits = [None if time is None else microseconds(time) for time in times] if any(times) else None
        if by == "dense":
            found = self._search_dense(posts, texts, vectors, k, limits, max_similarity)
        elif by == "sparse":
            found = search_sparse(posts, texts, k, limits, max_similarity)
        else:
            raise PostIndexError(f"by={by!r}: search by 'dense' or 'sparse'.")
        return [[self._similar(posts, int(row), value) for row, value in zip(*of_text)] for of_text in found]

    def _similar(self, posts: _Posts, row: int, similarity: float) -> SimilarPost:
        numbers = posts.numbers[posts.starts[row] : posts.starts[row + 1]]
        hashtags = tuple(self._vocabulary.hashtags[number] for number in numbers)
        text = posts.table[TEXT_COLUMN.name][row].as_py() if TEXT_COLUMN.name in posts.table.column_names else ""
        return SimilarPost(posts.table["id"][row].as_py(), hashtags, float(similarity), text)

    def _search_dense(self, posts, texts, vectors, k, limits, max_similarity):
        if posts.vectors is None:
            raise PostIndexError("the index has no vectors: build it with an encoder, or search by='sparse'.")
        said = [True] * len(vectors) if texts is None else [bool(text.strip()) for text in texts]
        if vectors is None:
            vectors = self._encoded(texts)
        vectors = normalize(torch.as_tensor(vectors).detach().to("cpu", torch.float32), dim=-1)
        shape = (len(said), posts.vectors.whole_dim)
        if tuple(vectors.shape) != shape:
            raise PostIndexError(
                f"vectors has shape {tuple(vectors.shape)}: give (q, {shape[1]}), a vector for each of the"
                f" {len(said)} queries."
            )
        if not vectors.isfinite().all():
            raise PostIndexError("vectors holds NaN or infinity: check what the encoder gives.")
        vectors = posts.vectors.cut(vectors)
        most = min(_MORE * k if limits or max_similarity else k, len(posts.vectors))
        similarities, rows = (tensor.numpy() for tensor in posts.dense.search(vectors, most))
        found = []
        for number, is_said in enumerate(said):
            limit = limits[number] if limits else None
            allowed = allowed_rows(posts, rows[number], similarities[number], limit, max_similarity)
            chosen = rows[number][allowed][:k], similarities[number][allowed][:k]
            if is_said and len(chosen[0]) < k and most < len(posts.vectors):
                chosen = search_one(posts, vectors[number], k, limit, max_similarity)
            found.append(chosen if is_said else (rows[number][:0], similarities[number][:0]))
        return found

    def _encoded(self, texts: Sequence[str]) -> torch.Tensor:
        if self.reads != "text":
            raise PostIndexError(f"the index has vectors of {self.reads}, not of texts: give vectors=.")
        return self.encode(texts)

    def encode(self, inputs: Sequence[Any]) -> torch.Tensor:
        """
        Vectors to search by, of what the index's encoder reads.

        Args:
            inputs (`Sequence[Any]`): Texts, or what else the encoder takes.

        Returns:
            `torch.Tensor` of shape `(len(inputs), d)`.

        Raises:
            PostIndexError: The index has no encoder.
        """
        if self.encoder is None:
            raise PostIndexError("the index was loaded without its encoder: pass encoder=, or give vectors.")
        return self.encoder.encode(inputs)

    def _check_encoder(self, encoder: Encoder) -> None:
        given = encoder.fingerprint()
        if given != self.encoder_fingerprint:
            raise EncoderMismatchError(
                f"the index of posts was made by the encoder {self.encoder_fingerprint or '(none)'}, not by the one"
                f" given, {given}: use its own encoder, or build the index anew with PostIndex.build(...)."
            )

    def hashtag_counts(self) -> dict[str, int]:
        """How many posts have each hashtag; hashtags that no post has any more are left out."""
        counts = np.bincount(self._posts.numbers, minlength=0).tolist()
        return {self._vocabulary.hashtags[number]: count for number, count in enumerate(counts) if count}

    @property
    def searches(self) -> tuple[str, ...]:
        """What it can be searched by: of `"dense"` and `"sparse"`."""
        parts = {"dense": self._posts.vectors, "sparse": self._posts.sparse}
        return tuple(name for name, part in parts.items() if part is not None)

    @property
    def reads(self) -> str:
        """Which field of a post its vectors are of, as far as its encoder is there to tell: `"text"` of most."""
        return field_read_by(self.encoder)

    @property
    def ids(self) -> list[str]:
        """The ids of the posts, in the order in which they came (a copy)."""
        return self._posts.table["id"].to_pylist()

    @property
    def stores_text(self) -> bool:
        """Whether the words of the posts are kept."""
        return TEXT_COLUMN.name in self._posts.table.column_names

    def copy(self) -> "PostIndex":
        """An index with the same posts that is changed apart from this one; it costs next to nothing."""
        same = copy.copy(self)
        same._vocabulary = Vocabulary(self._vocabulary.hashtags)
        return same

    def __len__(self) -> int:
        return self._posts.table.num_rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} posts, searched by {' and '.join(self.searches)})"

    def save_pretrained(self, save_directory: str | os.PathLike) -> None:
        """
        Saves the index (Parquet, safetensors and JSON) with a card. The folder is replaced as a whole: if saving
        fails, what was there is still there.

        Args:
            save_directory (`str` or `os.PathLike`): A folder of its own, made where there is none.

        Raises:
            CheckpointError: `save_directory` is a file, or holds files that are not an index's.
        """
        # A copy, which other threads do not change between the files and the card.
        index = self.copy()
        write_posts(save_directory, index._contents(), index._card())

    def _contents(self) -> PostContents:
        posts = self._posts
        return PostContents(
            table=posts.table,
            hashtags=list(self._vocabulary.hashtags),
            vectors=None if posts.vectors is None else posts.vectors.kept(None),
            dim=0 if posts.vectors is None else posts.vectors.dim,
            whole_dim=0 if posts.vectors is None else posts.vectors.whole_dim,
            counts=None if posts.sparse is None else posts.sparse.counts,
            encoder_fingerprint=self.encoder_fingerprint,
        )

    def _card(self, repo_id: str | None = None, subfolder: str = "") -> str | None:
        if IS_REMOTE_CODE:
            # The templates of cards stay with the package.
            return None
        from ..hub_cards.posts_card import make_posts_card

        return make_posts_card(
            size=len(self),
            num_hashtags=len(self.hashtag_counts()),
            searches=self.searches,
            stores_text=self.stores_text,
            encoder_fingerprint=self.encoder_fingerprint,
            repo_id=repo_id,
            subfolder=subfolder,
        )

    @classmethod
    def from_pretrained(
        cls,
        path_or_hub_id: str | os.PathLike,
        *,
        encoder: Encoder | None = None,
        subfolder: str = "",
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike | None = None,
        local_files_only: bool = False,
        index: str = "auto",
    ) -> "PostIndex":
        """
        Loads an index from a local folder or from the Hub.

        Args:
            path_or_hub_id (`str` or `os.PathLike`): A folder written by [`~PostIndex.save_pretrained`], or the id of a
                repository.
            encoder ([`TextEncoder`], *optional*): The one that made its vectors; needed for dense search by texts, and
                for adding to an index with vectors.
            subfolder (`str`, defaults to `""`): `"posts"` in a whole checkpoint.
            revision, token, cache_dir, local_files_only: As in `huggingface_hub.snapshot_download`.
            index (`str`, defaults to `"auto"`): See [`HashtagPool`].

        Raises:
            CheckpointError: There is no index, a file is missing or unreadable, or its files do not belong together.
            EncoderMismatchError: It was made by another encoder.
        """
        folder = fetch_folder(
            path_or_hub_id,
            POST_FILES,
            "index of posts",
            subfolder=subfolder,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        return cls(read_posts(folder), encoder, index)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        subfolder: str = "",
        commit_message: str = "Upload index of posts",
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
    ) -> CommitInfo:
        """
        Uploads the index to a model repository on the Hub in one commit, making the repository where there is none.

        Args:
            repo_id (`str`): The repository, `"user/name"`.
            subfolder (`str`, defaults to `""`): Where in the repository; `"posts"` beside a model.
            commit_message, private, token, revision, create_pr: As in `transformers`' `push_to_hub`.
        """
        index = self.copy()
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "posts"
            write_posts(folder, index._contents(), index._card(repo_id, subfolder))
            files = {
                str(PurePosixPath(subfolder, name)): folder / name
                for name in (*POST_FILES, CARD_FILE)
                if (folder / name).is_file()
            }
            return commit_files(
                files,
                repo_id,
                commit_message=commit_message,
                private=private,
                token=token,
                revision=revision,
                create_pr=create_pr,
            )
