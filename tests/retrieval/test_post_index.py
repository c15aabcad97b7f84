"""The index of tagged posts: building, searching, changing, its files, and what it refuses."""

import hashlib
import json
import pickle
import shutil
from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset

from transformers_ggm import PostIndex
from transformers_ggm.errors import (
    CheckpointError,
    EncoderMismatchError,
    HashtagError,
    InputError,
    PoolError,
    PostIndexError,
)
from transformers_ggm.retrieval import post_reading, post_search
from transformers_ggm.retrieval.post_files import POST_FILES

POSTS = [
    {"id": "a", "description": "first snow on the hill", "hashtags": ["Snow", "#winter", "snow"]},
    {"id": "b", "description": "a day by the lake", "hashtags": ["lake"], "time": "2026-01-01T00:00:00Z"},
    {"id": "c", "description": "snow", "screen_text": "so cold", "hashtags": ["cold"], "time": "2026-03-01T00:00:00Z"},
    {"id": "d", "description": "初雪が降った", "hashtags": ["雪"]},
]


class StandInEncoder:
    """Encodes a text by how often it has each letter; remembers what it was asked."""

    def __init__(self, name="letters"):
        self.name, self.asked = name, []

    def encode(self, texts):
        self.asked += texts
        return torch.tensor(
            [[text.count(letter) + 0.01 for letter in "abcdefghijklmnopqrstuvwxyz雪"] for text in texts]
        )

    def fingerprint(self):
        return self.name


@pytest.fixture
def encoder():
    return StandInEncoder()


@pytest.fixture
def index(encoder):
    return PostIndex.build(POSTS, encoder)


def found(index, texts, **options):
    return [[post.id for post in row] for row in index.search(texts, **options)]


def test_sparse_search(index):
    """Would fail if posts that share words were not found, or found in the wrong order, or with other hashtags."""
    rows = index.search(["snow hill", "初雪", "", "unrelated"], k=5, by="sparse")
    assert [[post.id for post in row] for row in rows] == [["a", "c"], ["d"], [], []]
    assert rows[0][0].hashtags == ("snow", "winter") and rows[1][0].hashtags == ("雪",)
    assert 0 < rows[0][1].similarity < rows[0][0].similarity <= 1


def test_dense_search_is_by_cosine(index, encoder):
    """Would fail if vectors were not normalised, or the nearest posts were others than those of plain arithmetic."""
    texts = ["first snow on a hill", "a lake"]
    vectors = torch.nn.functional.normalize(encoder.encode([post_reading.post_text(post) for post in POSTS]), dim=-1)
    cosines = torch.nn.functional.normalize(encoder.encode(texts), dim=-1) @ vectors.half().float().T
    rows = index.search(texts, k=4, by="dense")
    for row, expected in zip(rows, cosines):
        assert [post.id for post in row] == [POSTS[i]["id"] for i in expected.argsort(descending=True)]
        assert [post.similarity for post in row] == pytest.approx(expected.sort(descending=True).values.tolist())
    assert found(index, None, vectors=encoder.encode(texts), k=4) == [[post.id for post in row] for row in rows]


@pytest.mark.parametrize("by", ["dense", "sparse"])
def test_later_posts_are_not_found(index, by):
    """Would fail if a row were helped by posts that were made after it, or at its own time."""
    before = [datetime(2026, 3, 1, tzinfo=timezone.utc), datetime(2026, 3, 2, tzinfo=timezone.utc), None]
    rows = found(index, ["snow"] * 3, k=4, by=by, before=before)
    assert "c" not in rows[0] and "c" in rows[1] and "c" in rows[2]
    assert "a" in rows[0]  # of which nobody knows when it was made


@pytest.mark.parametrize("by", ["dense", "sparse"])
def test_limits_do_not_cost_neighbours(by, encoder):
    """Would fail if leaving out late or too similar posts left fewer than were asked for, though more are there."""
    late = [{"description": "snow", "hashtags": ["late"], "time": "2027-01-01T00:00:00Z"}] * 40
    early = [
        {"description": f"snow {'x' * n}", "hashtags": ["early"], "time": "2025-01-01T00:00:00Z"} for n in range(8)
    ]
    index = PostIndex.build([*late, *early], encoder)
    before = [datetime(2026, 1, 1, tzinfo=timezone.utc)]
    rows = index.search(["snow"], k=5, by=by, before=before, max_similarity=0.999)
    assert [post.hashtags for post in rows[0]] == [("early",)] * 5
    assert all(post.similarity <= 0.999 for post in rows[0])
    none = [datetime(2020, 1, 1, tzinfo=timezone.utc)]
    assert index.search(["snow"], k=5, by=by, before=none) == [[]]


def test_streams_and_data_sets(encoder, monkeypatch):
    """Would fail if posts had to fit into memory as a list, or batches were mixed up."""
    monkeypatch.setattr(post_reading, "_POSTS_AT_A_TIME", 3)
    fields = ("id", "description", "screen_text", "hashtags", "time")
    posts = [{field: post.get(field) for field in fields} for post in POSTS]
    whole = PostIndex.build(Dataset.from_list(posts), encoder)
    stream = PostIndex.build((post for post in posts), encoder)
    assert whole.ids == stream.ids == ["a", "b", "c", "d"]
    texts = ["snow by the lake"]
    for by in ("dense", "sparse"):
        assert whole.search(texts, by=by) == stream.search(texts, by=by)


def test_ids_are_running_numbers_by_default():
    """Would fail if posts without ids could not be told apart, or new ones got the ids of old ones."""
    index = PostIndex.build([{"description": "x", "hashtags": ["x"]}] * 2)
    index.add([{"description": "y", "hashtags": ["y"]}])
    assert index.ids == ["0", "1", "2"]
    index.remove(["0"])
    index.add([{"id": "1234567890123456789", "hashtags": ["y"]}, {"id": None, "hashtags": ["z"]}])
    assert index.ids == ["1", "2", "1234567890123456789", "4"]
    index.add([{"hashtags": ["z"]}])
    assert index.ids[-1] == "5"


def test_adding_and_removing_are_seen_at_once(index, encoder):
    """Would fail if a trend had to wait for a new index, or a post that its author removed were still used."""
    before = index.copy()
    index.add([{"id": "e", "description": "heatwave in town", "hashtags": ["heatwave"]}])
    assert found(index, ["heatwave"], k=1, by="sparse") == found(index, ["heatwave in town"], k=1) == [["e"]]
    assert encoder.asked.count("heatwave in town") == 2  # once when it was added, once as a query
    index.remove(["e", "a"])
    assert index.ids == ["b", "c", "d"] and found(index, ["first snow"], k=1, by="sparse") == [["c"]]
    assert index.hashtag_counts() == {"lake": 1, "cold": 1, "雪": 1}
    assert before.ids == ["a", "b", "c", "d"] and before.hashtag_counts()["snow"] == 1


def test_index_is_as_before_where_a_change_fails(index):
    """Would fail if a bad post in the middle of a batch left the index half changed."""
    for posts, error in (
        ([{"id": "x", "hashtags": ["ok"]}, {"id": "y", "hashtags": ["not ok"]}], HashtagError),
        ([{"id": "a", "hashtags": ["again"]}], PostIndexError),
        ([{"id": "x", "hashtags": None}], PostIndexError),
        ([{"id": "x", "hashtags": ["ok"], "time": "2026-01-01T00:00:00"}], InputError),
    ):
        with pytest.raises(error):
            index.add(posts)
    for ids in (["a", "nobody"], ["a", "b", "c", "d"]):
        with pytest.raises(PostIndexError, match="Nothing was removed"):
            index.remove(ids)
    assert index.ids == ["a", "b", "c", "d"] and "ok" not in index.hashtag_counts()


@pytest.mark.parametrize("store_text", [False, True])
def test_saved_index_is_the_same(index, encoder, tmp_path, store_text):
    """Would fail if an index answered otherwise after saving, or people's words were saved without being asked for."""
    index = PostIndex.build(POSTS, encoder, store_text=store_text)
    index.save_pretrained(tmp_path / "posts")
    loaded = PostIndex.from_pretrained(tmp_path / "posts", encoder=encoder)
    for by in ("dense", "sparse"):
        assert loaded.search(["snow", "lake"], by=by) == index.search(["snow", "lake"], by=by)
    assert loaded.hashtag_counts() == index.hashtag_counts() and loaded.stores_text == store_text
    content = b"".join(file.read_bytes() for file in (tmp_path / "posts").iterdir())
    assert (b"first snow on the hill" in content) == store_text
    card = (tmp_path / "posts" / "README.md").read_text()
    assert ("are not stored" in card) != store_text and "letters" in card
    loaded.add([{"id": "new", "description": "more snow", "hashtags": ["snow"]}])
    assert len(loaded) == 5


def test_index_without_vectors(tmp_path):
    """Would fail if an index of words alone needed an encoder, or did not say so where one is needed."""
    PostIndex.build(POSTS).save_pretrained(tmp_path / "posts")
    index = PostIndex.from_pretrained(tmp_path / "posts")
    assert index.searches == ("sparse",) and found(index, ["lake"], by="sparse") == [["b"]]
    assert not (tmp_path / "posts" / "embeddings.safetensors").exists()
    with pytest.raises(PostIndexError, match="has no vectors"):
        index.search(["lake"], by="dense")


def test_index_without_terms(encoder):
    """Would fail if an index of vectors alone were searched by words."""
    index = PostIndex.build(POSTS, encoder, sparse=False)
    assert index.searches == ("dense",)
    with pytest.raises(PostIndexError, match="has no terms"):
        index.search(["lake"], by="sparse")


def test_other_encoders_are_refused(index, tmp_path):
    """Would fail if texts were compared with vectors of another encoder."""
    index.save_pretrained(tmp_path / "posts")
    with pytest.raises(EncoderMismatchError, match="other"):
        PostIndex.from_pretrained(tmp_path / "posts", encoder=StandInEncoder("other"))
    without = PostIndex.from_pretrained(tmp_path / "posts")
    with pytest.raises(PostIndexError, match="without its encoder"):
        without.search(["snow"])
    with pytest.raises(PostIndexError, match="load it with its encoder"):
        without.add([{"id": "x", "hashtags": ["x"]}])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"posts": []}, "there are no posts"),
        ({"posts": POSTS, "sparse": False}, "nothing to search by"),
        ({"posts": [*POSTS, POSTS[0]]}, "more than one post of each of these ids: 'a'"),
        ({"posts": [{"description": "x", "hashtags": "snow"}]}, "give each post a list"),
        ({"posts": [{"description": "x", "hashtags": float("nan")}]}, "give each post a list"),
        ({"posts": [{"description": float("nan"), "hashtags": ["x"]}]}, "post 0 has description=nan"),
        ({"posts": [*POSTS, "snow"]}, "post 4 is a str: give each post as a dict"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    """Would fail if an index without posts, or without a way to search it, were made."""
    with pytest.raises(PostIndexError, match=message):
        PostIndex.build(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "at least one"),
        ({"k": 2.5}, "at least one"),
        ({"texts": "snow"}, "one string"),
        ({"vectors": torch.ones(2, 27)}, "each of the 1 queries"),
        ({"vectors": torch.full((1, 27), torch.nan)}, "NaN or infinity"),
        ({"by": "both"}, "'dense' or 'sparse'"),
        ({"vectors": torch.ones(1, 3)}, r"give \(q"),
        ({"texts": None}, "`texts` is missing"),
        ({"texts": None, "vectors": torch.ones(1, 3), "by": "sparse"}, "`texts` is missing"),
        ({"before": []}, "0 times for 1 queries"),
    ],
)
def test_searches_that_mean_nothing(index, options, message):
    """Would fail if a search that cannot be done ended in an error of a library."""
    with pytest.raises(PostIndexError, match=message):
        index.search(**{"texts": ["snow"], **options})


@pytest.mark.parametrize(
    "vectors", [torch.ones(1, 27), torch.ones(2), torch.full((2, 27), torch.inf), torch.ones(2, 3)]
)
def test_vectors_that_cannot_be_those_of_posts(index, encoder, monkeypatch, vectors):
    """Would fail if an encoder that lost a post gave all posts after it another post's vector, or NaN were kept."""
    monkeypatch.setattr(encoder, "encode", lambda texts: vectors)
    with pytest.raises((PostIndexError, PoolError)):
        index.add([{"id": "x", "hashtags": ["x"]}, {"id": "y", "hashtags": ["y"]}])
    assert index.ids == ["a", "b", "c", "d"] and len(index._posts.vectors) == 4


@pytest.mark.parametrize("by", ["dense", "sparse"])
def test_posts_without_words(encoder, by):
    """Would fail if posts of which nothing is said could not be indexed, or a library stumbled over them."""
    index = PostIndex.build([{"hashtags": ["a"]}, {"description": " ", "hashtags": ["b"]}], encoder)
    assert index.search(["snow", ""], by=by)[1] == [] and len(index.search(["snow"], by="sparse")[0]) == 0


def test_posts_of_any_time(index):
    """Would fail if the last or the first of all times went beyond what is counted in."""
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))
    first = datetime.min.replace(tzinfo=timezone(timedelta(hours=12)))
    index.add([{"id": "last", "description": "snow", "hashtags": ["z"], "time": last.isoformat()}])
    index.add([{"id": "first", "description": "snow", "hashtags": ["z"], "time": first.isoformat()}])
    now = datetime(2026, 6, 1, tzinfo=timezone.utc)
    rows = found(index, ["snow"] * 2, k=9, by="sparse", before=[now, last])
    assert "first" in rows[0] and "last" not in rows[0] and "last" not in rows[1]


def test_removing_one_string(index):
    """Would fail if the letters of a string were taken for ids, of which some are there."""
    with pytest.raises(PostIndexError, match="one string"):
        index.remove("ab")
    assert len(index) == 4


def test_hashtags_of_another_index_are_refused(index, tmp_path):
    """Would fail if a table whose hashtags are not there were believed until a search comes upon it."""
    index.save_pretrained(tmp_path / "posts")
    for name, column in (("hashtags.parquet", ["snow"]), ("posts.parquet", None)):
        table = pq.read_table(tmp_path / "posts" / name)
        changed = table.slice(0, 0) if column is None else pa.table({"hashtag": pa.array(column, pa.large_string())})
        damaged = tmp_path / name
        shutil.copytree(tmp_path / "posts", damaged)
        pq.write_table(changed, damaged / name)
        description = json.loads((damaged / "posts.json").read_text())
        description["sha256"][name] = hashlib.sha256((damaged / name).read_bytes()).hexdigest()
        (damaged / "posts.json").write_text(json.dumps(description))
        with pytest.raises(CheckpointError, match="damaged"):
            PostIndex.from_pretrained(damaged)


@pytest.mark.parametrize("name", [name for name in POST_FILES if name != "posts.json"])
def test_damaged_files_are_refused(index, tmp_path, name):
    """Would fail if half a download, or a file of another index, were taken for the index."""
    index.save_pretrained(tmp_path / "posts")
    file = tmp_path / "posts" / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        PostIndex.from_pretrained(tmp_path / "posts")
    file.unlink()
    with pytest.raises(CheckpointError, match=name):
        PostIndex.from_pretrained(tmp_path / "posts")


@pytest.mark.parametrize("change", [{"size": 9}, {"format_version": 99}, {"dim": "x"}, {"sha256": {}}])
def test_wrong_descriptions_are_refused(index, tmp_path, change):
    """Would fail if a description that does not fit its files were believed."""
    index.save_pretrained(tmp_path / "posts")
    file = tmp_path / "posts" / "posts.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(CheckpointError):
        PostIndex.from_pretrained(tmp_path / "posts")


def test_saving_deletes_nothing_else(index, tmp_path):
    """Would fail if saving into a folder with other files deleted them, or a failure half an index."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="notes"):
        index.save_pretrained(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    index.save_pretrained(tmp_path / "posts")
    index.save_pretrained(tmp_path / "posts")
    assert len(PostIndex.from_pretrained(tmp_path / "posts")) == 4


def test_push_and_pull(index, encoder, hub):
    """Would fail if an index could not be shared, or were pushed without its card."""
    index.push_to_hub("someone/posts", subfolder="posts")
    loaded = PostIndex.from_pretrained("someone/posts", subfolder="posts", encoder=encoder)
    assert loaded.search(["snow"]) == index.search(["snow"])


def test_index_can_be_sent_to_another_process(index):
    """Would fail if workers of a data loader could not have an index."""
    assert pickle.loads(pickle.dumps(index)).search(["lake"], by="sparse") == index.search(["lake"], by="sparse")


@pytest.mark.parametrize("block", [8, 1024])
def test_many_posts_agree_with_brute_force(monkeypatch, block):
    """Would fail if the choice of the best of many lost some, or ordered equal ones by chance."""
    monkeypatch.setattr(post_search, "_BLOCK", block)
    generator = np.random.default_rng(0)
    words = [f"w{n}" for n in range(40)]
    posts = [
        {"description": " ".join(generator.choice(words, 4)), "hashtags": ["x"], "id": str(n)} for n in range(500)
    ]
    index = PostIndex.build(posts)
    query = "w1 w2 w3"
    (similarities,) = index._posts.sparse.similarities([query])
    best = sorted(range(500), key=lambda n: (-similarities[n], n))[:7]
    assert found(index, [query], k=7, by="sparse") == [[str(n) for n in best]]


def test_old_posts_are_forgotten_by_age_and_number(index):
    """Would fail if posts that are too old stayed, or newer ones or those without a time went with them."""
    assert index.forget(before="2026-02-01T00:00:00Z") == 1 and index.ids == ["a", "c", "d"]
    assert index.forget(before="2026-02-01T00:00:00Z", keep=3) == 0
    assert index.forget(keep=2) == 1 and index.ids == ["c", "d"]
    assert [post.id for post in index.search(["snow"], k=3, by="sparse")[0]] == ["c"]
    index.add([{"id": "e", "description": "snow", "hashtags": ["new"], "time": "2026-04-01T00:00:00Z"}])
    assert index.forget(keep=1) == 2 and index.ids == ["e"]
    for bad, message in (({}, "say which posts"), ({"keep": 0}, "has to stay")):
        with pytest.raises(PostIndexError, match=message):
            index.forget(**bad)
    with pytest.raises(PostIndexError, match="would leave the index empty"):
        index.forget(before="2027-01-01T00:00:00Z")
    with pytest.raises(InputError, match="no zone"):
        index.forget(before="2026-01-01T00:00:00")
