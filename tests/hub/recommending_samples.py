"""The bundled checkpoint with everything that can recommend beside its generator."""

from pathlib import Path

from hub_samples import copy_demo
from small_encoder import make_encoder

from transformers_ggm import (
    GGMForHashtagGeneration,
    GGMProcessor,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
    PostIndex,
)
from transformers_ggm.recommendation import (
    FrequentSource,
    GeneratorSource,
    Guidance,
    HistorySource,
    PoolSource,
    PostsSource,
    Recommender,
    WordsSource,
    clues_of,
)

TOPICS = {
    "snow": ("cold white flakes in the mountains", ["snow", "winter"]),
    "lake": ("a boat on calm water", ["lake"]),
    "song": ("guitar verse and chorus", ["song", "music"]),
}
QUICK = {"num_beams": 1, "max_length": 6}


def posts_of(first: int, last: int) -> list[dict]:
    return [
        {
            "description": f"{words} {number}",
            "hashtags": hashtags if number % 3 else hashtags[:1],
            "user": topic,
            "time": f"2026-01-{number + 1:02d}T00:00:00Z",
        }
        for number in range(first, last)
        for topic, (words, hashtags) in TOPICS.items()
    ]


def write_recommending_checkpoint(folder: Path, posts: list[dict] | None = None) -> Path:
    """A copy of the bundled checkpoint that recommends from all sources but a classifier, with a fitted ranker."""
    copy_demo(folder)
    posts, rows = posts or posts_of(0, 10), posts_of(10, 28)
    index, words = PostIndex.build(posts, make_encoder()), WordsSource.build(posts)
    retriever = HashtagRetriever.from_pretrained(folder / "retriever").eval()
    processor = HashtagRetrieverProcessor.from_pretrained(folder / "retriever")
    sources = [
        PoolSource(HashtagPool.from_pretrained(folder / "hashtag_pool"), retriever, processor),
        PostsSource(index, "dense"),
        PostsSource(index, "sparse"),
        words,
        HistorySource(),
        FrequentSource(index.hashtag_counts()),
        GeneratorSource(
            GGMForHashtagGeneration.from_pretrained(folder), GGMProcessor.from_pretrained(folder), **QUICK
        ),
    ]
    guidance = Guidance(["pool", "posts_dense", "words"], {"pool": 0.5, "posts_dense": 1.0, "words": 0.2})
    recommender = Recommender(sources, counts=index.hashtag_counts(), guidance=guidance)
    recommender.fit(clues_of(rows, posts), [row["hashtags"] for row in rows])
    recommender.save_pretrained(folder)
    (folder / "reliability.png").write_bytes(b"\x89PNG")
    return folder
