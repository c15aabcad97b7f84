"""Posts of made-up authors, and sources over them."""

import pytest
from small_encoder import make_encoder

from transformers_ggm import PostIndex

TOPICS = {
    "snow": ("cold white flakes in the mountains", ["snow", "winter"]),
    "lake": ("a boat on calm water", ["lake"]),
    "song": ("guitar verse and chorus", ["song", "music"]),
}


def post(number: int, topic: str) -> dict:
    words, hashtags = TOPICS[topic]
    return {
        "id": f"{topic}{number}",
        "description": f"{words} number {number}",
        "hashtags": hashtags,
        "user": topic,
        "time": f"2026-01-{number % 28 + 1:02d}T{number // 28:02d}:00:00Z",
    }


@pytest.fixture(scope="session")
def posts():
    return [post(number, topic) for number in range(20) for topic in TOPICS]


@pytest.fixture(scope="session")
def new_posts():
    """Rows that the index does not know, later than its posts."""
    return [post(number, topic) for number in range(28, 56) for topic in TOPICS]


@pytest.fixture
def index(posts):
    return PostIndex.build(posts)


@pytest.fixture(scope="session")
def encoder():
    return make_encoder()
