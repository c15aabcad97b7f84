"""Miniature models, and one dataset of rendered shorts in all the forms in which people have clips."""

from pathlib import Path

import datasets
import numpy as np
import torch
from datasets import Array4D, Dataset, Features, List, Video
from PIL import Image
from training_samples import SCRATCH

from transformers_ggm import (
    GGMForHashtagGeneration,
    GGMTrainer,
    GGMTrainingArguments,
    HashtagRetriever,
    RetrieverTrainer,
    RetrieverTrainingArguments,
    load_shorts,
)
from transformers_ggm.training.from_scratch import ScratchConfig

QUIET = {"use_cpu": True, "disable_tqdm": True, "dataloader_pin_memory": False}
FAST = {"learning_rate": 1e-3, "warmup_steps": 0, "logging_steps": 1, "per_device_train_batch_size": 8, **QUIET}


def posts_of(shorts_dir, split="train"):
    """A split as a plain dataset: paths, words and hashtags."""
    return load_shorts(shorts_dir)[split].select_columns(["video", "description", "hashtags"])


def make_models(posts, query="video"):
    """A generator and a retriever of random weights without dropout, and their processors."""
    torch.manual_seed(0)
    config = ScratchConfig(**SCRATCH)
    hashtags = [tag for tags in posts["hashtags"] for tag in tags]
    processor, retriever_processor = config.processors(posts["description"], hashtags, max_text_length=64)
    model = GGMForHashtagGeneration(config.generator_config(processor.tokenizer, fusion_dropout=0.0))
    model.use_published_decoding(max_length=16)
    retriever = HashtagRetriever(config.retriever_config(processor.tokenizer, query=query))
    return model, processor, retriever, retriever_processor


def ggm_trainer(output_dir, posts, validation=None, parts=None, data_collator=None, **arguments):
    """A trainer of the generator."""
    model, processor, *_ = make_models(posts) if parts is None else parts
    settings = {"num_train_epochs": 1, "generation_num_beams": 1, **FAST, **arguments}
    return GGMTrainer(
        model,
        GGMTrainingArguments(str(output_dir), **settings),
        train_dataset=posts,
        eval_dataset=validation,
        processing_class=processor,
        data_collator=data_collator,
    )


def retriever_trainer(output_dir, posts, validation=None, query="video", parts=None, data_collator=None, **arguments):
    """A trainer of the retriever."""
    *_, retriever, processor = make_models(posts, query) if parts is None else parts
    return RetrieverTrainer(
        retriever,
        RetrieverTrainingArguments(str(output_dir), **{"num_train_epochs": 1, **FAST, **arguments}),
        train_dataset=posts,
        eval_dataset=validation,
        processing_class=processor,
        data_collator=data_collator,
    )


def _frames(posts, processor):
    """The frames that the processor picks of each clip, as an array (f, h, w, 3) in their own size."""
    clips = [processor.video_processor.decode(path) for path in posts["video"]]
    return [np.asarray(clip.permute(0, 2, 3, 1) if clip.shape[1] == 3 else clip) for clip in map(_tensor, clips)]


def _tensor(decoded):
    frames = getattr(decoded, "frames", decoded)
    return torch.as_tensor(np.asarray(frames))


def _with_video(posts, videos, feature=None):
    rest = posts.remove_columns("video")
    features = None if feature is None else Features({**rest.features, "video": feature})
    return Dataset.from_dict({**rest.to_dict(), "video": videos}, features=features)


def _bytes(posts):
    return [Path(path).read_bytes() for path in posts["video"]]


FORMS = {
    "paths": lambda posts, processor: posts,
    "bytes": lambda posts, processor: _with_video(posts, _bytes(posts)),
    "Video": lambda posts, processor: posts.cast_column("video", Video()),
    "Video of bytes": lambda posts, processor: _with_video(
        posts, [{"path": None, "bytes": content} for content in _bytes(posts)], Video(decode=False)
    ),
    "transform": lambda posts, processor: posts.with_transform(lambda rows: rows),
}
# Frames have no sound.
SILENT_FORMS = {
    "arrays": lambda posts, processor: _with_video(posts, _frames(posts, processor)),
    "lists of numbers": lambda posts, processor: _with_video(
        posts, [frames.tolist() for frames in _frames(posts, processor)]
    ),
    "Array4D": lambda posts, processor: _with_video(
        posts, _frames(posts, processor), Array4D((None, 32, 32, 3), "uint8")
    ),
    "images": lambda posts, processor: _with_video(
        posts,
        [[Image.fromarray(frame) for frame in frames] for frames in _frames(posts, processor)],
        List(datasets.Image()),
    ),
}


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def losses_of(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
