"""Descriptions of which one word decides on the hashtags, and a miniature classifier that learns it."""

import json
from pathlib import Path

from training_samples import SCRATCH, TOWER, command_line

from transformers_ggm.training import TrainingRun
from transformers_ggm.training.main import main, parse_arguments

HASHTAGS = {"snow": ["winter", "cold"], "lake": ["water"], "song": ["music", "guitar"]}
FILLERS = ["today", "again", "we saw it", "what a day"]
READER = {**TOWER, "model_type": "bert", "max_position_embeddings": 16, "initializer_range": 0.25}
DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
NO_DROPOUT = dict.fromkeys(DROPOUT, 0.0)
ARGUMENTS = {
    "stages": ["prepare", "classifier"],
    "classifier_modalities": "text",
    "classifier_learning_rate": 1e-2,
    "classifier_num_train_epochs": 12,
    "classifier_per_device_train_batch_size": 6,
    "classifier_warmup_steps": 0,
}


def write_words(data_dir):
    """Writes a folder of descriptions; one validation row has only a hashtag that training has not."""
    rows = {
        split: [
            {"description": f"{before} {word} {after} #{word}", "hashtags": hashtags}
            for before in FILLERS[:count]
            for after in FILLERS[:2]
            for word, hashtags in HASHTAGS.items()
        ]
        for split, count in (("train", 4), ("validation", 4), ("test", 2))
    }
    rows["validation"].append({"description": "what a moment", "hashtags": ["neverseen"]})
    for split, content in rows.items():
        (data_dir / split).mkdir(parents=True)
        (data_dir / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    return data_dir


def write_reader(path, **text):
    """Writes a scratch configuration whose text tower is a miniature BERT, or what `text` makes of it."""
    path.write_text(json.dumps({**SCRATCH, "retriever_text": {**READER, **NO_DROPOUT, **text}}))
    return path


def classifier_line(**arguments):
    return command_line(**{**ARGUMENTS, **arguments})


def train_miniature(output_dir, **arguments) -> TrainingRun:
    """Runs the stages `prepare` and `classifier`."""
    line = classifier_line(output_dir=output_dir, **arguments)
    main(line)
    return parse_arguments(line)


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))
