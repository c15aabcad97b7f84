"""How long a hashtag pool takes to search, exactly and with FAISS, for one query and for a batch, on one core.

```bash
python benchmarks/bench_pool.py
```
"""

import argparse
import statistics
import time

import torch
from torch.nn.functional import normalize

from transformers_ggm import HashtagPool


def median_seconds(pool: HashtagPool, queries: torch.Tensor, k: int, repeats: int) -> float:
    """The median time of a search, after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        pool.search(queries, k)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num_hashtags", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512, help="numbers of a vector (512 for CLIP ViT-B/32)")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    vectors = normalize(torch.randn(arguments.num_hashtags, arguments.width), dim=1)
    queries = normalize(torch.randn(arguments.batch_size, arguments.width), dim=1)
    hashtags = [f"tag{number}" for number in range(arguments.num_hashtags)]
    print(f"{arguments.num_hashtags:,} hashtags of {arguments.width} numbers, the {arguments.k} nearest, one core")
    for index in ("exact", "faiss"):
        pool = HashtagPool(hashtags, vectors, index=index)
        for rows in (queries[:1], queries):
            milliseconds = 1000 * median_seconds(pool, rows, arguments.k, arguments.repeats)
            print(f"{index}, {len(rows)} queries at a time: {milliseconds:.0f} ms")


if __name__ == "__main__":
    main()
