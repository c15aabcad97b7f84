"""An index of posts made on a cluster: as [`PostIndex.build`] makes it, and what a kill costs."""

import json
import random
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from composed_parts import WORDS, write_parts

from transformers_ggm import PostIndex
from transformers_ggm.cli import main
from transformers_ggm.cluster.index_posts_bulk import index_posts_bulk
from transformers_ggm.cluster.post_parts import PostEncoder, PostParts
from transformers_ggm.cluster.source_rows import RowReader, SharedSource, ranges_of
from transformers_ggm.data.sources import open_shorts
from transformers_ggm.errors import DatasetError, InputError, OutputError, PostIndexError
from transformers_ggm.retrieval import TextEncoder
from transformers_ggm.retrieval.post_files import read_posts

NUM_POSTS = 60


@pytest.fixture(scope="module")
def posts(tmp_path_factory):
    """A table of posts of few words, most with ids, with times and further texts; and the folder of a tiny encoder."""
    folder, chance, words = tmp_path_factory.mktemp("posts"), random.Random(3), WORDS.split()
    encoder = write_parts(folder)["text_encoder"]
    rows = [
        {
            "id": f"post{number}" if number % 7 else None,
            "description": " ".join(chance.choices(words, k=6)),
            "screen_text": chance.choice([None, "first snow"]),
            "time": chance.choice([None, f"2026-06-{1 + number % 28:02d}T16:30:37Z"]),
            "hashtags": chance.sample(words, k=number % 4) or ["every"],
        }
        for number in range(NUM_POSTS)
    ]
    (folder / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "all.jsonl", encoder


def parts_of(posts, encoder, folder, store_text=False, each=25):
    """What the stages make, without a cluster, in parts of so many posts."""
    shared = SharedSource.of(posts)
    fingerprints = {split: rows.fingerprint for split, rows in shared.open().items()}
    reader = RowReader(shared, fingerprints, lambda source, start: source.rows(start=start))
    fingerprint = "" if encoder is None else TextEncoder.from_pretrained(encoder).fingerprint()
    encode = PostEncoder(encoder, fingerprint, store_text, "cpu")
    folder.mkdir()
    parts = PostParts(folder)
    for number, block in enumerate(ranges_of(None, [(0, each), (each, None)], 10)):
        [rows] = reader(block)
        # As far as the next stage needs it, what Ray makes of columns.
        parts.add(encode({name: SimpleNamespace(to_pylist=column.tolist) for name, column in rows.items()}))
        if number % 2:
            parts.write()
    parts.write()
    return parts, fingerprint


@pytest.mark.parametrize("store_text", [False, True])
def test_joined_parts(posts, tmp_path, store_text):
    """Would fail if a post, hashtag, time, text, term or vector of a part were lost, or were another post's."""
    source, encoder = posts
    parts, fingerprint = parts_of(source, encoder, tmp_path / "parts", store_text)
    found = parts.joined(fingerprint)
    rows = list(open_shorts(source)[None].rows())
    built = PostIndex.build(rows, TextEncoder.from_pretrained(encoder), store_text=store_text)
    assert_same(found, built._contents())
    assert len(list((tmp_path / "parts").glob("*.parquet"))) > 1
    assert PostParts(tmp_path / "parts").num_posts == NUM_POSTS


def assert_same(found, expected):
    """Compares the contents of two indexes; vectors within what float16 rounds."""
    assert found.table.equals(expected.table.cast(found.table.schema))
    assert list(found.hashtags) == list(expected.hashtags)
    assert (found.dim, found.encoder_fingerprint) == (expected.dim, expected.encoder_fingerprint)
    assert (found.counts != expected.counts).nnz == 0
    assert (found.vectors is None) == (expected.vectors is None)
    if found.vectors is not None:
        vectors = [np.concatenate([block.float().numpy() for block in index.vectors]) for index in (found, expected)]
        np.testing.assert_allclose(*vectors, atol=1e-3)


def test_without_an_encoder(posts, tmp_path):
    """Would fail if an index that is searched by words alone needed an encoder, or got vectors."""
    parts, _ = parts_of(posts[0], None, tmp_path / "parts")
    assert_same(parts.joined(""), PostIndex.build(open_shorts(posts[0])[None].rows())._contents())


def test_two_posts_of_one_id(tmp_path):
    """Would fail if an index with two posts of one id came of posts that lie in different parts."""
    rows = [{"id": "same" if number in (0, 20) else str(number), "hashtags": ["a"]} for number in range(30)]
    source = tmp_path / "posts.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    parts, _ = parts_of(source, None, tmp_path / "parts")
    with pytest.raises(PostIndexError, match="more than one post of each of these ids: 'same'"):
        parts.joined("")


def test_what_is_refused(posts, tmp_path, capsys):
    """Would fail if a folder were overwritten, a split guessed, or options for a cluster passed over without one."""
    pytest.importorskip("ray", reason="these are about the extra `ray`")
    source, _ = posts
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    with pytest.raises(InputError, match="is there already"):
        index_posts_bulk(source, tmp_path / "there")
    with pytest.raises(InputError, match="`num_models` is 0"):
        index_posts_bulk(source, tmp_path / "posts", num_models=0)
    for split in ("test", "validation"):
        (tmp_path / "splits" / split).mkdir(parents=True)
        (tmp_path / "splits" / split / "metadata.jsonl").write_text(source.read_text())
    with pytest.raises(DatasetError, match="give the folder of one of them"):
        index_posts_bulk(tmp_path / "splits", tmp_path / "posts")
    assert main(["posts", "build", str(source), "--output_dir", str(tmp_path / "posts"), "--num_models", "2"]) == 2
    assert "--num_models: only with --engine ray" in " ".join(capsys.readouterr().err.split())


def test_without_a_cluster(posts, tmp_path, capsys):
    """Would fail if the command made another index than the class does."""
    source, _ = posts
    assert main(["posts", "build", str(source), "--output_dir", str(tmp_path / "posts")]) == 0
    assert f"ggm compose --posts {tmp_path / 'posts'}" in capsys.readouterr().out
    assert_same(read_posts(tmp_path / "posts"), PostIndex.build(open_shorts(source)[None].rows())._contents())


# The command, whose process is killed when it has written some parts, or is about to write one, or saves the index.
DRIVER = """
import os, signal, sys
from transformers_ggm.cli import main
from transformers_ggm.cluster import index_posts_bulk, post_parts

left, when = int(sys.argv[1]), sys.argv[2]
write, save = post_parts.PostParts.write, index_posts_bulk._save

def kill(now):
    if left <= 0 and now == when:
        os.kill(os.getpid(), signal.SIGKILL)

def write_and_die(parts):
    global left
    left -= bool(parts._waiting)
    kill("before")
    write(parts)
    kill("after")

def save_and_die(*arguments):
    kill("save")
    save(*arguments)
    kill("saved")

post_parts.PostParts.write, index_posts_bulk._save = write_and_die, save_and_die
post_parts._PART_POSTS, index_posts_bulk._BLOCK_POSTS = 8, 4
if __name__ == "__main__":
    sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.slow
def test_the_driver_is_killed(cluster, posts, tmp_path):
    """Would fail if kill -9 lost a post, doubled one, cost a finished part, or left a folder that is no index."""
    source, encoder = posts
    (tmp_path / "driver.py").write_text(DRIVER)
    command = ["posts", "build", str(source), "--output_dir", str(tmp_path / "posts"), "--text_encoder", encoder,
               "--engine", "ray", "--address", cluster.get_runtime_context().gcs_address]  # fmt: skip
    chance, finished = random.Random(11), {}
    for left, when in [(chance.randint(1, 3), chance.choice(["before", "after"])), (0, "save"), (0, "saved")]:
        assert drive(tmp_path / "driver.py", left, when, command) == -signal.SIGKILL
        now = {file.name: file.stat().st_mtime_ns for file in (tmp_path / ".posts.parts").glob("part-*.parquet")}
        if left:
            assert len(now) == len(finished) + left - (when == "before")
        assert {name: now[name] for name in finished} == finished
        finished = now
        assert (tmp_path / "posts").is_dir() == (when == "saved")
    with pytest.raises(OutputError, match="was made with store_text false, and not true"):
        index_posts_bulk(source, tmp_path / "posts", encoder, store_text=True)
    assert drive(tmp_path / "driver.py", 0, "never", command) == 0
    assert not (tmp_path / ".posts.parts").exists()
    encoder = TextEncoder.from_pretrained(encoder)
    found = PostIndex.from_pretrained(tmp_path / "posts", encoder=encoder)
    built = PostIndex.build(open_shorts(source)[None].rows(), encoder)
    assert_same(found._contents(), built._contents())
    queries = ["first snow on the hill", "a cake"]
    for by in ("dense", "sparse"):
        pairs = zip(found.search(queries, k=5, by=by), built.search(queries, k=5, by=by))
        assert all([post.id for post in one] == [post.id for post in other] for one, other in pairs)


def drive(script, left, when, command):
    return subprocess.run([sys.executable, script, str(left), when, *command], stderr=subprocess.DEVNULL).returncode
