"""The files of a hashtag pool: written whole or not at all, and refused where they do not belong together."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import safetensors.torch
import torch

from ..errors import CheckpointError, RetrieverMismatchError
from ..utils.checkpoint_layout import read_configuration
from ..utils.files import atomic_folder
from ..version import __version__
from .hashtag_spellings import Spellings, commonest_spelling, with_spellings
from .hashtag_uses import HashtagUses
from .pool_vectors import MAPPED_FROM
from .use_files import SPELLINGS, read_uses, write_uses
from .vector_files import VECTORS_KEY, sha256_of, write_vectors

POOL_FILE = "pool.json"
HASHTAGS_FILE = "hashtags.parquet"
EMBEDDINGS_FILE = "embeddings.safetensors"
POOL_FILES = (POOL_FILE, HASHTAGS_FILE, EMBEDDINGS_FILE)
# Only of a pool that was told of uses.
USES_FILE = "uses.parquet"
# What the Hub keeps beside the pool's own files; saving over a pool carries these over.
CARD_FILE = "README.md"
COMPANION_FILES = (CARD_FILE, ".gitattributes")
FORMAT_VERSION = 1


@dataclass(frozen=True)
class PoolContents:
    """
    What a pool's folder holds.

    Attributes:
        hashtags (`pa.Array` of strings): `n` hashtags without `#`, in pool order; as read, not checked.
        counts (`np.ndarray` of int64, or a list): How often each one was seen; as read, not checked.
        embeddings (`Iterable[torch.Tensor]`): Their vectors, block by block: `(m, d)`, float16.
        dim (`int`): `d`.
        whole_dim (`int`): How many numbers the retriever's vectors have, of which the first `d` are kept.
        retriever_fingerprint (`str`): The fingerprint of the retriever that made the vectors, `""` if unknown.
        uses ([`HashtagUses`]): Their uses over time; none by default.
        spellings (`dict[str, dict[str, int]]`): How often lists have hashtags in other spellings; none by default.
    """

    hashtags: pa.Array
    counts: np.ndarray | list
    embeddings: Iterable[torch.Tensor]
    dim: int
    whole_dim: int
    retriever_fingerprint: str
    uses: HashtagUses = dataclasses.field(default_factory=HashtagUses)
    spellings: Spellings = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class _PoolDescription:
    """`pool.json`. The digests tie the two other files to it: files of two saves can agree in size only."""

    format_version: int
    transformers_ggm_version: str
    retriever_fingerprint: str
    size: int
    dim: int
    whole_dim: int
    sha256: dict


def write_pool(
    folder: str | os.PathLike, contents: PoolContents, edit_card: Callable[[str | None], str | None] | None = None
) -> None:
    """
    Writes a pool's three files into `folder`, which is replaced as a whole: until the last moment an older pool there
    stays readable, and a failure leaves it as it was.

    Args:
        folder (`str` or `os.PathLike`): made where it does not exist.
        contents ([`PoolContents`]): the pool.
        edit_card (`Callable`, *optional*): makes the text of the new card of that of the card which is there, or of
            `None`; `None` for no card.

    Raises:
        CheckpointError: `folder` is a file, or holds files that are not a pool's, which replacing it would delete.
    """
    target = Path(folder).resolve()
    kept = _companions(target)
    with atomic_folder(target) as temporary:
        _write_files(temporary, contents)
        for file in kept:
            shutil.copy2(file, temporary / file.name)
        if edit_card is not None:
            _edit(temporary / CARD_FILE, edit_card)


def _edit(file: Path, edit: Callable[[str | None], str | None]) -> None:
    text = edit(file.read_text(encoding="utf-8") if file.is_file() else None)
    if text is not None:
        file.write_text(text, encoding="utf-8")


def _companions(target: Path) -> list[Path]:
    if target.exists() and not target.is_dir():
        raise CheckpointError(f"{target} is a file: a hashtag pool is saved as a folder, give another name.")
    files = list(target.iterdir()) if target.exists() else []
    foreign = sorted(file.name for file in files if file.name not in (*POOL_FILES, USES_FILE, *COMPANION_FILES))
    if foreign:
        raise CheckpointError(
            f"{target} holds other files ({_some(foreign)}), which saving a hashtag pool there would delete: "
            f"give the pool a folder of its own, for instance {target / 'hashtag_pool'}."
        )
    return [file for file in files if file.name in COMPANION_FILES]


def _write_files(folder: Path, contents: PoolContents) -> None:
    size = len(contents.hashtags)
    embeddings_digest = write_vectors(folder / EMBEDDINGS_FILE, contents.embeddings, (size, contents.dim))
    pq.write_table(_hashtag_table(contents), folder / HASHTAGS_FILE)
    digests = {HASHTAGS_FILE: sha256_of(folder / HASHTAGS_FILE), EMBEDDINGS_FILE: embeddings_digest}
    if len(contents.uses):
        write_uses(folder / USES_FILE, contents.uses)
        digests[USES_FILE] = sha256_of(folder / USES_FILE)
    description = _PoolDescription(
        format_version=FORMAT_VERSION,
        transformers_ggm_version=__version__,
        retriever_fingerprint=contents.retriever_fingerprint,
        size=size,
        dim=contents.dim,
        whole_dim=contents.whole_dim,
        sha256=digests,
    )
    (folder / POOL_FILE).write_text(json.dumps(asdict(description), indent=2) + "\n", encoding="utf-8")


def _hashtag_table(contents: PoolContents) -> pa.Table:
    """
    The hashtags with their counts and, where some are known to be written otherwise, the commonest spelling of each
    and those of lists.
    """
    hashtags, counts = contents.hashtags.cast(pa.large_string()), np.asarray(contents.counts, np.int64)
    known = with_spellings(contents.spellings, contents.uses.all_spellings())
    is_known = pc.is_in(hashtags, pa.array(list(known), pa.large_string()))
    pairs = zip(hashtags.filter(is_known).to_pylist(), counts[is_known.to_numpy(zero_copy_only=False)].tolist())
    commonest = [commonest_spelling(name, known[name], count) for name, count in pairs]
    spelling = pc.replace_with_mask(hashtags, is_known, pa.array(commonest, pa.large_string()))
    places = pc.index_in(hashtags, pa.array(list(contents.spellings), pa.large_string()))
    of_lists = pa.array([list(of_one.items()) for of_one in contents.spellings.values()], SPELLINGS).take(places)
    table = pa.table({"hashtag": contents.hashtags, "count": pa.array(counts)})
    if not contents.spellings and spelling.equals(hashtags):
        return table
    return table.append_column("spelling", spelling).append_column("spellings", of_lists)


def read_pool(folder: Path) -> PoolContents:
    """
    Reads a pool's three files from a local folder.

    Raises:
        CheckpointError: A file is missing or unreadable, or the three were not saved together.
    """
    description = _read_description(folder)
    # Those of a pool that an earlier version saved are two.
    has_uses = USES_FILE in description.sha256
    for name in (HASHTAGS_FILE, EMBEDDINGS_FILE, *([USES_FILE] if has_uses else [])):
        _check_digest(_existing(folder, name), description)
    embeddings = _read_embeddings(folder / EMBEDDINGS_FILE, description)
    hashtags, counts, spellings = _read_hashtags(folder / HASHTAGS_FILE, description)
    uses = read_uses(folder / USES_FILE) if has_uses else HashtagUses()
    dims, fingerprint = (description.dim, description.whole_dim), description.retriever_fingerprint
    return PoolContents(hashtags, counts, [embeddings], *dims, fingerprint, uses, spellings)


def check_fingerprint(known: str, given: str) -> None:
    """
    Raises:
        RetrieverMismatchError: A pool whose retriever has the fingerprint `known` is to be used with another one, or
            does not say which it is.
    """
    if not known:
        raise RetrieverMismatchError(
            "the hashtag pool does not say which retriever made its vectors: make it with HashtagPool.build(...), "
            "or pass retriever_fingerprint=retriever.fingerprint() to HashtagPool(...) if you are sure."
        )
    if given != known:
        raise RetrieverMismatchError(
            f"the hashtag pool was made by the retriever {known}, not by the one given, "
            f"{given}: use its own retriever, or make the pool anew with HashtagPool.build(...)."
        )


def _existing(folder: Path, name: str) -> Path:
    file = folder / name
    if file.is_file():
        return file
    message = f"{folder} is not a hashtag pool: it has no {name}."
    if (folder / "hashtag_pool" / POOL_FILE).is_file():
        raise CheckpointError(f"{message} It is a checkpoint with a pool inside: pass subfolder='hashtag_pool'.")
    raise CheckpointError(f"{message} A pool holds {', '.join(POOL_FILES)}: save or download it again.")


def _read_description(folder: Path) -> _PoolDescription:
    file = _existing(folder, POOL_FILE)
    content = read_configuration(file, "save or download the pool again")
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise CheckpointError(
            f"{file} has format version {version}, newer than the {FORMAT_VERSION} that transformers-ggm "
            f"{__version__} reads: upgrade with `pip install --upgrade transformers-ggm`."
        )
    # In earlier versions all vectors were whole.
    content = {"whole_dim": content.get("dim"), **content}
    for field, kind in _PoolDescription.__annotations__.items():
        if type(content.get(field)) is not kind:
            raise CheckpointError(
                f"{file} has no usable field {field!r} (expected {kind.__name__}, got {content.get(field)!r}): "
                "save or download the pool again."
            )
    if content["whole_dim"] < content["dim"]:
        raise CheckpointError(
            f"{file} says that {content['dim']} numbers were kept of {content['whole_dim']}: save or download the pool"
            " again."
        )
    return _PoolDescription(**{field: content[field] for field in _PoolDescription.__annotations__})


def _check_digest(file: Path, description: _PoolDescription) -> None:
    if sha256_of(file) != description.sha256.get(file.name):
        raise CheckpointError(
            f"{file} is not the file that {POOL_FILE} was saved with (its SHA-256 differs): it was changed, cut short "
            "or taken from another pool. Save or download the pool again."
        )


def _read_embeddings(file: Path, description: _PoolDescription) -> torch.Tensor:
    """Memory-mapped when large, so that they need not fit into memory; else read, so that the file is free again."""
    try:
        embeddings = safetensors.torch.load_file(file).get(VECTORS_KEY)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{file} is not a safetensors file: save or download the pool again.") from error
    if embeddings is None:
        raise CheckpointError(f"{file} has no tensor {VECTORS_KEY!r}: save or download the pool again.")
    if embeddings.dtype != torch.float16 or tuple(embeddings.shape) != (description.size, description.dim):
        raise CheckpointError(
            f"{file} holds {embeddings.dtype} of shape {tuple(embeddings.shape)}, while {POOL_FILE} speaks of "
            f"torch.float16 of shape {(description.size, description.dim)}: save or download the pool again."
        )
    return embeddings if embeddings.nbytes > MAPPED_FROM else embeddings.clone()


def _read_hashtags(
    file: Path, description: _PoolDescription
) -> tuple[pa.Array, np.ndarray | list, dict[str, dict[str, int]]]:
    try:
        with pq.ParquetFile(file) as parquet:
            # Pools of earlier versions do not know how their hashtags were written.
            known = {"spellings"} & set(parquet.schema_arrow.names)
            table = parquet.read(columns=["hashtag", "count", *known])
        hashtags, counts = _as_one(table["hashtag"]), _as_one(table["count"])
        spelled = table.filter(table["spellings"].is_valid()) if known else table.slice(0, 0)
        spellings = spelled["spellings"].cast(SPELLINGS).to_pylist() if known else []
    except (pa.ArrowException, OSError, KeyError) as error:
        raise CheckpointError(
            f"{file} is not a Parquet file with the columns 'hashtag' and 'count': save or download the pool again."
        ) from error
    if len(hashtags) != description.size:
        raise CheckpointError(
            f"{file} holds {len(hashtags)} hashtags, while {POOL_FILE} speaks of {description.size}: "
            "save or download the pool again."
        )
    # Whatever else it may be is refused as counts, not as a file.
    usable = pa.types.is_int64(counts.type) and not counts.null_count
    written = {name: dict(of_one) for name, of_one in zip(spelled["hashtag"].to_pylist(), spellings)}
    return hashtags, counts.to_numpy() if usable else counts.to_pylist(), written


def _as_one(column: pa.ChunkedArray) -> pa.Array:
    # Not more than 2 GB of text fit into one array of the smaller type.
    if pa.types.is_string(column.type):
        column = column.cast(pa.large_string())
    return pa.concat_arrays(column.chunks) if column.chunks else pa.array([], column.type)


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
