"""
How many posts a minute a pool can observe, on one core:

    python benchmarks/bench_uses.py --posts 100000
"""

import argparse
import time
from datetime import datetime, timedelta, timezone

import numpy as np

from transformers_ggm.retrieval import HashtagUses


def made_posts(number: int, hashtags: int, seed: int = 0) -> list[dict]:
    """Posts of a day with one to nine hashtags, by Zipf's law, in five languages and countries."""
    draw = np.random.default_rng(seed)
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    sizes = draw.integers(1, 10, number)
    tags = iter((draw.zipf(1.3, int(sizes.sum())) % hashtags).tolist())
    return [
        {
            "hashtags": [f"#Tag{next(tags)}" for _ in range(size)],
            "time": (start + timedelta(seconds=int(second))).isoformat(),
            "language": ["en", "es", "ja", "de", "fr"][second % 5],
            "country": ["US", "MX", "JP", "DE", "FR"][second % 5],
        }
        for size, second in zip(sizes.tolist(), np.sort(draw.integers(0, 86_400, number)).tolist())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--hashtags", type=int, default=200_000)
    parser.add_argument("--at_a_time", type=int, default=10_000)
    arguments = parser.parse_args()
    posts = made_posts(arguments.posts, arguments.hashtags)
    uses = HashtagUses()
    start = time.process_time()
    for first in range(0, len(posts), arguments.at_a_time):
        uses.observe(posts[first : first + arguments.at_a_time])
    seconds = time.process_time() - start
    rows = len(uses.counters)
    print(
        f"{len(posts):,} posts in {seconds:.1f} s of one core: {60 * len(posts) / seconds:,.0f} a minute;"
        f" {len(uses):,} hashtags, {rows:,} counters of {uses.counters.decayed.nbytes / rows:.0f} bytes"
    )


if __name__ == "__main__":
    main()
