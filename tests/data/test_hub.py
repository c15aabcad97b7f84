"""Sharing prepared sets: what would be pushed, and that it can be read again."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from data_samples import write_metadata
from datasets import load_dataset
from huggingface_hub import CommitOperationDelete, HfApi

from transformers_ggm.data import push_prepared_to_hub
from transformers_ggm.data.prepare import prepare_shorts
from transformers_ggm.errors import DatasetError


class Repository:
    """Writes to a folder what `HfApi` is asked to commit, and notes the calls."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.calls = folder, []
        monkeypatch.setattr(HfApi, "create_repo", self.create_repo)
        monkeypatch.setattr(
            HfApi, "create_branch", lambda _, repo_id, **options: self.calls.append(("branch", options))
        )
        monkeypatch.setattr(HfApi, "create_commit", self.create_commit)
        monkeypatch.setattr(HfApi, "repo_info", lambda *_, **__: SimpleNamespace(sha="parent"))
        monkeypatch.setattr(HfApi, "list_repo_files", lambda *_, **__: sorted(self.files()))

    def files(self):
        """The paths of all files in the repository."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}

    def create_repo(self, repo_id, **options):
        self.calls.append(("repository", options))
        return type("Url", (), {"repo_id": f"someone/{repo_id}"})()

    def create_commit(self, repo_id, operations, **options):
        assert repo_id == "someone/lake"
        self.calls.append(("commit", options))
        for operation in operations:
            path = self.folder / operation.path_in_repo
            if isinstance(operation, CommitOperationDelete):
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(Path(operation.path_or_fileobj).read_bytes())
        return "the commit"


@pytest.fixture
def prepared_dir(tmp_path):
    rows = [{"description": f"number {number}", "hashtags": ["lake", f"n{number}"]} for number in range(5)]
    write_metadata(tmp_path / "raw" / "train", rows)
    write_metadata(tmp_path / "raw" / "test", rows[:2])
    prepare_shorts(tmp_path / "raw", tmp_path / "prepared")
    return tmp_path / "prepared"


def test_what_is_pushed_can_be_loaded(prepared_dir, tmp_path, monkeypatch):
    """Would fail if a pushed set lacked a shard or its card, came in several commits, or told names of local files."""
    (prepared_dir / "notes.txt").write_text("private")
    repository = Repository(tmp_path / "hub", monkeypatch)
    assert push_prepared_to_hub(prepared_dir, "lake", private=True) == "the commit"
    assert [name for name, _ in repository.calls] == ["repository", "commit"]
    assert repository.calls[0][1] == {"repo_type": "dataset", "private": True, "exist_ok": True}
    assert repository.calls[1][1]["repo_type"] == "dataset"
    assert repository.calls[1][1]["parent_commit"] == "parent"
    splits = json.loads((prepared_dir / "prepared.json").read_text())["splits"]
    assert repository.files() == {
        "README.md", "prepared.json", "statistics.md", "hashtag_frequency.png", "words_per_hashtag.png",
        *(f"data/{name}-00000-of-00001-{split['stamp']}.parquet" for name, split in splits.items()),
    }  # fmt: skip
    loaded = load_dataset(str(tmp_path / "hub"))
    assert {name: len(split) for name, split in loaded.items()} == {"train": 5, "test": 2}
    assert loaded["test"]["hashtags"][:] == [["lake", "n0"], ["lake", "n1"]]


def test_another_set_takes_the_place_of_the_first(prepared_dir, tmp_path, monkeypatch):
    """Would fail if rows of the set that was pushed before were loaded too, or files of others deleted."""
    repository = Repository(tmp_path / "hub", monkeypatch)
    push_prepared_to_hub(prepared_dir, "lake")
    (tmp_path / "hub" / "notes.txt").write_text("by hand")
    before = repository.files()
    write_metadata(tmp_path / "raw" / "train", [{"description": "another", "hashtags": ["lake"]}])
    prepare_shorts(tmp_path / "raw", tmp_path / "second")
    push_prepared_to_hub(tmp_path / "second", "lake")
    gone = before - repository.files()
    assert [path.startswith("data/train-") for path in gone] == [True]
    assert load_dataset(str(tmp_path / "hub"))["train"]["description"][:] == ["another"]


def test_revision_and_pull_request(prepared_dir, tmp_path, monkeypatch):
    """Would fail if a push to a branch went to main, or a pull request made a branch."""
    repository = Repository(tmp_path / "hub", monkeypatch)
    push_prepared_to_hub(prepared_dir, "lake", revision="v2")
    assert [name for name, _ in repository.calls] == ["repository", "branch", "commit"]
    assert repository.calls[-1][1]["revision"] == "v2"
    repository.calls.clear()
    push_prepared_to_hub(prepared_dir, "lake", create_pr=True)
    assert [name for name, _ in repository.calls] == ["repository", "commit"]
    assert repository.calls[-1][1]["create_pr"] is True


def test_unfinished_sets_are_not_pushed(prepared_dir, tmp_path, monkeypatch):
    """Would fail if half a set were shared."""
    repository = Repository(tmp_path / "hub", monkeypatch)
    (prepared_dir / "prepared.json").unlink()
    with pytest.raises(DatasetError, match="prepare it to the end"):
        push_prepared_to_hub(prepared_dir, "lake")
    assert not repository.calls
