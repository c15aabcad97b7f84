"""The clips in a folder and in those in it: what is there, and what is left out."""

import os
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError
from ..processing.media.extensions import CLIP_EXTENSIONS, clip_extension

# What names the clips beside it, in the Hub's folder convention.
METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_EXAMPLES = 3


@dataclass(frozen=True)
class FolderContents:
    """
    What lies in a folder and in those in it. All are paths relative to it with `/`, sorted.

    Attributes:
        clips (`list[str]`): Files that are clips by their names.
        metadata (`list[str]`): Metadata files.
        left_out (`list[str]`): All else: files of other names, hidden ones, links to nothing, folders that cannot be
            read and links to folders that this one lies in (these two with a `/` behind).
    """

    clips: list[str]
    metadata: list[str]
    left_out: list[str]

    @classmethod
    def of(cls, folder: str | os.PathLike) -> "FolderContents":
        """
        Goes through a folder. Linked folders are gone through, too, each once, under the name of the link.

        Raises:
            DatasetError: There is no such folder.
        """
        if not os.path.isdir(folder):
            raise DatasetError(f"{folder} is not a folder: give the one that the clips are in.")
        walk = _Walk(str(folder))
        return cls(*(sorted(names) for names in (walk.clips, walk.metadata, walk.left_out)))

    def require_clips(self, folder: str | os.PathLike) -> None:
        """Raises `DatasetError` where there is no clip."""
        if not self.clips:
            rest = f" {summary_of_left_out(self.left_out)}" if self.left_out else ""
            raise DatasetError(
                f"There is no clip in {folder}: files named {', '.join(sorted(CLIP_EXTENSIONS))} are read.{rest}"
            )


class _Walk:
    """Goes through real folders before links to some, so that what can be had under its own name is."""

    def __init__(self, top: str):
        self.clips, self.metadata, self.left_out = [], [], []
        self._top = os.path.realpath(top)
        self._seen: set[str] = set()
        self._links: deque[tuple[str, str]] = deque()
        self._enter("", top, self._top)
        while self._links:
            name, path = self._links.popleft()
            target = os.path.realpath(path)
            if f"{self._top}{os.sep}".startswith(target.rstrip(os.sep) + os.sep) and target != self._top:
                # It would lead to all that lies beside this folder.
                self.left_out.append(f"{name}/")
            else:
                self._enter(f"{name}/", path, target)

    def _enter(self, prefix: str, path: str, target: str) -> None:
        folders = [(prefix, path, target)]
        while folders:
            prefix, path, target = folders.pop()
            if target in self._seen:
                continue
            self._seen.add(target)
            try:
                with os.scandir(path) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
            except OSError:
                self.left_out.append(prefix)
                continue
            for entry in entries:
                name = prefix + entry.name
                if entry.name.startswith("."):
                    self.left_out.append(name)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append((f"{name}/", entry.path, os.path.join(target, entry.name)))
                elif entry.is_dir():
                    self._links.append((name, entry.path))
                else:
                    self._take(entry, name)

    def _take(self, entry: os.DirEntry, name: str) -> None:
        if entry.name in METADATA_FILES:
            self.metadata.append(name)
        elif clip_extension(entry.name) is not None and entry.is_file():
            self.clips.append(name)
        else:
            self.left_out.append(name)


def clips_not_among(folder: str | os.PathLike, named: Iterable[str | os.PathLike]) -> list[str]:
    """The paths of clips in a folder that are not among the paths of others."""
    known = {os.path.abspath(path) for path in named}
    clips = (os.path.abspath(os.path.join(folder, clip)) for clip in FolderContents.of(folder).clips)
    return [clip for clip in clips if clip not in known]


def summary_of_left_out(names: Sequence[str]) -> str:
    """One sentence about files that are no clips: how many of which kind, and some of them."""
    kinds = Counter(_kind(name) for name in names)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f"Left out as no clips: {told} ({examples_of(names)})."


def examples_of(names: Sequence[str]) -> str:
    """The first of some names, as messages show them."""
    return ", ".join(map(repr, names[:_EXAMPLES])) + (", ..." if len(names) > _EXAMPLES else "")


def _kind(name: str) -> str:
    if name.endswith("/"):
        return "unread folders"
    last = name.rpartition("/")[2]
    return "hidden" if last.startswith(".") else Path(last).suffix.lower() or "without extension"
