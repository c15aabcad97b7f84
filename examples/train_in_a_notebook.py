# %% [markdown]
# # Training in a notebook
#
# Both models of GGM, trained on a `datasets.Dataset` with transformers' own kind of trainer: 40 rendered clips, in a
# minute or two on two CPU cores. Run it as a script, or cell by cell (VS Code, Jupyter with jupytext):
#
#     python examples/train_in_a_notebook.py
#
# It goes on from the small model that comes with the package. With a GPU and clips of your own, start from pretrained
# backbones instead: `HashtagRetriever.from_backbone_pretrained("openai/clip-vit-base-patch32")` and
# `GGMForHashtagGeneration.from_backbones_pretrained()`.

# %%
import json
from collections import Counter
from pathlib import Path

from datasets import Dataset
from transformers import pipeline

from transformers_ggm import (
    GGMForHashtagGeneration,
    GGMProcessor,
    GGMTrainer,
    GGMTrainingArguments,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
    RetrieverTrainer,
    RetrieverTrainingArguments,
    add_guidance,
)
from transformers_ggm.data.rendered_shorts import render_shorts
from transformers_ggm.pipelines import DEMO_CHECKPOINT

# %% Clips
OUTPUT = Path("outputs/notebook")
metadata = render_shorts(OUTPUT / "shorts", 40, 0, 0, seed=7, size=64, num_workers=1)["train"]
lines = metadata.read_text(encoding="utf-8").splitlines()

# What the trainers take: `video` (a path, URL, bytes, frames, or a `datasets.Video`), `description` and `hashtags`.
posts = Dataset.from_list(
    [
        {
            "video": str(metadata.parent / row["file_name"]),
            "description": row["description"],
            "hashtags": row["hashtags"],
        }
        for row in map(json.loads, lines)
    ]
).train_test_split(test_size=8, seed=0)
print(posts)

# %% The retriever learns which hashtags lie near a clip
retriever = HashtagRetriever.from_pretrained(f"{DEMO_CHECKPOINT}/retriever")
retriever_processor = HashtagRetrieverProcessor.from_pretrained(f"{DEMO_CHECKPOINT}/retriever")
retriever_trainer = RetrieverTrainer(
    retriever,
    RetrieverTrainingArguments(
        str(OUTPUT / "retriever"),
        num_train_epochs=2,
        per_device_train_batch_size=10,
        eval_strategy="epoch",
    ),
    train_dataset=posts["train"],
    eval_dataset=posts["test"],
    processing_class=retriever_processor,
)
retriever_trainer.train()

# %% A pool of the training hashtags, and the nearest ones of every clip as guidance
pool = HashtagPool.build(
    Counter(tag for tags in posts["train"]["hashtags"] for tag in tags), retriever, retriever_processor
)
guided = {split: add_guidance(rows, retriever, retriever_processor, pool, k=10) for split, rows in posts.items()}
print(guided["test"][0]["hashtags"], guided["test"][0]["guidance"])

# %% The generator learns to write hashtags
processor = GGMProcessor.from_pretrained(DEMO_CHECKPOINT)
trainer = GGMTrainer(
    GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT),
    GGMTrainingArguments(
        str(OUTPUT / "generator"),
        num_train_epochs=2,
        per_device_train_batch_size=10,
        warmup_steps=0,
        eval_strategy="epoch",
        load_best_model_at_end=True,
        generation_num_beams=2,
    ),
    train_dataset=guided["train"],
    eval_dataset=guided["test"],
    processing_class=processor,
)
trainer.train()

# %% Metrics and predictions
metrics = trainer.evaluate()
print({name: round(value, 1) for name, value in metrics.items()})
# transformers annotates `predict` for datasets of PyTorch alone, and `pipeline` below for its own tasks.
found = trainer.predict(guided["test"])  # pyright: ignore[reportArgumentType]
predictions = processor.decode_hashtags(found.predictions)
print(posts["test"][0]["hashtags"], predictions[0])

# %% One checkpoint of all parts, which the pipeline reads
checkpoint = OUTPUT / "checkpoint"
trainer.save_model(str(checkpoint))
retriever_trainer.save_model(str(checkpoint / "retriever"))
pool.save_pretrained(checkpoint / "hashtag_pool")

suggest = pipeline(  # pyright: ignore[reportCallIssue]
    "hashtag-generation",  # pyright: ignore[reportArgumentType]
    model=str(checkpoint),
)
suggestions = suggest(posts["test"][0]["video"], description=posts["test"][0]["description"])
print([suggestion["hashtag"] for suggestion in suggestions])

# %% [markdown]
# To share it:
#
# ```python
# from transformers_ggm import push_checkpoint_to_hub
#
# push_checkpoint_to_hub(checkpoint, "your-name/your-model")  # all parts
# trainer.push_to_hub()  # the generator alone, with a card of this training
# ```
