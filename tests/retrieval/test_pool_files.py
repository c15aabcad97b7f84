"""The pool on disk and on the Hub: round trips, damage, interrupted saves, what is fetched and pushed."""

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from retrieval_stand_ins import StandInProcessor, StandInRetriever

from transformers_ggm.errors import CheckpointError, PoolError, RetrieverMismatchError
from transformers_ggm.retrieval import HashtagPool, vector_files
from transformers_ggm.retrieval.pool_files import POOL_FILES, USES_FILE
from transformers_ggm.utils import hub_snapshots

HASHTAGS = {"snow": 9, "ski": 4, "toronto": 0, "café": 2, "東京": 1}


@pytest.fixture
def pool(retriever, processor):
    return HashtagPool.build(HASHTAGS, retriever, processor, progress_bar=False)


@pytest.fixture
def saved(pool, tmp_path):
    pool.save_pretrained(tmp_path / "pool")
    return tmp_path / "pool"


def state(pool):
    return pool.hashtags, pool.counts, pool.embeddings.numpy().tobytes(), pool.retriever_fingerprint


def sign(folder: Path) -> None:
    """Makes `pool.json` agree with the files beside it, as someone who changes a pool on purpose would."""
    description = json.loads((folder / "pool.json").read_text())
    description["sha256"] = {name: vector_files.sha256_of(folder / name) for name in description["sha256"]}
    (folder / "pool.json").write_text(json.dumps(description))


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 999))
def test_round_trip_keeps_ranking_and_bits(tmp_path, size, dim, seed):
    """If it failed, a pool would suggest other hashtags after it was saved and loaded."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, 10**12, (size,), generator=generator).tolist()
    tags = [f"tag{number}" for number in range(size)]
    pool = HashtagPool(tags, torch.randn(size, dim, generator=generator), counts, "abc")
    pool.save_pretrained(tmp_path / "pool")
    loaded = HashtagPool.from_pretrained(tmp_path / "pool")
    assert state(loaded) == state(pool)
    stored = safetensors.torch.load_file(tmp_path / "pool" / "embeddings.safetensors")["embeddings"]
    assert stored.dtype == torch.float16
    assert torch.equal(stored.float(), pool.embeddings)
    queries = torch.randn(3, dim, generator=generator)
    scores, found = pool.search(queries, size)
    loaded_scores, loaded_found = loaded.search(queries, size)
    assert loaded_found == found
    assert torch.equal(loaded_scores, scores)


def test_pool_with_spellings_that_are_one_now(retriever, tmp_path, caplog):
    """
    If it failed, a pool that an earlier version saved would not load, lose counts, or get another hashtag's vector.
    """
    names = ["i\u0307stanbul", "snow", "straße", "istanbul", "strasse", "ﾞ", "ski", "ｓｎｏｗ"]
    vectors = torch.eye(8)
    HashtagPool([f"t{number}" for number in range(8)], vectors, [1, 2, 3, 4, 5, 6, 7, 2**40], "abc").save_pretrained(
        tmp_path / "pool"
    )
    table = pq.read_table(tmp_path / "pool" / "hashtags.parquet")
    pq.write_table(table.set_column(0, "hashtag", pa.array(names)), tmp_path / "pool" / "hashtags.parquet")
    sign(tmp_path / "pool")
    loaded = HashtagPool.from_pretrained(tmp_path / "pool")
    assert loaded.hashtags == ["istanbul", "snow", "strasse", "ﾞ", "ski"]
    assert loaded.counts == [5, 2 + 2**40, 8, 6, 7]
    assert torch.equal(loaded.embeddings, vectors[[0, 1, 2, 5, 6]])
    assert "3 hashtags that are other spellings" in caplog.text and "'istanbul', 'strasse', 'ｓｎｏｗ'" in caplog.text
    assert "#İSTANBUL" in loaded and loaded.search(vectors[6], 1)[1] == [["ski"]]
    loaded.save_pretrained(tmp_path / "pool")
    caplog.clear()
    assert state(HashtagPool.from_pretrained(tmp_path / "pool")) == state(loaded) and not caplog.text


def test_files_are_those_of_the_format(saved, pool):
    """If it failed, other programs could not read the pool, or something unsafe or temporary lay beside it."""
    assert sorted(os.listdir(saved)) == sorted([*POOL_FILES, "README.md"])
    assert os.listdir(saved.parent) == ["pool"]
    table = pq.read_table(saved / "hashtags.parquet")
    assert table.to_pydict() == {"hashtag": pool.hashtags, "count": pool.counts}
    description = json.loads((saved / "pool.json").read_text())
    assert description["size"] == 5
    assert description["dim"] == 8
    assert description["retriever_fingerprint"] == pool.retriever_fingerprint


def test_files_can_be_read_by_others(saved, tmp_path):
    """If it failed, a pool saved by one user of a machine could not be read by another whom the umask lets in."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").touch()
    assert saved.stat().st_mode == (tmp_path / "plain").stat().st_mode
    modes = {(saved / name).stat().st_mode for name in ("pool.json", "hashtags.parquet")}
    assert modes == {(tmp_path / "plain" / "file").stat().st_mode}


def test_saving_again_replaces_and_keeps_the_card(saved, pool):
    """If it failed, saving an updated pool would fail, mix two pools, or delete the Hub's card beside it."""
    (saved / "README.md").write_text("card")
    (saved / ".gitattributes").write_text("lfs")
    pool.remove(["snow"])
    pool.save_pretrained(saved)
    assert state(HashtagPool.from_pretrained(saved)) == state(pool)
    assert (saved / "README.md").read_text() == "card"
    assert (saved / ".gitattributes").read_text() == "lfs"
    assert os.listdir(saved.parent) == ["pool"]


def test_saving_makes_parents_and_takes_an_empty_folder(pool, tmp_path):
    """If it failed, the first save into a fresh output folder would need a mkdir by hand."""
    for folder in (tmp_path / "a" / "b" / "pool", tmp_path / "empty"):
        if folder.name == "empty":
            folder.mkdir()
        pool.save_pretrained(str(folder))
        assert len(HashtagPool.from_pretrained(str(folder))) == 5


def test_saving_never_deletes_other_files(pool, tmp_path):
    """If it failed, saving a pool into a model's folder would delete the model."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*folder of its own"):
        pool.save_pretrained(model)
    assert (model / "model.safetensors").read_bytes() == b"weights"
    assert os.listdir(tmp_path) == ["model"]
    with pytest.raises(CheckpointError, match="is a file"):
        pool.save_pretrained(model / "model.safetensors")


def failing(*arguments, **options):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("step", "existing"),
    [
        ("embeddings", True),
        ("hashtags", True),
        ("description", True),
        ("carry over the card", True),
        ("old pool aside", True),
        ("new pool in place", True),
        ("description", False),
        ("new pool in place", False),
    ],
)
def test_interrupted_save_leaves_the_old_pool(pool, saved, monkeypatch, step, existing):
    """If it failed, a full disk or Ctrl-C in the middle of saving would cost the pool that was there before."""
    before = state(pool)
    (saved / "README.md").write_text("card")
    if not existing:
        shutil.rmtree(saved)
    pool.remove(["snow"])
    if step == "embeddings":
        monkeypatch.setattr(vector_files, "_bytes_of", failing)
    elif step == "hashtags":
        monkeypatch.setattr(pq, "write_table", failing)
    elif step == "description":
        monkeypatch.setattr(Path, "write_text", failing)
    elif step == "carry over the card":
        monkeypatch.setattr(shutil, "copy2", failing)
    else:
        fail_at = 2 if step == "new pool in place" and existing else 1
        rename, calls = os.rename, []

        def failing_rename(source, target):
            calls.append(target)
            if len(calls) == fail_at:
                raise KeyboardInterrupt
            rename(source, target)

        monkeypatch.setattr(os, "rename", failing_rename)
    with pytest.raises(KeyboardInterrupt):
        pool.save_pretrained(saved)
    monkeypatch.undo()
    assert os.listdir(saved.parent) == (["pool"] if existing else [])
    if existing:
        assert state(HashtagPool.from_pretrained(saved)) == before
        assert (saved / "README.md").read_text() == "card"


@pytest.mark.parametrize("name", POOL_FILES)
def test_missing_file_is_named(saved, name):
    """If it failed, a partial download would end in an error that does not say what is missing."""
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=f"has no {name}"):
        HashtagPool.from_pretrained(saved)


@pytest.mark.parametrize("name", POOL_FILES)
@pytest.mark.parametrize("damage", ["cut", "empty", "garbage", "one bit"])
def test_damaged_file_is_refused(saved, name, damage):
    """If it failed, a truncated download or a flipped bit would be searched as if it were the pool."""
    content = bytearray((saved / name).read_bytes())
    if damage == "one bit":
        # In a digest of pool.json, in the last vector, in the Parquet footer.
        content[-20] ^= 1
    damaged = {"cut": content[:-10], "empty": b"", "garbage": b"\xff\x00 not a pool", "one bit": content}[damage]
    (saved / name).write_bytes(damaged)
    with pytest.raises(CheckpointError, match=name):
        HashtagPool.from_pretrained(saved)


@pytest.mark.parametrize("name", ["hashtags.parquet", "embeddings.safetensors"])
def test_files_of_two_pools_are_refused(saved, tmp_path, retriever, processor, name):
    """If it failed, names of one pool would be paired with vectors of another one of the same size."""
    other = HashtagPool.build(["a", "b", "c", "d", "e"], retriever, processor, progress_bar=False)
    other.save_pretrained(tmp_path / "other")
    shutil.copy(tmp_path / "other" / name, saved / name)
    with pytest.raises(CheckpointError, match=rf"{name} is not the file that pool\.json was saved with"):
        HashtagPool.from_pretrained(saved)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format_version", 2, "newer than the 1"),
        ("format_version", "1", "'format_version'"),
        ("size", 4, "speaks of"),
        ("dim", 4, "speaks of"),
        ("size", "5", "no usable field 'size'"),
        ("size", None, "no usable field 'size'"),
        ("retriever_fingerprint", 3, "'retriever_fingerprint'"),
        ("sha256", [], "'sha256'"),
        ("sha256", {}, "SHA-256 differs"),
    ],
)
def test_changed_description_is_refused(saved, field, value, message):
    """If it failed, a pool of a later version or with a wrong description would be half understood."""
    description = json.loads((saved / "pool.json").read_text())
    description[field] = value
    (saved / "pool.json").write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match=message):
        HashtagPool.from_pretrained(saved)


def test_description_that_is_no_object_is_refused(saved):
    """If it failed, a list in pool.json would end in an AttributeError."""
    (saved / "pool.json").write_text("[1, 2]")
    with pytest.raises(CheckpointError, match="no JSON object"):
        HashtagPool.from_pretrained(saved)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"hashtag": ["a", "b", "c", "d"], "count": [1] * 4}, "holds 4 hashtags"),
        ({"hashtag": list("abcde")}, "columns 'hashtag' and 'count'"),
        ({"name": list("abcde"), "count": [1] * 5}, "columns 'hashtag' and 'count'"),
        ({"hashtag": ["a", "b", "c", "d", None], "count": [1] * 5}, "None"),
        ({"hashtag": ["a", "b", "c", "d", "no tag"], "count": [1] * 5}, "'no tag'"),
        ({"hashtag": ["a", "b", "c", "d", "A"], "count": [1] * 5}, "more than once: 'a'"),
        ({"hashtag": list("abcde"), "count": [1, 1, 1, 1, -1]}, "-1"),
        ({"hashtag": list("abcde"), "count": [1, 1, 1, 1, None]}, "None"),
        ({"hashtag": list("abcde"), "count": list("12345")}, "'1'"),
    ],
)
def test_other_tables_are_refused(saved, columns, message):
    """If it failed, a table made by another program would put things into the pool that are no hashtags."""
    pq.write_table(pa.table(columns), saved / "hashtags.parquet")
    sign(saved)
    with pytest.raises(CheckpointError, match=message):
        HashtagPool.from_pretrained(saved)


def test_further_columns_are_allowed(saved, pool):
    """If it failed, later versions could not note anything more about a hashtag."""
    table = pq.read_table(saved / "hashtags.parquet").append_column("note", pa.array(["x"] * 5))
    pq.write_table(table, saved / "hashtags.parquet")
    sign(saved)
    assert state(HashtagPool.from_pretrained(saved)) == state(pool)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"embeddings": torch.ones(5, 8)}, "holds torch.float32"),
        ({"embeddings": torch.ones(5, 7).half()}, r"shape \(5, 7\)"),
        ({"vectors": torch.ones(5, 8).half()}, "no tensor 'embeddings'"),
        ({"embeddings": torch.full((5, 8), float("inf")).half()}, "infinity"),
    ],
)
def test_other_tensors_are_refused(saved, tensors, message):
    """If it failed, vectors of another type or width would be searched or end in an error from inside torch."""
    safetensors.torch.save_file(tensors, saved / "embeddings.safetensors")
    sign(saved)
    with pytest.raises(CheckpointError, match=message):
        HashtagPool.from_pretrained(saved)


@pytest.mark.parametrize("name", ["hashtags.parquet", "embeddings.safetensors"])
def test_signed_garbage_is_refused(saved, name):
    """If it failed, an error from inside a file format's reader would come out."""
    (saved / name).write_bytes(b"garbage")
    sign(saved)
    with pytest.raises(CheckpointError, match=f"{name} is not a"):
        HashtagPool.from_pretrained(saved)


def test_retriever_is_checked_while_loading(saved, retriever):
    """If it failed, a checkpoint with a pool of another retriever would load and give noise."""
    HashtagPool.from_pretrained(saved, retriever=retriever)
    with pytest.raises(RetrieverMismatchError):
        HashtagPool.from_pretrained(saved, retriever=StandInRetriever("another"))


def test_loading_builds_the_index_that_is_asked_for(saved, pool):
    """If it failed, `index=` would be ignored, or a misspelt one be taken for a damaged pool."""
    with pytest.raises(PoolError, match="'exakt' is not an index"):
        HashtagPool.from_pretrained(saved, index="exakt")
    pytest.importorskip("faiss", reason="FAISS is not installed: pip install transformers-ggm[faiss]")
    loaded = HashtagPool.from_pretrained(saved, index="faiss")
    assert loaded.search(pool.embeddings, 2)[1] == pool.search(pool.embeddings, 2)[1]


def test_subfolder_and_the_hint_to_it(pool, tmp_path):
    """If it failed, the pool inside a checkpoint could not be loaded, or the message would not say how."""
    pool.save_pretrained(tmp_path / "checkpoint" / "hashtag_pool")
    loaded = HashtagPool.from_pretrained(tmp_path / "checkpoint", subfolder="hashtag_pool")
    assert state(loaded) == state(pool)
    with pytest.raises(CheckpointError, match="subfolder='hashtag_pool'"):
        HashtagPool.from_pretrained(tmp_path / "checkpoint")


@pytest.mark.parametrize("name", ["nobody/no-such-pool", "no such/../folder", "./missing", ""])
def test_missing_folder_and_repository(name, tmp_path, monkeypatch):
    """If it failed, a typing mistake in a path would end in an error about Hub ids or connections only."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="not a local folder, and no hashtag pool could be fetched"):
        HashtagPool.from_pretrained(name, cache_dir=tmp_path / "cache")


def test_repository_that_is_not_there(monkeypatch, tmp_path):
    """If it failed, a private or misspelt repository would show as an HTTP error."""

    class Response:
        headers: dict = {}
        request = None

    def not_found(*arguments, **options):
        raise RepositoryNotFoundError("404 Client Error", response=Response())

    monkeypatch.setattr(hub_snapshots, "snapshot_download", not_found)
    with pytest.raises(CheckpointError, match="check the name, `revision` and `token`"):
        HashtagPool.from_pretrained("nobody/private", cache_dir=tmp_path)


@pytest.mark.parametrize("subfolder", ["", "hashtag_pool"])
def test_fetches_the_pool_and_nothing_else(pool, tmp_path, monkeypatch, subfolder):
    """If it failed, loading a pool would download the gigabytes of the model beside it, or the wrong revision."""
    pool.save_pretrained(tmp_path / "snapshot" / subfolder)
    asked = {}

    def download(repo_id, **options):
        asked.update(options, repo_id=repo_id)
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(hub_snapshots, "snapshot_download", download)
    loaded = HashtagPool.from_pretrained(
        "someone/checkpoint", subfolder=subfolder, revision="v1", token="t", cache_dir="c", local_files_only=True
    )
    assert state(loaded) == state(pool)
    prefix = f"{subfolder}/" if subfolder else ""
    assert sorted(asked.pop("allow_patterns")) == sorted(prefix + name for name in (*POOL_FILES, USES_FILE))
    assert asked == {
        "repo_id": "someone/checkpoint",
        "revision": "v1",
        "token": "t",
        "cache_dir": "c",
        "local_files_only": True,
    }


def test_loads_from_the_hub_cache_without_a_network(pool, tmp_path):
    """If it failed, a pool that was downloaded before could not be used offline."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "cache" / "models--someone--checkpoint"
    pool.save_pretrained(repository / "snapshots" / commit / "hashtag_pool")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    loaded = HashtagPool.from_pretrained(
        "someone/checkpoint", subfolder="hashtag_pool", cache_dir=tmp_path / "cache", local_files_only=True
    )
    assert state(loaded) == state(pool)


@pytest.mark.parametrize("subfolder", ["", "hashtag_pool"])
def test_push_uploads_what_can_be_loaded(pool, tmp_path, monkeypatch, subfolder):
    """If it failed, a pushed pool would lack a file, lie in the wrong place, or take another branch's place."""
    calls = []
    hub = tmp_path / "hub"

    def create_repo(api, repo_id, **options):
        calls.append(("create_repo", repo_id, options))
        return type("Url", (), {"repo_id": f"me/{repo_id}"})

    def create_branch(api, repo_id, **options):
        calls.append(("create_branch", repo_id, options))

    def create_commit(api, repo_id, operations, **options):
        calls.append(("create_commit", repo_id, options))
        for operation in operations:
            file = hub / operation.path_in_repo
            file.parent.mkdir(parents=True, exist_ok=True)
            with operation.as_file() as stream:
                file.write_bytes(stream.read())
        return "the commit"

    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    monkeypatch.setattr(HfApi, "create_branch", create_branch)
    monkeypatch.setattr(HfApi, "create_commit", create_commit)
    monkeypatch.setattr(HfApi, "repo_info", lambda *_, **__: type("Info", (), {"sha": "0a1b"}))
    monkeypatch.setattr(HfApi, "list_repo_files", lambda *_, **__: [".gitattributes"])
    commit = pool.push_to_hub("pool", subfolder=subfolder, revision="v1", private=True)
    assert commit == "the commit"
    assert [name for name, *_ in calls] == ["create_repo", "create_branch", "create_commit"]
    assert calls[0][2]["private"] is True
    assert calls[2][1] == "me/pool"
    assert calls[2][2]["revision"] == "v1"
    assert state(HashtagPool.from_pretrained(hub, subfolder=subfolder)) == state(pool)
    assert set(os.listdir(hub / subfolder)) == {*POOL_FILES, *([] if subfolder else ["README.md"])}


def test_stand_ins_tell_hashtags_apart():
    """If it failed, the tests above could pass with names and vectors mixed up."""
    pool = HashtagPool.build(HASHTAGS, StandInRetriever(), StandInProcessor(), progress_bar=False)
    assert pool.search(pool.embeddings, 1)[1] == [[hashtag] for hashtag in HASHTAGS]
