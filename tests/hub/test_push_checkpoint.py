"""Pushing a whole checkpoint to the stand-in Hub: what arrives, as one commit, and what happens when it breaks."""

import json
import shutil

import pytest
from hub_samples import contents, copy_demo, on_hub
from hub_stand_in import ANSWER_LOST, CUT, go_offline
from huggingface_hub import HfApi

from transformers_ggm import GGMForHashtagGeneration, HashtagRetriever, push_checkpoint_to_hub
from transformers_ggm.errors import CheckpointError, InputError, PushError, RetrieverMismatchError
from transformers_ggm.pipelines import DEMO_CHECKPOINT


def commits(hub, repo_id="someone/tags"):
    """The messages of a repository's commits, the one that the Hub makes itself left out."""
    return [commit.message for commit in hub.repositories[repo_id].commits.values()][1:]


def test_all_parts_arrive_in_one_commit(hub, tmp_path):
    """Would fail if a part were missing, came in a commit of its own, or what is no checkpoint's went up too."""
    folder = copy_demo(tmp_path / "checkpoint")
    (folder / "openvino").mkdir()
    for name in ("openvino.json", "decoder-1a2b3c.xml", "decoder-1a2b3c.bin"):
        (folder / "openvino" / name).write_text("{}")
    expected = contents(folder)
    for name in ("optimizer.pt", "pytorch_model.bin", "rng_state.pkl", "training_args.bin", "notes.txt", "own.py"):
        (folder / name).write_bytes(b"not to be shared")
        (folder / "retriever" / name).write_bytes(b"not to be shared")
    for name in ("runs/generator/checkpoint-1", ".cache/huggingface", "retriever/runs"):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text("{}")
    (folder / "curve.png").write_bytes(b"\x89PNG")
    info = push_checkpoint_to_hub(folder, "someone/tags", commit_message="The first")
    assert on_hub(hub) == {**expected, "curve.png": b"\x89PNG"}
    assert commits(hub) == ["The first"]
    assert info.oid == hub.repositories["someone/tags"].refs["main"] and info.pr_url is None


def test_a_second_checkpoint_takes_the_place_of_the_first(hub, second, tmp_path):
    """
    Would fail if parts of the older checkpoint stayed and were loaded with the newer one, or a user's own file and
    card were deleted.
    """
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    HfApi().upload_file(path_or_fileobj=b"mine", path_in_repo="notes.txt", repo_id="someone/tags")
    bare = shutil.copytree(second, tmp_path / "bare")
    shutil.rmtree(bare / "retriever")
    shutil.rmtree(bare / "hashtag_pool")
    (bare / "README.md").unlink()
    push_checkpoint_to_hub(bare, "someone/tags")
    card = contents(DEMO_CHECKPOINT)["README.md"]
    assert on_hub(hub) == {**contents(bare), "notes.txt": b"mine", "README.md": card}
    assert len(commits(hub)) == 3


def test_pushing_again_what_is_there_changes_nothing(hub):
    """Would fail if a repeated push made an empty commit, or uploaded weights again."""
    first = push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    hub.requests.clear()
    assert push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags").oid == first.oid
    assert len(commits(hub)) == 1
    assert not [request for request in hub.requests if request[0] == "PUT"]


def test_private_branch_and_pull_request(hub, second):
    """Would fail if a private repository became public, or a branch or pull request changed `main`."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "tags", private=True)
    repository = hub.repositories["someone/tags"]
    assert repository.private
    push_checkpoint_to_hub(second, "someone/tags", revision="v2")
    info = push_checkpoint_to_hub(second, "someone/tags", create_pr=True)
    assert set(repository.refs) == {"main", "v2", "refs/pr/1"} and info.pr_url.endswith("/discussions/1")
    assert on_hub(hub) == contents(DEMO_CHECKPOINT)
    assert on_hub(hub, revision="v2") == on_hub(hub, revision="refs/pr/1") == contents(second)
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags", revision="refs/pr/1")
    assert on_hub(hub, revision="refs/pr/1") == contents(DEMO_CHECKPOINT)


def test_picture_of_the_training_goes_with_its_card(hub, second, tmp_path):
    """
    Would fail if the training's picture did not go up with the card that shows it, stayed beside the card of a
    training without one, or were taken from a card that stays.
    """
    curved = copy_demo(tmp_path / "curved")
    (curved / "training_curve.png").write_bytes(b"a picture")
    push_checkpoint_to_hub(curved, "someone/tags")
    assert on_hub(hub) == contents(curved) and len(commits(hub)) == 1
    bare = copy_demo(tmp_path / "bare")
    (bare / "README.md").unlink()
    push_checkpoint_to_hub(bare, "someone/tags")
    assert "training_curve.png" in on_hub(hub)
    push_checkpoint_to_hub(second, "someone/tags")
    assert on_hub(hub) == contents(second)


def test_pull_request_to_somebody_elses_repository(hub, second, monkeypatch):
    """
    Would fail if a checkpoint could be offered only to one's own repositories, or refusals did not say what to do.
    """
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    monkeypatch.setenv("HF_TOKEN", "hf_else")
    with pytest.raises(PushError, match="create_pr=True"):
        push_checkpoint_to_hub(second, "someone/tags")
    assert push_checkpoint_to_hub(second, "someone/tags", create_pr=True).pr_url.endswith("/discussions/1")
    assert on_hub(hub) == contents(DEMO_CHECKPOINT)
    with pytest.raises(PushError, match="hf auth login"):
        push_checkpoint_to_hub(second, "someone/tags", token="hf_nobody")


@pytest.mark.parametrize(
    "method, path, how",
    [
        ("POST", "/api/repos/create", 500),
        ("GET", "/tree/", 502),
        ("POST", "/preupload/", 503),
        ("POST", "/lfs/objects/batch", CUT),
        ("PUT", "/storage/", 500),
        ("PUT", "/storage/", CUT),
        ("POST", "/commit/", 500),
        ("POST", "/commit/", CUT),
    ],
)
def test_failure_leaves_the_old_checkpoint(hub, second, method, path, how):
    """
    Would fail if a server's error or a cut connection left a mixture behind, came as some error from the depths of the
    client, or could not be repaired by pushing again.
    """
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    hub.fail(method, path, how)
    with pytest.raises(PushError, match=r"someone/tags could not be pushed .* push again, which is safe") as caught:
        push_checkpoint_to_hub(second, "someone/tags")
    assert isinstance(caught.value, CheckpointError) and isinstance(caught.value, OSError)
    assert on_hub(hub) == contents(DEMO_CHECKPOINT) and len(commits(hub)) == 1
    hub.heal()
    push_checkpoint_to_hub(second, "someone/tags")
    assert on_hub(hub) == contents(second) and len(commits(hub)) == 2


def test_lost_answer(hub, second):
    """Would fail if a commit that arrived, though its answer did not, were made twice by pushing again."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    hub.fail("POST", "/commit/", ANSWER_LOST)
    with pytest.raises(PushError, match="answer was lost"):
        push_checkpoint_to_hub(second, "someone/tags")
    hub.heal()
    push_checkpoint_to_hub(second, "someone/tags")
    assert on_hub(hub) == contents(second) and len(commits(hub)) == 2


def test_somebody_pushes_at_the_same_time(hub, second, tmp_path):
    """Would fail if a commit between looking and pushing were mixed with this one."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    once = [None]

    def push_between(method, path):
        if "/preupload/" in path and once:
            once.clear()
            hub.repositories["someone/tags"].change("main", [{"value": {"summary": "theirs"}}], {}, create_pr=False)

    hub.before.append(push_between)
    with pytest.raises(PushError, match="somebody else pushed at the same time"):
        push_checkpoint_to_hub(second, "someone/tags")
    assert on_hub(hub) == contents(DEMO_CHECKPOINT)
    push_checkpoint_to_hub(second, "someone/tags")
    assert on_hub(hub) == contents(second)


def test_offline(hub, monkeypatch):
    """Would fail if pushing without a network did not say why it cannot."""
    go_offline(monkeypatch)
    with pytest.raises(PushError, match="offline mode is enabled"):
        push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")


def without(name):
    """Takes a file away."""
    return lambda folder: (folder / name).unlink()


def cut_short(name):
    """Takes the end of a file away."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100])


def with_model_type(name, model_type):
    """Makes a configuration that of another model."""

    def change(folder):
        config = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**config, "model_type": model_type}))

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (without("config.json"), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "is not JSON"),
        (with_model_type("config.json", "bart"), "model type 'bart'"),
        (without("model.safetensors"), "lacks model.safetensors"),
        (cut_short("model.safetensors"), "cut short or damaged"),
        (without("processor_config.json"), "lacks processor_config.json"),
        (without("retriever/tokenizer_config.json"), "retriever lacks tokenizer_config.json"),
        (cut_short("retriever/model.safetensors"), "cut short or damaged"),
        (without("hashtag_pool/pool.json"), "no pool.json"),
        (cut_short("hashtag_pool/embeddings.safetensors"), "SHA-256"),
    ],
)
def test_what_is_no_checkpoint_is_not_pushed(hub, tmp_path, change, message):
    """Would fail if a folder that nobody could load were shared."""
    folder = copy_demo(tmp_path / "checkpoint")
    change(folder)
    with pytest.raises(CheckpointError, match=message):
        push_checkpoint_to_hub(folder, "someone/tags")
    assert not hub.requests


def test_a_pool_of_another_retriever_is_not_pushed(hub, tmp_path):
    """Would fail if a checkpoint were shared whose parts do not belong together."""
    folder = copy_demo(tmp_path / "checkpoint")
    retriever = HashtagRetriever.from_pretrained(folder / "retriever")
    retriever.logit_scale.data.add_(1)
    retriever.save_pretrained(folder / "retriever")
    with pytest.raises(RetrieverMismatchError):
        push_checkpoint_to_hub(folder, "someone/tags")
    assert not hub.requests


def test_what_is_neither_folder_nor_pipeline(hub, tmp_path):
    """Would fail if a wrong argument led to an error that does not say what to pass."""
    with pytest.raises(InputError, match="checkpoint folder or a hashtag-generation pipeline"):
        push_checkpoint_to_hub(GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT), "someone/tags")
    copy_demo(tmp_path / "outputs" / "checkpoint")
    with pytest.raises(CheckpointError, match=r"push .*outputs/checkpoint"):
        push_checkpoint_to_hub(tmp_path / "outputs", "someone/tags")


def test_sharded_weights_and_code(hub, tmp_path):
    """
    Would fail if weights in several files, or the code that a configuration names, did not go up, or a single file of
    weights stayed beside the shards and was loaded in their place.
    """
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    folder = copy_demo(tmp_path / "checkpoint")
    (folder / "model.safetensors").unlink()
    GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT).save_pretrained(folder, max_shard_size="2MB")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoConfig": "own.Config"}}))
    (folder / "own.py").write_text("class Config: ...\n")
    push_checkpoint_to_hub(folder, "someone/tags")
    assert on_hub(hub) == contents(folder)
    assert "model.safetensors" not in on_hub(hub) and "own.py" in on_hub(hub)
    next(folder.glob("model-00001-of-*")).unlink()
    with pytest.raises(CheckpointError, match="lacks model-00001-of"):
        push_checkpoint_to_hub(folder, "someone/tags")
