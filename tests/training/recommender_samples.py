"""Posts of words alone, of which some decide on the hashtags and others only seem to; with authors who have habits."""

import json
from datetime import datetime, timedelta, timezone

from training_samples import ARGUMENTS

TOPICS = {
    "snow": ["winter", "cold"],
    "lake": ["water", "boat"],
    "guitar": ["music", "band"],
    "tent": ["camping", "forest"],
    "bread": ["baking", "kitchen"],
}
HABITS = ["daily", "myday", "weekend"]
FILLERS = ["today", "again", "we saw it", "what a day", "look at this", "so it goes"]
SIZES = {"train": 90, "validation": 60, "test": 20}
SOURCES = ["pool", "posts", "words", "history", "frequent", "trends", "generator"]
STAGES = {
    "scratch": {
        **{name: ARGUMENTS[name] for name in ("num_guidance",)},
        "inputs": "text",
        "retriever_query": "text",
        "num_train_epochs": 1,
        "retriever_num_train_epochs": 1,
        "retriever_per_device_train_batch_size": 32,
        "per_device_train_batch_size": 32,
        "per_device_eval_batch_size": 64,
        "max_target_length": 12,
        "num_best_checkpoints": 1,
    }
}


def write_posts(data_dir, sizes=SIZES, with_authors=True):
    """Writes a folder of posts: the word of a topic brings one of its hashtags, every author adds a habit."""
    begin, number = datetime(2026, 1, 1, tzinfo=timezone.utc), 0
    for split, size in sizes.items():
        (data_dir / split).mkdir(parents=True)
        rows = []
        for _ in range(size):
            word = list(TOPICS)[number * 7 % len(TOPICS)]
            author = number % len(HABITS)
            row = {
                "description": f"{FILLERS[number % 6]} {word} number{number} #{word}",
                "hashtags": [TOPICS[word][number // 5 % 2], HABITS[author]],
            }
            if with_authors:
                row |= {"user": f"author{author}", "time": (begin + timedelta(hours=number)).isoformat()}
                row["country"] = "CA" if author else "FR"
            rows.append(row)
            number += 1
        (data_dir / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return data_dir


def recommender_arguments(**arguments):
    """Arguments of a training that is over in seconds, with all sources that need no classifier."""
    return {**STAGES["scratch"], "sources": SOURCES, **arguments}
