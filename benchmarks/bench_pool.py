"""
What hashtag pools of any size cost to build, save, load, search and add to, and how many of the nearest hashtags the
index finds: a Markdown table. Each stage has a process of its own, so that memory is its own too.

```bash
python benchmarks/bench_pool.py
python benchmarks/bench_pool.py --num_hashtags 10000000 --folder /a/disk/with/25/GB
```
"""

import argparse
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from base_size import BART_BASE, tokenizer
from base_size import hashtags as made_up_hashtags
from torch.nn.functional import normalize
from transformers import CLIPConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling

from transformers_ggm import (
    GGMVideoProcessor,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverConfig,
    HashtagRetrieverProcessor,
)
from transformers_ggm.errors import OutputError
from transformers_ggm.utils.files import check_output_folder

BATCH = 50_000
NUM_CLUSTERS = 5_000
NUM_ADDED = 1_000
FINGERPRINT = "random"


@dataclass
class Settings:
    """What the pool holds and how it is queried."""

    num_hashtags: int
    width: int
    vectors: str
    k: int
    queries: int
    batch_size: int
    threads: int
    folder: Path
    index: str = "auto"


def batch_vectors(settings: Settings, number: int, size: int) -> torch.Tensor:
    """Unit vectors of one batch: in random directions, or around 5,000 centres off the origin, as real ones lie."""
    generator = torch.Generator().manual_seed(1000 + number)
    drawn = torch.randn(size, settings.width, generator=generator)
    if settings.vectors == "clustered":
        shape = torch.Generator().manual_seed(1)
        centres = torch.randn(NUM_CLUSTERS, settings.width, generator=shape) + torch.randn(
            settings.width, generator=shape
        )
        drawn = drawn / 2 + centres[torch.randint(NUM_CLUSTERS, (size,), generator=generator)]
    return normalize(drawn, dim=1)


def batches(settings: Settings) -> Iterator[tuple[list[str], torch.Tensor]]:
    for number, start in enumerate(range(0, settings.num_hashtags, BATCH)):
        rows = range(start, min(start + BATCH, settings.num_hashtags))
        yield [f"tag{row}" for row in rows], batch_vectors(settings, number, len(rows))


def make_queries(settings: Settings) -> torch.Tensor:
    """One half in random directions, one half with a cosine similarity of 0.5 to some hashtag."""
    half = settings.queries // 2
    directions = normalize(torch.randn(2 * half, settings.width, generator=torch.Generator().manual_seed(7)), dim=1)
    beside = batch_vectors(settings, 0, min(BATCH, settings.num_hashtags))[:half]
    return torch.cat([directions[:half], normalize(beside + 3**0.5 * directions[half:], dim=1)])


class OwnMemory:
    """The most memory of its own that a process had, without the pages of files that are memory-mapped (on Linux)."""

    def __enter__(self) -> "OwnMemory":
        self.peak, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            status = Path("/proc/self/status").read_text()
            self.peak = max(self.peak, int(status.split("RssAnon:")[1].split()[0]) * 1024)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def timed(work: Callable, *arguments: object) -> tuple[float, object]:
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def build_and_save(settings: Settings) -> dict[str, float]:
    torch.set_num_threads(settings.threads)
    with OwnMemory() as memory:
        building, pool = timed(lambda: HashtagPool.from_batches(batches(settings), FINGERPRINT, settings.index))
        saving, _ = timed(lambda: pool.save_pretrained(settings.folder, create_model_card=False))
    return {"build": building, "save": saving, "build memory": memory.peak}


class RandomRetriever:
    """Gives random vectors, so that what it takes to add hashtags is measured apart from what encoding takes."""

    device = torch.device("cpu")

    def __init__(self, width: int):
        self.width = width
        self.made: list[torch.Tensor] = []

    def fingerprint(self) -> str:
        return FINGERPRINT

    def modules(self) -> list:
        return []

    def eval(self) -> None:
        pass

    def get_hashtag_features(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> BaseModelOutputWithPooling:
        self.made.append(normalize(torch.randn(len(input_ids), self.width), dim=1))
        return BaseModelOutputWithPooling(pooler_output=self.made[-1])


def no_tokens(hashtags: list[str], return_tensors: str) -> dict[str, torch.Tensor]:
    return {"input_ids": torch.zeros(len(hashtags), 1), "attention_mask": torch.ones(len(hashtags), 1)}


def load_and_search(settings: Settings) -> dict:
    torch.set_num_threads(settings.threads)
    queries = make_queries(settings)
    with OwnMemory() as memory:
        loading, pool = timed(lambda: HashtagPool.from_pretrained(settings.folder, index=settings.index))
        pool.search(queries[:1], settings.k)
        before = time.process_time()
        single = [timed(pool.search, query, settings.k) for query in queries.split(1)]
        processor = (time.process_time() - before) / len(queries)
        batch = [timed(pool.search, rows, settings.k)[0] for rows in queries.split(settings.batch_size)]
        new = [f"new{number}" for number in range(NUM_ADDED)]
        copy, retriever = pool.copy(), RandomRetriever(settings.width)

        def add() -> list[list[str]]:
            copy.add(new, retriever, no_tokens, progress_bar=False)
            return copy.search(retriever.made[0][0], 1)[1]

        adding, found = timed(add)
    assert found == [new[:1]] and len(pool) == settings.num_hashtags
    times = [seconds for seconds, _ in single]
    return {
        "load": loading,
        "memory": memory.peak,
        "p50": statistics.median(times),
        "p99": sorted(times)[int(0.99 * len(times))],
        "processor": processor,
        "batch": sum(batch) / len(queries),
        "add": adding,
        "answers": [found[0] for _, (_, found) in single],
    }


def exact_answers(settings: Settings) -> dict:
    """The exact search, for the recall of others. Single queries take their time here, so there are but a few."""
    torch.set_num_threads(settings.threads)
    pool = HashtagPool.from_pretrained(settings.folder, index="exact")
    queries = make_queries(settings)
    single = [timed(pool.search, query, settings.k)[0] for query in queries[:6].split(1)]
    seconds, (_, answers) = timed(pool.search, queries, settings.k)
    return {"p50": statistics.median(single), "batch": seconds / len(queries), "answers": answers}


def in_a_process(stage: Callable, settings: Settings) -> dict:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(stage, settings).result()


def recalls(settings: Settings, found: list[list[str]], exact: list[list[str]]) -> tuple[float, float]:
    shares = [len(set(of_query) & set(true)) / settings.k for of_query, true in zip(found, exact)]
    half = settings.queries // 2
    return statistics.mean(shares[:half]), statistics.mean(shares[half:])


def measure(settings: Settings) -> dict[str, str]:
    """A row of the table: each column's title and value."""
    built = in_a_process(build_and_save, settings)
    sizes = {file.suffix: file.stat().st_size / 1e6 for file in settings.folder.iterdir()}
    used = in_a_process(load_and_search, settings)
    exact = in_a_process(exact_answers, settings)
    away, beside = recalls(settings, used["answers"], exact["answers"])
    return {
        "hashtags": f"{settings.num_hashtags:,}",
        "build": f"{built['build']:.1f} s",
        "save": f"{built['save']:.1f} s",
        "load": f"{used['load']:.1f} s",
        "own memory, building / using": f"{built['build memory'] / 1e9:.1f} / {used['memory'] / 1e9:.1f} GB",
        "vectors / names on disk": f"{sizes['.safetensors']:,.0f} / {sizes['.parquet']:,.0f} MB",
        "one query, p50 / p99": f"{1000 * used['p50']:.0f} / {1000 * used['p99']:.0f} ms",
        "CPU time of one": f"{1000 * used['processor']:.0f} ms",
        f"a query of {settings.batch_size}": f"{1000 * used['batch']:.1f} ms",
        "exactly: one / of many": f"{1000 * exact['p50']:.0f} / {1000 * exact['batch']:.1f} ms",
        f"recall@{settings.k}, anywhere / near a hashtag": f"{away:.3f} / {beside:.3f}",
        f"add {NUM_ADDED:,} and search": f"{used['add']:.2f} s",
    }


def seconds_of_encoding(threads: int) -> float:
    """What encoding the hashtags that are added takes with CLIP's text tower of base size and random weights."""
    torch.set_num_threads(threads)
    words = tokenizer(BART_BASE["vocab_size"])
    text = {"vocab_size": len(words), "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    retriever = HashtagRetriever(HashtagRetrieverConfig(CLIPConfig(text_config=text)))
    processor = HashtagRetrieverProcessor(GGMVideoProcessor(), words)
    new = made_up_hashtags(NUM_ADDED, seed=5)
    return min(timed(lambda: HashtagPool.build(new, retriever, processor, progress_bar=False))[0] for _ in range(2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].strip())
    parser.add_argument("--num_hashtags", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--width", type=int, default=512, help="dimensions of a vector (512 for CLIP ViT-B/32)")
    parser.add_argument("--vectors", choices=["uniform", "clustered"], default="uniform")
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--index", choices=["auto", "exact", "faiss"], default="auto")
    parser.add_argument("--folder", type=Path, help="for the files, which are deleted afterwards; else TMPDIR's")
    arguments = parser.parse_args()
    try:
        if arguments.folder:
            check_output_folder(arguments.folder, "--folder")
    except OutputError as error:
        parser.error(str(error))
    # Both the pool and the temporary file that its vectors are built in.
    scratch = Path(tempfile.mkdtemp(dir=arguments.folder))
    tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # FAISS takes its number of threads from here
    options = {name: value for name, value in vars(arguments).items() if name not in ("num_hashtags", "folder")}
    try:
        for number, size in enumerate(arguments.num_hashtags):
            row = measure(Settings(num_hashtags=size, folder=scratch / "pool", **options))
            if number == 0:
                print("| " + " | ".join(row) + " |\n" + "|---" * len(row) + "|")
            print("| " + " | ".join(row.values()) + " |", flush=True)
            shutil.rmtree(scratch / "pool")
        print(f"\nEncoding {NUM_ADDED:,} hashtags: {seconds_of_encoding(arguments.threads):.1f} s")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
