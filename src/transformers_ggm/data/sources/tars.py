"""WebDataset tars of shorts: `key.mp4` and `key.json` or `key.txt` one after the other, read without unpacking."""

import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import BinaryIO

from transformers.utils import logging

from ...errors import DatasetError
from ...processing.media.extensions import CLIP_EXTENSIONS
from ...utils.file_names import readable_name
from ..shorts import parse_object
from .files import file_stamp, folder_of, is_url, open_file
from .rows import InferredRows, Row, TypeInference

logger = logging.get_logger(__name__)

# The column of the clip of a sample, whichever of the extensions of clips it has.
CLIP = "mp4"
_WORDS_EXTENSIONS = frozenset({"json", "txt"})
_WORDS_BYTES = 16 << 20
# How many samples of remote tars are read to know their fields.
_FIRST_ROWS = 64
_BLOCK = 512
# As in WebDataset: the key ends at the first dot of the file's name.
_MEMBER = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)")


class TarShards(InferredRows):
    """
    The samples of WebDataset tars, in the order of the tars and their members. A sample's clip is the column `mp4`
    (whichever its extension), the text of a `.txt` member the column `txt`, and the fields of a `.json` member are
    columns of their own. Other members are passed over, which is told in the log.

    Tars on this machine are read through once for the types of the fields and the number of samples, passing over the
    clips; of remote ones only the first samples are, and the number of samples is not known.

    Args:
        names (`list[str]`): local paths or URLs of uncompressed tars.
        max_bytes (`int`): of a larger clip only one byte more than that is read, enough for a decoder to reject it.

    Raises:
        DatasetError: a tar cannot be read, there are no samples, or their fields do not go together; names tar and
            sample.
    """

    video_column = CLIP

    def __init__(self, names: list[str], max_bytes: int):
        self.names, self.max_bytes = names, max_bytes
        self.name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        self.folder = folder_of(names[0])
        self.tar_rows: list[int] | None = None if any(is_url(name) for name in names) else []
        self.inference, self.num_rows = self._infer()
        self.columns = list(self.types)
        self.fingerprint = repr([file_stamp(name) for name in names])

    def read(self, start: int = 0, columns: list[str] | None = None) -> Iterator[tuple[str, Row]]:
        with_clips = columns is None or CLIP in columns
        for number, name in enumerate(self.names):
            if self.tar_rows is not None and start >= self.tar_rows[number]:
                start -= self.tar_rows[number]
                continue
            for place, row in self._samples(name, start, with_clips):
                if start > 0:
                    start -= 1
                else:
                    yield place, row

    def _infer(self) -> tuple[TypeInference, int | None]:
        inference, pairs, left_out = TypeInference(), Counter(), Counter()
        if self.tar_rows is None:
            inference.add(_counted(islice(self.read(columns=[]), _FIRST_ROWS), pairs))
        else:
            for name in self.names:
                before = inference.num_rows
                inference.add(_counted(self._samples(name, 0, False, left_out), pairs))
                self.tar_rows.append(inference.num_rows - before)
        told = ", ".join(f"{count} {kind}" for kind, count in left_out.most_common())
        if not inference.num_rows:
            raise DatasetError(
                f"{self.name} has no samples: a sample is a member such as clip7.mp4 and its words in clip7.json or"
                f" clip7.txt.{f' Left out: {told}.' if told else ''}"
            )
        if told:
            logger.warning(f"{self.name}: left out members that are neither clips nor words: {told}.")
        if pairs["clip"] and pairs["words"] and not pairs["clip and words"]:
            raise DatasetError(
                f"{self.name} has no sample with both a clip and words: the members of a sample must follow one"
                " another. Write the tar again with its members sorted by name."
            )
        return inference, None if self.tar_rows is None else inference.num_rows

    def _samples(
        self, name: str, start: int, with_clips: bool, left_out: Counter | None = None
    ) -> Iterator[tuple[str, Row]]:
        """
        Gives the samples of one tar with their places; those before number `start` are empty. Counts in `left_out`
        what is part of no sample.
        """
        key, row, number = None, {}, -1
        with _open_tar(name) as tar:
            for member in _members(tar):
                member_key, extension = _split_name(member)
                if extension is None:
                    if left_out is not None and not member.isdir():
                        left_out[_kind_of(member)] += 1
                    continue
                if member_key != key:
                    if key is not None:
                        yield f"{name}, sample {key}", row
                    key, row, number = member_key, {}, number + 1
                if number >= start:
                    self._add_member(row, tar, member, extension, f"{name}, {readable_name(member.name)}", with_clips)
        if key is not None:
            yield f"{name}, sample {key}", row

    def _add_member(
        self, row: Row, tar: tarfile.TarFile, member: tarfile.TarInfo, extension: str, place: str, with_clips: bool
    ) -> None:
        if extension in CLIP_EXTENSIONS:
            fields = {CLIP: self._clip(tar, member, with_clips)}
        else:
            if member.size > _WORDS_BYTES:
                raise DatasetError(f"{place} has {member.size} bytes: the words of a sample may have {_WORDS_BYTES}.")
            fields = _read_words(tar.extractfile(member).read(), extension, place)
        if twice := row.keys() & fields.keys():
            raise DatasetError(f"{place}: the sample has {min(twice)!r} twice. Leave one out.")
        row.update(fields)

    def _clip(self, tar: tarfile.TarFile, member: tarfile.TarInfo, with_clips: bool) -> Row:
        content = tar.extractfile(member).read(self.max_bytes + 1) if with_clips else b""
        return {"path": readable_name(member.name), "bytes": content}


def _read_words(content: bytes, extension: str, place: str) -> Row:
    if extension == "json":
        return parse_object(content, place)
    try:
        return {extension: content.decode("utf-8-sig").strip()}
    except UnicodeDecodeError as error:
        raise DatasetError(f"{place} is not in UTF-8: {error}.") from error


def _counted(samples: Iterable[tuple[str, Row]], pairs: Counter) -> Iterator[tuple[str, Row]]:
    """Passes samples on, counting what they have."""
    for place, row in samples:
        has_words = len(row) > (CLIP in row)
        pairs["clip and words" if CLIP in row and has_words else "words" if has_words else "clip"] += 1
        yield place, row


def _split_name(member: tarfile.TarInfo) -> tuple[str | None, str | None]:
    """The key and the extension of a member that is part of a sample."""
    match = _MEMBER.fullmatch(member.name)
    if match is None or not member.isreg():
        return None, None
    extension = match[2].lower().partition("?")[0]
    known = extension in CLIP_EXTENSIONS or extension in _WORDS_EXTENSIONS
    return (readable_name(match[1]), extension) if known else (None, None)


def _kind_of(member: tarfile.TarInfo) -> str:
    extension = os.path.splitext(member.name)[1].lower()
    return "links" if not member.isreg() else readable_name(extension) or "without extension"


@contextmanager
def _open_tar(name: str) -> Iterator[tarfile.TarFile]:
    """Opens a tar whose members are then read to the end, which is checked."""
    with open_file(name) as file:
        try:
            # Uncompressed only: a small compressed tar can hold any amount of data, and none can be read from a row
            # on.
            with tarfile.open(fileobj=file, mode="r:" if file.seekable() else "r|") as tar:
                yield tar
                if file.seekable():
                    _check_end(file, tar.offset, name)
        except (MemoryError, DatasetError):
            raise
        except Exception as error:  # whatever tarfile and the file under it raise
            raise DatasetError(f"{name} cannot be read as an uncompressed tar: {error}.") from error


def _check_end(file: BinaryIO, end: int, name: str) -> None:
    # tarfile takes a damaged header for the end of the tar, and the samples behind it would be lost unnoticed.
    file.seek(end)
    if file.read(_BLOCK).strip(b"\0"):
        raise DatasetError(f"{name} is damaged at byte {end}: write it again.")


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        # The list of all members grows otherwise.
        tar.members = []
        yield member
