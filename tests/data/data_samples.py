"""Folders of clips, and processors for them, made on the spot."""

import json

import numpy as np
import soundfile
from transformers import WhisperFeatureExtractor

from transformers_ggm import GGMProcessor, GGMVideoProcessor, HashtagRetrieverProcessor
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.training.from_scratch import train_tokenizer

TEXTS = ["first snow of the year", "we went to the lake", "the new album is out"]
HASHTAGS = ["bluesquare", "redcircle", "rain", "snowday", "lakelife"]


def write_metadata(folder, rows):
    """Writes rows (dicts, or lines as they are) into a split's `metadata.jsonl`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_shorts(data_dir, num_clips=3):
    """A split `train` with rendered clips, one of them silent, and one row without a video."""
    recipes = sample_recipes("train", 40)
    silent = next(recipe for recipe in recipes if recipe.sound is None)
    recipes = [silent, *(recipe for recipe in recipes if recipe.sound is not None)][:num_clips]
    rows = [recipe.metadata() for recipe in recipes]
    (data_dir / "train").mkdir(parents=True)
    for recipe, row in zip(recipes, rows):
        render_clip(recipe, data_dir / "train" / row["file_name"], size=32)
    rows.insert(1, {**rows[0], "file_name": None, "description": "words alone"})
    write_metadata(data_dir / "train", rows)
    return data_dir


def write_sound(path, frequency=440, seconds=2.0, rate=16_000):
    """A file with a tone; the suffix says of what kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate), rate)


def make_processors(size=32, retriever_size=32):
    """A generator's and a retriever's processor for clips of 32 pixels, with sound."""
    tokenizer = train_tokenizer(TEXTS, HASHTAGS, 320)
    feature_extractor = WhisperFeatureExtractor(
        feature_size=8, sampling_rate=8000, hop_length=320, n_fft=640, chunk_length=4
    )
    processor = GGMProcessor(video_processor(size), tokenizer, feature_extractor, max_text_length=64)
    return processor, HashtagRetrieverProcessor(video_processor(retriever_size), tokenizer)


def video_processor(size):
    return GGMVideoProcessor(size={"shortest_edge": size}, frames_per_second=1.0)
