"""The files of an index of tagged posts: written whole or not at all, refused where they do not belong together."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from transformers.utils import is_scipy_available

from ..errors import CheckpointError
from ..utils.checkpoint_layout import read_configuration
from ..utils.files import atomic_folder
from ..version import __version__
from .pool_vectors import MAPPED_FROM
from .post_table import SCHEMA, TEXT_COLUMN, hashtag_numbers
from .sparse_index import NUM_TERMS, scipy_sparse
from .vector_files import VECTORS_KEY, sha256_of, write_vectors

if TYPE_CHECKING and is_scipy_available():  # so that code beside a checkpoint does not ask for it
    from scipy.sparse import csr_matrix

INDEX_FILE = "posts.json"
POSTS_FILE = "posts.parquet"
HASHTAGS_FILE = "hashtags.parquet"
EMBEDDINGS_FILE = "embeddings.safetensors"
SPARSE_FILE = "sparse.safetensors"
CARD_FILE = "README.md"
POST_FILES = (INDEX_FILE, POSTS_FILE, HASHTAGS_FILE, EMBEDDINGS_FILE, SPARSE_FILE)
FORMAT_VERSION = 1
_AGAIN = "save or download the index of posts again"


@dataclass(frozen=True)
class PostContents:
    """
    What the folder of an index holds.

    Attributes:
        table (`pa.Table`): the posts, see [`~retrieval.post_table.post_table`].
        hashtags (`list[str]`): the hashtags by their numbers.
        vectors (`Iterable[torch.Tensor]`, *optional*): float16 `(m, d)`, block by block; `None` without an encoder.
        dim (`int`): `d`, 0 without vectors.
        whole_dim (`int`): how many numbers the encoder's vectors have, of which the first `d` are kept.
        counts (`csr_matrix`, *optional*): the terms of the texts, `None` where they were not asked for.
        encoder_fingerprint (`str`): of the text encoder, `""` without one.
    """

    table: pa.Table
    hashtags: Sequence[str]
    vectors: Iterable[torch.Tensor] | None
    dim: int
    whole_dim: int
    counts: "csr_matrix | None"
    encoder_fingerprint: str


def write_posts(folder: str | os.PathLike, contents: PostContents, card: str | None) -> None:
    """
    Writes the files of an index into `folder`, which is replaced as a whole; a failure leaves what was there.

    Raises:
        CheckpointError: `folder` is a file, or holds files that are not an index's, which would be deleted.
    """
    target = Path(folder).resolve()
    if target.exists() and not target.is_dir():
        raise CheckpointError(f"{target} is a file: an index of posts is saved as a folder, give another name.")
    known = {*POST_FILES, CARD_FILE, ".gitattributes"}
    foreign = sorted(file.name for file in target.iterdir() if file.name not in known) if target.exists() else []
    if foreign:
        raise CheckpointError(
            f"{target} holds other files ({', '.join(foreign[:5])}), which saving an index of posts there would"
            f" delete: give it a folder of its own, for instance {target / 'posts'}."
        )
    with atomic_folder(target) as temporary:
        _write_files(temporary, contents)
        if card is not None:
            (temporary / CARD_FILE).write_text(card, encoding="utf-8")


def _write_files(folder: Path, contents: PostContents) -> None:
    pq.write_table(contents.table, folder / POSTS_FILE)
    pq.write_table(pa.table({"hashtag": pa.array(contents.hashtags, pa.large_string())}), folder / HASHTAGS_FILE)
    if contents.vectors is not None:
        write_vectors(folder / EMBEDDINGS_FILE, contents.vectors, (contents.table.num_rows, contents.dim))
    if contents.counts is not None:
        counts = contents.counts
        arrays = {"indptr": counts.indptr.astype(np.int64), "indices": counts.indices.astype(np.int32)}
        safetensors.numpy.save_file(arrays | {"counts": counts.data.astype(np.float16)}, folder / SPARSE_FILE)
    description = {
        "format_version": FORMAT_VERSION,
        "transformers_ggm_version": __version__,
        "encoder_fingerprint": contents.encoder_fingerprint,
        "size": contents.table.num_rows,
        "dim": contents.dim,
        "whole_dim": contents.whole_dim,
        "sha256": {name: sha256_of(folder / name) for name in POST_FILES if (folder / name).is_file()},
    }
    (folder / INDEX_FILE).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def read_posts(folder: Path) -> PostContents:
    """
    Reads the files of an index from a local folder.

    Raises:
        CheckpointError: A file is missing or unreadable, or they were not saved together.
    """
    description = _read_description(folder)
    for name, digest in description["sha256"].items():
        file = folder / name
        if name not in POST_FILES or not file.is_file():
            raise CheckpointError(f"{folder} has no {name}, which its {INDEX_FILE} speaks of: {_AGAIN}.")
        if sha256_of(file) != digest:
            raise CheckpointError(
                f"{file} is not the file that {INDEX_FILE} was saved with (its SHA-256 differs): it was changed, cut"
                f" short or taken from another index; {_AGAIN}."
            )
    try:
        return _read_contents(folder, description)
    except (pa.ArrowException, safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"the index of posts in {folder} is damaged ({error}): {_AGAIN}.") from error


def _read_description(folder: Path) -> dict[str, Any]:
    file = folder / INDEX_FILE
    if not file.is_file():
        raise CheckpointError(f"{folder} is not an index of posts: it has no {INDEX_FILE}; {_AGAIN}.")
    description = read_configuration(file, _AGAIN)
    # In earlier versions all vectors were whole.
    description = {"whole_dim": description.get("dim"), **description}
    numbers = dict.fromkeys(("format_version", "size", "dim", "whole_dim"), int)
    fields = {**numbers, "encoder_fingerprint": str, "sha256": dict}
    unusable = [field for field, kind in fields.items() if type(description.get(field)) is not kind]
    if unusable or not {POSTS_FILE, HASHTAGS_FILE} <= description["sha256"].keys():
        raise CheckpointError(f"{file} has no usable field {(unusable or ['sha256'])[0]!r}: {_AGAIN}.")
    if description["format_version"] > FORMAT_VERSION:
        raise CheckpointError(
            f"{file} has format version {description['format_version']}, newer than the {FORMAT_VERSION} that"
            f" transformers-ggm {__version__} reads: upgrade with `pip install --upgrade transformers-ggm`."
        )
    return description


def _read_contents(folder: Path, description: dict[str, Any]) -> PostContents:
    table, files = pq.read_table(folder / POSTS_FILE), description["sha256"]
    schema = SCHEMA.append(TEXT_COLUMN) if TEXT_COLUMN.name in table.column_names else SCHEMA
    table = table.cast(schema)
    hashtags = pq.read_table(folder / HASHTAGS_FILE)["hashtag"].to_pylist()
    vectors = _read_vectors(folder / EMBEDDINGS_FILE, description) if EMBEDDINGS_FILE in files else None
    counts = _read_counts(folder / SPARSE_FILE, table.num_rows) if SPARSE_FILE in files else None
    if description["whole_dim"] < description["dim"]:
        raise ValueError(f"{description['dim']} numbers kept of {description['whole_dim']}")
    if not table.num_rows or table.num_rows != description["size"]:
        raise ValueError(f"{table.num_rows} posts instead of {description['size'] or 'some'}")
    numbers, _ = hashtag_numbers(table)
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(hashtags):
        raise ValueError(f"a post has a hashtag that is not among the {len(hashtags)} of {HASHTAGS_FILE}")
    dims, fingerprint = (description["dim"], description["whole_dim"]), description["encoder_fingerprint"]
    return PostContents(table, hashtags, vectors, *dims, counts, fingerprint)


def _read_vectors(file: Path, description: dict[str, Any]) -> list[torch.Tensor]:
    """Memory-mapped when large, so that they need not fit into memory; else read, so that the file is free again."""
    vectors = safetensors.torch.load_file(file)[VECTORS_KEY]
    if vectors.dtype != torch.float16 or tuple(vectors.shape) != (description["size"], description["dim"]):
        raise ValueError(f"{file.name} holds {vectors.dtype} of shape {tuple(vectors.shape)}")
    return [vectors if vectors.nbytes > MAPPED_FROM else vectors.clone()]


def _read_counts(file: Path, size: int) -> "csr_matrix":
    arrays = safetensors.numpy.load_file(file)
    contents = arrays["counts"].astype(np.float32), arrays["indices"], arrays["indptr"]
    counts = scipy_sparse().csr_matrix(contents, (size, NUM_TERMS))
    counts.check_format(full_check=True)
    return counts
