"""Files as one commit to the Hub, so that nobody ever fetches half of what belongs together."""

from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi


def commit_files(
    files: Mapping[str, Path],
    repo_id: str,
    *,
    repo_type: str = "model",
    commit_message: str,
    private: bool | None,
    token: str | bool | None,
    revision: str | None,
    create_pr: bool,
) -> CommitInfo:
    """
    Uploads files in one commit, making the repository, and the branch `revision`, where there is none.

    Args:
        files (`dict[str, Path]`): paths in the repository to files here.
        repo_id (`str`): the repository, `"user/name"`.
        repo_type (`str`, *optional*, defaults to `"model"`): or `"dataset"`.
        commit_message, private, token, revision, create_pr: as in `transformers`' `push_to_hub`.
    """
    api = HfApi(token=token)
    repo_id = api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True).repo_id
    if revision is not None and not create_pr:
        api.create_branch(repo_id, branch=revision, repo_type=repo_type, exist_ok=True)
    # Not `upload_folder`, which may split a folder over commits.
    return api.create_commit(
        repo_id=repo_id,
        repo_type=repo_type,
        operations=[CommitOperationAdd(path_in_repo, file) for path_in_repo, file in files.items()],
        commit_message=commit_message,
        revision=revision,
        create_pr=create_pr,
    )
