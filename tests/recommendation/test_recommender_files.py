"""Recommenders in checkpoints: what is stored is what is loaded, and what is damaged is told."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from small_encoder import make_encoder
from transformers import BertConfig

from transformers_ggm import (
    GGMForHashtagClassification,
    HashtagClassifierConfig,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
    PostIndex,
)
from transformers_ggm.data.classifier_collator import DataCollatorForHashtagClassification
from transformers_ggm.errors import (
    CheckpointError,
    EncoderMismatchError,
    RankerError,
    RetrieverMismatchError,
    SourceError,
)
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.recommendation import (
    Candidate,
    CandidateSource,
    ClassifierSource,
    FrequentSource,
    FusedSource,
    GeneratorSource,
    Guidance,
    HistorySource,
    PoolSource,
    PostsSource,
    Recommender,
    WordsSource,
    clues_of,
    register_source,
)
from transformers_ggm.recommendation.candidates import SOURCES
from transformers_ggm.retrieval import DescriptionEncoder, TextEncoder


def made(index, posts, *more):
    counts = index.hashtag_counts()
    sources = [PostsSource(index, by) for by in index.searches]
    return [*sources, WordsSource.build(posts), HistorySource(posts=7), FrequentSource(counts), *more], counts


@pytest.fixture(scope="module")
def saved(posts, new_posts, encoder, tmp_path_factory):
    """A fitted recommender, and the folder that it was saved in."""
    sources, counts = made(PostIndex.build(posts, encoder), posts)
    guidance = Guidance(["posts_dense", "words"], {"words": 0.5, "posts_dense": 1.0})
    recommender = Recommender(sources, counts=counts, k=20, guidance=guidance)
    recommender.fit(clues_of(new_posts, posts), [row["hashtags"] for row in new_posts])
    folder = tmp_path_factory.mktemp("checkpoint")
    recommender.save_pretrained(folder)
    return recommender, folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of the saved folder, to be damaged."""
    return shutil.copytree(saved[1], tmp_path / "copy")


def change(folder, **fields):
    file = folder / "recommendation.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def test_what_is_loaded_recommends_what_was_saved(saved, posts, new_posts):
    """Would fail if any number that a source or the ranker goes by were lost or rounded on its way through files."""
    recommender, folder = saved
    loaded = Recommender.from_pretrained(folder)
    rows = clues_of(new_posts, posts)
    before, after = recommender.features(rows), loaded.features(rows)
    assert torch.equal(before.values, after.values) and before.hashtags == after.hashtags
    assert loaded.recommend(rows, explain=True) == recommender.recommend(rows, explain=True)
    assert loaded.guidance == recommender.guidance and loaded.k == 20
    assert not any(name.endswith((".bin", ".pkl", ".pt")) for name in map(str, folder.rglob("*")))


def test_layout_of_the_folder(saved):
    """Would fail if the names of files or fields were others than those that other versions and programs read."""
    folder = saved[1]
    assert {file.name for file in folder.iterdir()} == {
        "recommendation.json", "posts", "text_encoder", "words", "ranker",
    }  # fmt: skip
    assert json.loads((folder / "recommendation.json").read_text()) == {
        "version": 1,
        "k": 20,
        "sources": [
            {"source": "posts", "by": "dense", "neighbours": 20},
            {"source": "posts", "by": "sparse", "neighbours": 20},
            {"source": "words"},
            {"source": "history", "posts": 7},
            {"source": "frequent"},
        ],
        "guidance": {"sources": ["posts_dense", "words"], "weights": {"words": 0.5, "posts_dense": 1.0}},
        "ranker": True,
    }
    table = pq.read_table(folder / "words" / "words.parquet")
    assert table.column_names == ["hashtag", "uses", "texts", "linked"]


def test_counts_that_are_not_those_of_the_words(posts, tmp_path):
    """Would fail if the ranker counted by the words' table although it was fitted with other counts."""
    words = WordsSource.build(posts)
    Recommender([words], counts={"snow": 3, "elsewhere": 1}).save_pretrained(tmp_path)
    loaded = Recommender.from_pretrained(tmp_path)
    assert loaded.counts == {"snow": 3, "elsewhere": 1} and loaded.sources[0].uses == dict(words.uses)


def test_encoders_are_stored_in_the_format_of_sentence_transformers(tmp_path):
    """Would fail if a stored encoder gave other vectors, or another fingerprint, than the one that made the index."""
    for number, options in enumerate(
        [{"pooling": "cls", "normalized": False, "max_length": 4}, {"lower_case": True, "prompt": "calm "}]
    ):
        made = make_encoder()
        encoder = TextEncoder(made.model, made.tokenizer, **options)
        encoder.save_pretrained(tmp_path / str(number))
        loaded = TextEncoder.from_pretrained(tmp_path / str(number))
        assert loaded.fingerprint() == encoder.fingerprint()
        texts = ["a boat on calm water and white flakes", "Guitar"]
        assert torch.equal(loaded.encode(texts), encoder.encode(texts))


def test_pool_by_words_and_classifier(posts, encoder, tmp_path):
    """Would fail if the pool of a text encoder, or a classifier, could not be had back from a checkpoint."""
    pool = PoolSource.of_words({"snow": 2, "lake": 1}, encoder, "whole")
    config = HashtagClassifierConfig(
        text_config=BertConfig(
            vocab_size=len(encoder.tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32,
        ),
        id2label={0: "snow", 1: "lake"},
    )  # fmt: skip
    collator = DataCollatorForHashtagClassification(config.hashtags, tokenizer=encoder.tokenizer)
    classifier = ClassifierSource(GGMForHashtagClassification(config), collator)
    recommender = Recommender([pool, classifier])
    recommender.save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        "recommendation.json", "word_pool", "text_encoder", "classifier",
    }  # fmt: skip
    rows = clues_of(posts[:3])
    loaded = Recommender.from_pretrained(tmp_path)
    assert [source.name for source in loaded.sources] == ["pool_words", "classifier"]
    assert torch.equal(loaded.features(rows).values, recommender.features(rows).values)
    given = Recommender.from_pretrained(tmp_path, classifier=classifier)
    assert given.sources[1] is classifier


def test_the_checkpoints_own_parts(posts, tmp_path):
    """Would fail if retriever, pool and model of the checkpoint were stored twice, not found again, or if posts could
    not have the retriever's vectors."""
    checkpoint = shutil.copytree(DEMO_CHECKPOINT, tmp_path / "checkpoint")
    retriever = HashtagRetriever.from_pretrained(checkpoint / "retriever").eval()
    processor = HashtagRetrieverProcessor.from_pretrained(checkpoint / "retriever")
    index = PostIndex.build(posts, DescriptionEncoder(retriever, processor))
    pool = PoolSource(HashtagPool.from_pretrained(checkpoint / "hashtag_pool"), retriever, processor)
    before = {file.name for file in checkpoint.iterdir()}
    sources = [pool, PostsSource(index)]
    Recommender(sources, guidance=Guidance(["posts_dense"])).save_pretrained(checkpoint)
    assert {file.name for file in checkpoint.iterdir()} - before == {"recommendation.json", "posts"}
    change(checkpoint, sources=[{"source": "generator", "num_beams": 2}, {"source": "pool"}, {"source": "posts"}])
    loaded = Recommender.from_pretrained(checkpoint)
    generator = loaded.sources[0]
    assert isinstance(generator, GeneratorSource) and generator.generate_kwargs == {"num_beams": 2}
    assert [source.name for source in generator.guidance.sources] == ["posts_dense"]
    rows = clues_of(posts[:4])
    assert loaded.sources[1].candidates(rows, 5) == pool.candidates(rows, 5)
    assert loaded.sources[2].candidates(rows, 5) == sources[1].candidates(rows, 5)
    given = Recommender.from_pretrained(checkpoint, retriever=retriever, hashtag_pool=pool.pool)
    assert given.sources[1].retriever is retriever and given.sources[1].pool is pool.pool
    change(checkpoint, guidance=None)
    assert Recommender.from_pretrained(checkpoint).sources[0].guidance.name == "pool"


def test_sources_of_ones_own(tmp_path, monkeypatch):
    """Would fail if a source that a user wrote could not be stored, or nobody were told how to have it back."""
    monkeypatch.setattr("transformers_ggm.recommendation.candidates.SOURCES", SOURCES.copy())

    @register_source("asking")
    class AskingSource(CandidateSource):
        def candidates(self, rows, k):
            return [[Candidate("question", 1.0)] if "?" in row.text else [] for row in rows]

    class Loose(CandidateSource):
        name = "loose"

        def candidates(self, rows, k):
            return [[] for _ in rows]

    Recommender([AskingSource()]).save_pretrained(tmp_path)
    assert isinstance(Recommender.from_pretrained(tmp_path).sources[0], AskingSource)
    loose = Loose()
    Recommender([loose]).save_pretrained(tmp_path)
    with pytest.raises(SourceError, match=r"'loose'.*sources=\[\.\.\.\]"):
        Recommender.from_pretrained(tmp_path)
    assert Recommender.from_pretrained(tmp_path, sources=[loose]).sources == [loose]


def test_hashtags_are_added_and_removed(posts):
    """Would fail if a hashtag that is new today were not proposed, or counted as novel, until the next training."""
    sources, counts = made(PostIndex.build(posts), posts)
    recommender = Recommender(sources, counts=counts)
    rows = clues_of([{"description": "the world cup in white"}])
    recommender.add_hashtags({"worldcup": 1})
    assert "worldcup" in recommender.features(rows).hashtags[0] and recommender.counts["worldcup"] == 1
    recommender.remove_hashtags(["worldcup"])
    assert "worldcup" not in recommender.features(rows).hashtags[0] and recommender.counts == counts


def test_what_cannot_be_stored_leaves_what_was_there(saved, posts, folder, monkeypatch):
    """Would fail if a recommender that cannot be saved, or one whose saving breaks off, took the old one with it."""
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    sources, counts = made(PostIndex.build(posts), posts)
    for bad in (
        Recommender([FusedSource(sources)]),
        Recommender([FrequentSource({"other": 1})], counts=counts),
        Recommender([PostsSource(PostIndex.build(posts)), PostsSource(PostIndex.build(posts, make_encoder()))]),
        Recommender([GeneratorSource(torch.nn.Identity(), None, stopping_criteria=[print])]),
    ):
        with pytest.raises(SourceError):
            bad.save_pretrained(folder)
    monkeypatch.setattr(PostIndex, "save_pretrained", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        saved[0].save_pretrained(folder)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_file_in_place_of_the_folder(saved, tmp_path):
    """Would fail if the file were overwritten, or the message were the system's."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="is a file"):
        saved[0].save_pretrained(tmp_path / "file")


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"version": 2}, CheckpointError, "upgrade"),
        ({"version": "1"}, CheckpointError, "'version'"),
        ({"k": 0}, CheckpointError, "'k'"),
        ({"sources": []}, CheckpointError, "'sources'"),
        ({"sources": ["words"]}, CheckpointError, "'sources'"),
        ({"guidance": {"sources": "words"}}, CheckpointError, "'guidance'"),
        ({"guidance": {"sources": ["words"], "weights": {"words": "1"}}}, CheckpointError, "'guidance'"),
        ({"guidance": {"sources": ["pool"]}}, SourceError, "cannot guide"),
        ({"guidance": {"sources": ["words"], "weights": {"pool": 1.0}}}, SourceError, "no such sources"),
        ({"ranker": "yes"}, CheckpointError, "'ranker'"),
        ({"sources": [{"source": "nowhere"}], "guidance": None}, SourceError, "nowhere.*sources="),
        ({"sources": [{"source": "history", "years": 3}], "guidance": None}, SourceError, "'history'.*years"),
        ({"sources": [{"source": "words"}], "guidance": None}, RankerError, "other sources"),
        ({"sources": [{"source": "pool"}], "guidance": None}, CheckpointError, "hashtag_pool is missing"),
        ({"sources": [{"source": "classifier"}], "guidance": None}, CheckpointError, "classifier"),
    ],
)
def test_damaged_descriptions(folder, fields, error, message):
    """Would fail if a file that somebody edited, or that a later version wrote, ended in a foreign error or none."""
    change(folder, **fields)
    with pytest.raises(error, match=message):
        Recommender.from_pretrained(folder)


@pytest.mark.parametrize("name", ["posts", "text_encoder", "words", "ranker"])
def test_missing_folders(folder, name):
    """Would fail if a checkpoint that was copied by halves were loaded, or were not told what it lacks."""
    shutil.rmtree(folder / name)
    with pytest.raises(CheckpointError, match=name if name != "text_encoder" else "retriever is missing"):
        Recommender.from_pretrained(folder)


@pytest.mark.parametrize(
    "name",
    ["recommendation.json", "posts/posts.parquet", "words/words.parquet", "ranker/model.safetensors",
     "ranker/config.json", "text_encoder/config.json", "text_encoder/model.safetensors"],
)  # fmt: skip
def test_damaged_files(folder, name):
    """Would fail if a file that was cut short ended in an error of another library, or went unnoticed."""
    file = folder / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(CheckpointError, match=name.split("/")[0]):
        Recommender.from_pretrained(folder)


def test_a_table_of_words_without_its_columns(folder):
    """Would fail if a table of another kind were read as if no hashtag had been used."""
    pq.write_table(pa.table({"hashtag": ["snow"], "uses": [1]}), folder / "words" / "words.parquet")
    with pytest.raises(CheckpointError, match=r"words\.parquet is damaged"):
        Recommender.from_pretrained(folder)


def test_parts_of_different_encoders(folder, tmp_path):
    """Would fail if posts were searched by the vectors of another encoder than the one that made theirs."""
    shutil.rmtree(folder / "text_encoder")
    make_encoder(seed=1).save_pretrained(folder / "text_encoder")
    with pytest.raises(EncoderMismatchError):
        Recommender.from_pretrained(folder)
    pool = HashtagPool(["snow"], torch.ones(1, 4), [1], "another retriever")
    retriever = HashtagRetriever.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    change(folder, sources=[{"source": "pool"}], guidance=None, ranker=False)
    with pytest.raises(RetrieverMismatchError):
        Recommender.from_pretrained(folder, hashtag_pool=pool, retriever=retriever, retriever_processor=object())


def test_a_folder_that_does_not_recommend(tmp_path):
    """Would fail if any folder were taken for a recommender without sources."""
    with pytest.raises(CheckpointError, match=r"no recommendation\.json"):
        Recommender.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="not a local folder"):
        Recommender.from_pretrained(tmp_path / "nowhere", local_files_only=True)
