"""Files as one commit to the Hub, so that nobody ever fetches half of what belongs together."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi

# The base class of what breaks on the way, which is httpx's or httpx2's, as the version of huggingface_hub has it.
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError
from huggingface_hub.utils import validate_repo_id

from ..errors import PushError

_ADVICE = {
    401: "log in with `hf auth login` or pass `token=`",
    403: "use a token that may write there, or offer a pull request with `create_pr=True`",
    412: "somebody else pushed at the same time: look at what they changed",
}


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
    replaced: Callable[[list[str]], Iterable[str]] | None = None,
    edits: Mapping[str, Callable[[str, str | None], str | None]] | None = None,
) -> CommitInfo:
    """
    Uploads files in one commit, making the repository, and the branch `revision`, where there is none.

    Args:
        files (`dict[str, Path]`): paths in the repository to files here.
        repo_id (`str`): the repository, `"user/name"`.
        repo_type (`str`, *optional*, defaults to `"model"`): or `"dataset"`.
        commit_message, private, token, revision, create_pr: as in `transformers`' `push_to_hub`.
        replaced (`Callable`, *optional*): chooses from the paths in the repository those that make up one whole with
            `files`. Such files that are not among them any more are deleted by the same commit.
        edits (`dict[str, Callable]`, *optional*): paths of texts in the repository that are made of those which are
            there: each is called with the repository's whole name and the text there, or `None`, and gives the new
            text, or `None` for none.

    Raises:
        PushError: the Hub cannot be reached, or refuses; what the repository held before is untouched.
    """
    api = HfApi(token=token)
    with _explaining(repo_id):
        repo_id = api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True).repo_id
        # A pull request is no branch, and exists already.
        if revision is not None and not create_pr and not revision.startswith("refs/pr/"):
            api.create_branch(repo_id, branch=revision, repo_type=repo_type, exist_ok=True)
        operations = [CommitOperationAdd(path_in_repo, file) for path_in_repo, file in files.items()]
        parent = None
        if replaced is not None or edits:
            # The commit is refused if another one comes between: what is there is known for this one only.
            parent = api.repo_info(repo_id, repo_type=repo_type, revision=revision).sha
            there = api.list_repo_files(repo_id, repo_type=repo_type, revision=parent)
            if replaced is not None:
                operations += [CommitOperationDelete(path) for path in replaced(there) if path not in files]
            for path, edit in (edits or {}).items():
                old = _text(api, repo_id, repo_type, parent, path) if path in there else None
                new = edit(repo_id, old)
                if new is not None and new != old:
                    operations.append(CommitOperationAdd(path, new.encode("utf-8")))
        # Not `upload_folder`, which may split a folder over commits.
        return api.create_commit(
            repo_id=repo_id,
            repo_type=repo_type,
            operations=operations,
            commit_message=commit_message,
            revision=revision,
            create_pr=create_pr,
            parent_commit=parent,
        )


def _text(api: HfApi, repo_id: str, repo_type: str, commit: str, path: str) -> str:
    file = api.hf_hub_download(repo_id, path, repo_type=repo_type, revision=commit)
    return Path(file).read_text(encoding="utf-8")


@contextmanager
def _explaining(repo_id: str) -> Iterator[None]:
    """Turns what may go wrong while pushing into one error that says what to do."""
    with warnings.catch_warnings():
        # A pool's table belongs into a model repository.
        warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
        try:
            yield
        except (OSError, HTTPError, RuntimeError, ValueError) as error:
            # Large files are uploaded by threads, whose error only names the file.
            cause = error.__cause__ if type(error) is RuntimeError and error.__cause__ else error
            status = cause.response.status_code if isinstance(cause, HfHubHTTPError) else None
            reason = str(cause).strip().split("\n")[0].rstrip(".")
            raise PushError(
                f"{repo_id} could not be pushed ({type(cause).__name__}: {reason}). A push is one commit, made whole"
                " or not at all: the repository holds what it held before (or all of the push, where only the Hub's"
                f" answer was lost). To go on, {_ADVICE.get(status, 'check your connection')}, then push again, which"
                " is safe."
            ) from error


def is_hub_id(name: str | None) -> bool:
    """Whether a name can be that of a repository on the Hub, and nothing here has it.

    Example:

    ```python
    >>> from transformers_ggm.utils.hub_commits import is_hub_id

    >>> is_hub_id("facebook/bart-base"), is_hub_id("/data/bart"), is_hub_id("."), is_hub_id(None)
    (True, False, False, False)

    ```
    """
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return bool(name) and not os.path.exists(name)
