"""How fast training reads a prepared set, against `datasets` that decodes the same frames and does nothing else."""

import time
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset, Features, List, Value
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import ClapFeatureExtractor, PreTrainedTokenizerFast

from transformers_ggm import DataCollatorForHashtagGeneration, GGMProcessor, GGMVideoProcessor
from transformers_ggm.data import PreparedShorts
from transformers_ggm.data.prepare import ClipOptions
from transformers_ggm.data.prepare.clips import encode_frames, encode_sound
from transformers_ggm.data.prepared import clip_features
from transformers_ggm.processing import Media

SAMPLING_RATE = 48_000


def natural_frames(count: int, seed: int, height: int = 256, width: int = 455) -> torch.Tensor:
    """Frames (count, 3, height, width) uint8 with the spectrum of photographs: power falls with frequency squared."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.fft.rfft2(torch.randn(count, 3, height, width, generator=generator))
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    frequency = (rows.square() + columns.square()).sqrt().clamp_min(1 / width)
    image = torch.fft.irfft2(spectrum / frequency, s=(height, width))
    image = (image - image.mean()) / image.std()
    return (image * 50 + 128).clamp(0, 255).to(torch.uint8)


def prepared_rows(num_clips: int, with_sound: bool) -> Dataset:
    """Prepared rows of 15 frames, with 5 s of sound or none."""
    options = ClipOptions()
    features = Features(
        {
            "file_name": Value("string"),
            "description": Value("large_string"),
            "hashtags": List(Value("string")),
            **clip_features(SAMPLING_RATE),
        }
    )
    rows = []
    for number in tqdm(range(num_clips), desc="Making prepared rows"):
        frames = natural_frames(15, seed=number)
        sound = 0.1 * np.random.default_rng(number).standard_normal(5 * SAMPLING_RATE).astype(np.float32)
        times = torch.arange(15, dtype=torch.float64) / 2
        media = Media(frames, times, sound if with_sound else None, SAMPLING_RATE, duration=7.5)
        rows.append(
            {
                "file_name": f"{number}.mp4",
                "description": "first snow of the year",
                "hashtags": ["snow", "winter", "toronto"],
                "frames": encode_frames(frames, options),
                "timestamps": times.tolist(),
                "duration": media.duration,
                "audio": encode_sound(media, options) if with_sound else None,
            }
        )
    # Not `Dataset.from_list`, which wants torchcodec for sounds that are files already.
    return Dataset(pa.Table.from_pylist(rows, features.arrow_schema))


def base_processor(with_sound: bool) -> GGMProcessor:
    """The processor of the published sizes: frames of 224 pixels, CLAP's sound; a tokenizer of whole words."""
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    extractor = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad") if with_sound else None
    return GGMProcessor(GGMVideoProcessor(), fast, extractor)


def seconds_per_clip(batches: Iterable, num_clips: int) -> float:
    """Wall time of reading all batches, which are thrown away: a model that costs nothing."""
    start = time.perf_counter()
    for _ in batches:
        pass
    return (time.perf_counter() - start) / num_clips


def plain_batches(dataset: Dataset, batch_size: int, num_workers: int) -> DataLoader:
    """What `datasets` alone does: decodes the frames and gives them as tensors, neither resized nor normalised."""
    frames = dataset.select_columns(["frames"]).with_format("torch")
    return DataLoader(frames, batch_size=batch_size, num_workers=num_workers, collate_fn=list)


def training_batches(dataset: Dataset, batch_size: int, num_workers: int, with_sound: bool) -> DataLoader:
    """What the generator is trained on: resized, normalised frames, sound features, tokens of text and targets."""
    processor = base_processor(with_sound)
    shorts = PreparedShorts(dataset, processor)
    collator = DataCollatorForHashtagGeneration(processor)
    return DataLoader(shorts, batch_size=batch_size, num_workers=num_workers, collate_fn=collator)


def loading(num_clips: int = 128, batch_size: int = 8, num_workers: int = 2, num_rounds: int = 3) -> list[str]:
    """
    Compares reading batches to train with on prepared rows with decoding their frames by `datasets`.

    Args:
        num_clips (`int`): Prepared rows.
        batch_size (`int`), num_workers (`int`): Of the data loaders.
        num_rounds (`int`): How often each side is measured, in turns; the fastest round of each counts.

    Returns:
        `list[str]`: Lines of a Markdown table.
    """
    lines = ["| what is read | frames by `datasets` | batches to train with | ratio |", "|---|---:|---:|---:|"]
    for with_sound in (False, True):
        dataset = prepared_rows(num_clips, with_sound)
        plain, training = [], []
        for _ in range(num_rounds):
            plain.append(seconds_per_clip(plain_batches(dataset, batch_size, num_workers), num_clips))
            training.append(
                seconds_per_clip(training_batches(dataset, batch_size, num_workers, with_sound), num_clips)
            )
        what = "15 frames and 5 s of sound" if with_sound else "15 frames"
        times = [f"{1e3 * min(seconds):.1f} ms a clip" for seconds in (plain, training)]
        lines.append(f"| {what} | {times[0]} | {times[1]} | {min(plain) / min(training):.2f} |")
    return lines
