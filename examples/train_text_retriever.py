"""
Trains a retriever that starts from a sentence encoder on tagged posts: words and hashtags that belong together come
nearer. Then `recommend.py` takes the encoder as it takes any other.

    python examples/train_text_retriever.py --data_dir DATA/tweets --encoder ENCODER --output_dir outputs/encoder
    python examples/recommend.py examples/recommend/tweets.yaml --data_dir DATA/tweets --encoder outputs/encoder

`DATA/tweets` has `train` and `validation`, each with a `metadata.jsonl` (docs/data.md); `ENCODER` is a folder or Hub
id such as sentence-transformers/all-MiniLM-L6-v2.
"""

import json
from argparse import ArgumentParser
from pathlib import Path

from datasets import Dataset

from transformers_ggm import (
    HashtagRetriever,
    HashtagRetrieverProcessor,
    RetrieverTrainer,
    RetrieverTrainingArguments,
)
from transformers_ggm.recommendation import clues_of
from transformers_ggm.retrieval import TextEncoder


def main() -> None:
    parser = ArgumentParser(description="Trains a retriever that starts from a sentence encoder on tagged posts.")
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with train and validation")
    parser.add_argument("--encoder", required=True, help="sentence encoder, a folder or Hub id")
    parser.add_argument("--output_dir", type=Path, required=True, help="where the trained encoder is saved")
    parser.add_argument("--num_train_epochs", type=float, default=1.0)
    parser.add_argument("--learning_rate", type=float, default=3e-5)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--max_length", type=int, default=64, help="tokens of a post that are read")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    retriever, processor = make_retriever(options.encoder, options.max_length)
    arguments = RetrieverTrainingArguments(
        str(options.output_dir / "training"),
        num_train_epochs=options.num_train_epochs,
        learning_rate=options.learning_rate,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        warmup_steps=20,
        weight_decay=0.0,
        eval_strategy="epoch",
        save_strategy="no",
        seed=options.seed,
    )
    splits = {split: read_posts(options.data_dir / split / "metadata.jsonl") for split in ("train", "validation")}
    trainer = RetrieverTrainer(
        retriever,
        arguments,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        processing_class=processor,
    )
    trainer.train()
    as_given = TextEncoder.from_pretrained(options.encoder)
    trained = TextEncoder(
        retriever.backbone.cpu(),
        as_given.tokenizer,
        retriever.config.text_pooling or as_given.pooling,
        max_length=as_given.max_length,
    )
    trained.save_pretrained(options.output_dir)


def make_retriever(encoder: str, max_length: int, **config) -> tuple[HashtagRetriever, HashtagRetrieverProcessor]:
    """A retriever that starts from a sentence encoder, and reads `max_length` tokens of a post."""
    config = {"logit_scale_init_value": 3.0, **config}
    retriever = HashtagRetriever.from_backbones_pretrained(text=encoder, **config)
    processor = HashtagRetrieverProcessor.from_backbones_pretrained(text=encoder)
    processor.max_description_length = max_length
    return retriever, processor


def read_posts(file: Path) -> Dataset:
    """All words of each post, as an index of posts has them, and its hashtags."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    words = [clues.text for clues in clues_of(rows)]
    return Dataset.from_dict({"description": words, "hashtags": [row["hashtags"] for row in rows]})


if __name__ == "__main__":
    main()
