"""The repositories of the stand-in Hub: files by commit, branches and pull requests, all in memory."""

import base64
import hashlib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

# What goes the way of large files, as in the `.gitattributes` that the Hub gives to a new repository.
LARGE = ("*.safetensors", "*.parquet", "*.bin", "*.arrow", "*.png")
GITATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in LARGE).encode()


class HubError(Exception):
    """An answer with an error status, and the code by which the client knows what is missing."""

    def __init__(self, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}


@dataclass(frozen=True)
class Commit:
    """The files of a repository at one time, by path."""

    id: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repository:
    """
    One repository.

    Args:
        id (`str`): `"user/name"`.
        private (`bool`): whether only its owner sees it.
    """

    id: str
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.refs["main"] = self._add(Commit("", "initial commit", {".gitattributes": GITATTRIBUTES}), None)

    def _add(self, commit: Commit, parent: str | None) -> str:
        described = repr((self.id, parent, commit.message, sorted(commit.files.items())))
        commit_id = hashlib.sha1(described.encode()).hexdigest()
        self.commits[commit_id] = Commit(commit_id, commit.message, commit.files)
        return commit_id

    def commit(self, revision: str) -> Commit:
        """The commit that a branch, a pull request or a commit's own id names."""
        commit_id = self.refs.get(revision, revision)
        if commit_id not in self.commits:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[commit_id]

    def file(self, revision: str, path: str) -> tuple[Commit, bytes]:
        """A file's content, and the commit that it was taken from."""
        commit = self.commit(revision)
        if path not in commit.files:
            # The client keeps in its cache what does not exist at which commit.
            raise HubError(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": commit.id})
        return commit, commit.files[path]

    def branch(self, name: str, start: str) -> None:
        """Makes a branch."""
        if name.startswith("refs/"):
            raise HubError(400, "Invalid reference for a branch")
        if name in self.refs:
            raise HubError(409, "Reference already exists")
        self.refs[name] = self.commit(start).id

    def change(self, revision: str, lines: list[dict[str, Any]], large: dict[str, bytes], create_pr: bool) -> str:
        """
        Makes a commit of the lines of a commit request: all of them or none.

        Args:
            revision (`str`): a branch, or a pull request.
            lines (`list[dict]`): the request's, the first one with its message.
            large (`dict[str, bytes]`): the large files uploaded so far, by their SHA-256.
            create_pr (`bool`): whether the commit is to be a pull request of its own.

        Returns:
            `str`: the branch or pull request that has it.
        """
        header = lines[0]["value"]
        parent = self.commit(revision)
        if header.get("parentCommit", parent.id) != parent.id:
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        if create_pr:
            revision = f"refs/pr/{sum(ref.startswith('refs/pr/') for ref in self.refs) + 1}"
        elif revision not in self.refs:
            raise HubError(400, "You can only commit to a branch")
        files = dict(parent.files)
        for line in lines[1:]:
            _apply(line["key"], line["value"], files, large)
        self.refs[revision] = self._add(Commit("", header["summary"], files), parent.id)
        return revision


def _apply(key: str, value: dict[str, Any], files: dict[str, bytes], large: dict[str, bytes]) -> None:
    if key == "file":
        files[value["path"]] = base64.b64decode(value["content"])
    elif key == "lfsFile":
        if value["oid"] not in large:
            raise HubError(400, f"LFS object {value['oid']} of {value['path']} was not uploaded")
        files[value["path"]] = large[value["oid"]]
    elif key == "deletedFile":
        if files.pop(value["path"], None) is None:
            raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
    else:
        raise HubError(400, f"Unknown operation {key}")


def is_large(path: str) -> bool:
    """Whether a file is kept as a large one."""
    return any(fnmatch(path.rsplit("/", 1)[-1], pattern) for pattern in LARGE)


def blob_id(content: bytes) -> str:
    """The name under which git keeps a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def etag(path: str, content: bytes) -> str:
    """What the Hub tells a file's content apart by: SHA-256 for large files, git's name for others."""
    return hashlib.sha256(content).hexdigest() if is_large(path) else blob_id(content)


def tree(files: dict[str, bytes], folder: str, recursive: bool) -> list[dict[str, Any]]:
    """The entries of a folder as the Hub lists them."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, dict[str, Any]] = {}
    for path, content in sorted(files.items()):
        if not path.startswith(prefix):
            continue
        parts = path[len(prefix) :].split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            name = prefix + "/".join(parts[:depth])
            entries[name] = {"type": "directory", "path": name, "size": 0, "oid": blob_id(name.encode())}
        if recursive or len(parts) == 1:
            entries[path] = file_entry(path, content)
    if folder and not entries:
        raise HubError(404, f"{folder} does not exist", "EntryNotFound")
    return list(entries.values())


def file_entry(path: str, content: bytes) -> dict[str, Any]:
    """A file as the Hub lists it."""
    entry = {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
    if is_large(path):
        entry["lfs"] = {"oid": etag(path, content), "size": len(content), "pointerSize": 135}
    return entry
