"""Sharing a prepared set on the Hub."""

from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import CommitInfo

from ..errors import DatasetError
from ..utils.hub_commits import commit_files
from .prepared import RECORD, is_prepared

# What a prepared set consists of. Lists of rejected clips, which name files of this machine, stay where they are.
PREPARED_FILES = ("README.md", RECORD, "statistics.md", "*.png", "unseen_hashtags.txt", "data/*.parquet")
# Of these, what an earlier set had in a repository and this one has not is deleted.
_REPLACED = ("unseen_hashtags.txt", "data/*.parquet")


def prepared_files(folder: str | Path) -> list[Path]:
    """
    The files of a prepared set, relative to its folder, in a fixed order.

    Raises:
        DatasetError: the folder is no finished prepared set.
    """
    folder = Path(folder)
    if not is_prepared(folder):
        raise DatasetError(f"{folder} has no {RECORD}: prepare it to the end before sharing it.")
    found = {path.relative_to(folder) for pattern in PREPARED_FILES for path in folder.glob(pattern)}
    return sorted(found)


def push_prepared_to_hub(
    folder: str | Path,
    repo_id: str,
    *,
    commit_message: str = "Upload prepared shorts",
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
) -> CommitInfo:
    """
    Uploads a prepared set to a dataset repository on the Hub in one commit, making the repository where there is none.
    Shards of another set that lie there are deleted by the same commit.

    `load_dataset(repo_id)` then gives its splits.

    Args:
        folder (`str` or `Path`): what `ggm prepare` wrote.
        repo_id (`str`): the repository, `"user/name"`.
        commit_message, private, token, revision, create_pr: as in `datasets`' `push_to_hub`.

    Returns:
        `CommitInfo`: the commit, as `huggingface_hub` describes it.

    Raises:
        DatasetError: the folder is no finished prepared set.
    """
    return commit_files(
        {file.as_posix(): Path(folder, file) for file in prepared_files(folder)},
        repo_id,
        repo_type="dataset",
        commit_message=commit_message,
        private=private,
        token=token,
        revision=revision,
        create_pr=create_pr,
        replaced=lambda there: [path for path in there if any(fnmatch(path, pattern) for pattern in _REPLACED)],
    )
