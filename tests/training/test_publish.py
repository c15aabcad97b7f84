import shutil

import pytest
from training_samples import CHECKPOINT_FILES, command_line

from transformers_ggm.errors import PushError
from transformers_ggm.training import main


@pytest.fixture
def copy_of_finished(finished, tmp_path):
    """A finished training that a test may change."""
    return shutil.copytree(finished, tmp_path / "run")


def on_hub(hub):
    """The files of the repository, but for the Hub's own."""
    files = hub.repositories["someone/tags"].commit("main").files
    return {path: content for path, content in files.items() if path != ".gitattributes"}


def test_finished_checkpoint_is_pushed_once(hub, copy_of_finished, train):
    """Would fail if a trainer pushed by itself, or the checkpoint went up before its card, in parts or with more."""

    def is_finished(method, path):
        assert (copy_of_finished / "evaluation" / "test.json").exists(), f"{method} {path} came before the end"

    hub.before.append(is_finished)
    stages = ["generator", "evaluate"]
    train(copy_of_finished, overwrite_stages=stages, push_to_hub=True, hub_model_id="someone/tags")
    files = on_hub(hub)
    checkpoint = copy_of_finished / "checkpoint"
    assert files == {name: (checkpoint / name).read_bytes() for name in CHECKPOINT_FILES}
    assert 'model="someone/tags"' in files["README.md"].decode()
    messages = [commit.message for commit in hub.repositories["someone/tags"].commits.values()]
    assert messages == ["initial commit", "Upload trained GGM checkpoint"]


def test_failed_push_is_made_up_for(hub, copy_of_finished, train):
    """
    Would fail if a push that failed after a long training took the training with it, or could not be repeated; or if
    branch, privacy and token were ignored.
    """
    options = {"hub_private_repo": True, "hub_revision": "v1", "hub_token": "hf_someone"}
    hub.fail("POST", "/commit/", 500)
    with pytest.raises(PushError, match="push again, which is safe"):
        train(copy_of_finished, push_to_hub=True, hub_model_id="someone/tags", **options)
    hub.heal()
    train(copy_of_finished, push_to_hub=True, hub_model_id="someone/tags", **options)
    repository = hub.repositories["someone/tags"]
    assert repository.private and not on_hub(hub)
    assert set(repository.commit("v1").files) > CHECKPOINT_FILES
    written = [file for file in copy_of_finished.rglob("*.json") if "hf_someone" in file.read_text()]
    assert not written, "a token is not to be kept"


def test_repository_is_named_as_the_folder(hub, copy_of_finished, train):
    """Would fail if a training without `hub_model_id` went elsewhere than with transformers' own Trainer."""
    train(copy_of_finished, push_to_hub=True)
    assert list(hub.repositories) == ["someone/run"]


def test_nothing_is_pushed_unasked(hub, copy_of_finished, train):
    """Would fail if a training told anybody of itself without being asked to."""
    train(copy_of_finished, overwrite_stages=["evaluate"])
    assert not hub.requests


def test_push_without_the_last_stage(hub, train, tmp_path):
    """Would fail if a training whose checkpoint is not finished pushed nothing, without a word."""
    with pytest.raises(ValueError, match="add 'evaluate' to `stages`"):
        train(push_to_hub=True, stages=["prepare"])
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


def test_adapter_whose_base_is_not_on_the_hub(hub, finished, shorts_dir, tmp_path):
    """Would fail if that came to light only after the training, or an adapter were pushed that nobody can load."""
    settings = {"use_lora": True, "push_to_hub": True, "data_dir": shorts_dir, "output_dir": tmp_path / "run"}
    for base in ({}, {"base_checkpoint": finished / "checkpoint"}):
        with pytest.raises(ValueError, match="push that first"):
            main(command_line(**settings, **base))
    assert not hub.requests
