"""Collators: prepared shorts in, batches for the generator or the retriever out."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass
from typing import Any

import torch

from ..errors import InputError
from ..modeling import GGMForHashtagGeneration
from ..modeling.decoder_inputs import decoder_inputs_of
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..processing.modalities import INPUTS, PUBLISHED_INPUTS, TEXTS, check_hearing, check_inputs
from .negative_hashtags import RandomNegatives
from .prepared import StoredFrames

# In which order a row's target hashtags are taught.
TARGET_ORDERS = ("shuffled", "guidance")
# What a collator takes for the epoch until it is told one.
UNTOLD = -1


class EpochAware:
    """
    Knows which epoch the next rows are of, also in worker processes of a data loader that outlive an epoch. Until it
    is told one, every batch takes a number from PyTorch's global generator for it, which is at another place in every
    epoch: data loaders seed those of their workers anew, and those of workers that stay go on.
    """

    def __post_init__(self):
        self._epoch = torch.tensor(UNTOLD).share_memory_()

    @property
    def epoch(self) -> int | None:
        """The epoch that `set_epoch` told, `None` before."""
        epoch = int(self._epoch)
        return None if epoch == UNTOLD else epoch

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch the next rows are of."""
        self._epoch.fill_(epoch)

    def row_generators(self, rows: Sequence[Mapping[str, Any]]) -> list[random.Random]:
        """
        Randomness for each row of a batch: in an epoch that was told the same whatever the batch, the worker or the
        process that reads it.
        """
        epoch = self.epoch
        if epoch is None:
            epoch = f"drawn {int(torch.randint(torch.iinfo(torch.int64).max, ()))}"
        return [random.Random(f"{self.seed}-{epoch}-{row['index']}") for row in rows]


@dataclass
class DataCollatorForHashtagGeneration(EpochAware):
    r"""
    Makes batches for [`GGMForHashtagGeneration`] from the rows of [`PreparedShorts`] or [`DecodedShorts`].

    In training, as in the released research code, target hashtags are shuffled anew in every epoch, and each true
    hashtag is taken out of the guidance with probability `guidance_dropout`, so that the model cannot just copy.

    A `Seq2SeqTrainer` needs nothing else for that: randomness comes from `seed`, the row and PyTorch's generator,
    which `TrainingArguments.seed` starts, so that a training can be repeated with as many workers. After `set_epoch`
    it comes from `seed`, the row and the epoch alone, whatever the batches, workers and processes, also in a training
    that goes on in the middle of an epoch; [`~transformers_ggm.training.callbacks.EpochCallback`] calls it before each
    epoch, as `train.py` has it.

    Args:
        processor ([`GGMProcessor`]): tokenizer and normalisation.
        training (`bool`, *optional*, defaults to `True`): `False` leaves the rows as they are.
        target_order (`str`, *optional*, defaults to `"shuffled"`): `"guidance"` puts those target hashtags that the
            guidance shows first, in its order, so that the next one to copy comes behind the last.
        guidance_dropout (`float`, *optional*, defaults to 1/3): see above.
        frame_dropout (`float`, *optional*, defaults to 0.0): share of rows whose video is one black frame, without
            guidance.
        audio_dropout (`float`, *optional*, defaults to 0.0): share of rows without their sound.
        description_dropout (`float`, *optional*, defaults to 0.0): share of rows without their description.
        inputs (`list[str]`, *optional*, defaults to all of `"text"`, `"video"`, `"audio"`, `"transcript"` and
            `"screen_text"`): what the generator is given, in training and evaluation; the others are withheld from
            it. It reads transcripts and screen texts where its processor does. A row that is left with nothing is an
            empty text.
        blank_video (`bool`, *optional*, defaults to `False`): shows one black frame with sound that has no picture:
            the model hears through what it sees.
        seed (`int`, *optional*, defaults to 0): of all that is drawn.
        model ([`GGMForHashtagGeneration`], *optional*): the model that is trained. With it, batches have
            `decoder_input_ids` too, as [`~transformers.DataCollatorForSeq2Seq`] makes them: a `Trainer` with
            `label_smoothing_factor` keeps the labels from the model. It is not kept.

    Returns, when called with a list of rows, a `BatchFeature` with the keys of `GGMForHashtagGeneration.forward`; with
    `training=False`, rows none of which has hashtags get no `labels`, so that `Trainer.predict` takes them.

    Raises:
        InputError: `inputs` has unknown names or none, or sound without frames to hear it through; or `target_order`
            is unknown.

    Example:

    ```python
    >>> from transformers_ggm import DataCollatorForHashtagGeneration, GGMProcessor
    >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT

    >>> collator = DataCollatorForHashtagGeneration(GGMProcessor.from_pretrained(DEMO_CHECKPOINT))
    >>> row = {"index": 0, "description": "first snow", "guidance": ["snow", "winter"], "hashtags": ["snow"]}
    >>> batch = collator([{**row, "frames": None, "input_features": None}])
    >>> sorted(batch)
    ['attention_mask', 'input_ids', 'labels']

    ```
    """

    processor: GGMProcessor
    training: bool = True
    target_order: str = "shuffled"
    guidance_dropout: float = 1 / 3
    frame_dropout: float = 0.0
    audio_dropout: float = 0.0
    description_dropout: float = 0.0
    inputs: Sequence[str] = INPUTS
    blank_video: bool = False
    seed: int = 0
    model: InitVar[GGMForHashtagGeneration | None] = None

    def __post_init__(self, model):
        super().__post_init__()
        self._model_config = None if model is None else model.config
        if self.target_order not in TARGET_ORDERS:
            raise InputError(f"`target_order` is {self.target_order!r}; choose from {TARGET_ORDERS}.")
        check_inputs(self.inputs)
        check_hearing(self.inputs, self.blank_video)

    def __call__(self, rows: Sequence[Mapping[str, Any]]):
        rows = [self.withhold(row) for row in rows]
        if self.training:
            rows = [self._vary(row, generator) for row, generator in zip(rows, self.row_generators(rows))]
        is_sound_alone = [row["frames"] is None and row["input_features"] is not None for row in rows]
        blank_video = self.blank_video and any(is_sound_alone)
        hashtags = [row["hashtags"] for row in rows]
        batch = self.processor(
            videos=[row["frames"] for row in rows],
            input_features=[row["input_features"] for row in rows],
            text=[row["description"] for row in rows],
            transcript=[row.get("transcript") for row in rows],
            screen_text=[row.get("screen_text") for row in rows],
            guidance=[row["guidance"] for row in rows],
            hashtags=hashtags if self.training or any(hashtags) else None,
            blank_video=blank_video,
            allow_empty=self.blank_video or not set(PUBLISHED_INPUTS) <= set(self.inputs),
            return_tensors="pt",
        )
        if blank_video:
            # Words alone beside them stay words alone, as they are in every other batch and in the pipeline.
            is_seen = [row["frames"] is not None or alone for row, alone in zip(rows, is_sound_alone)]
            batch["frame_mask"] *= torch.tensor(is_seen)[:, None]
        if self._model_config is not None and "labels" in batch:
            batch["decoder_input_ids"] = decoder_inputs_of(batch["labels"], self._model_config)
        return batch

    def withhold(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """
        The row as the generator may see it: without what is not among the `inputs`.

        Args:
            row (`dict`): of [`PreparedShorts`] or [`DecodedShorts`].

        Returns:
            `dict`: another one, with `""` or `None` in the place of what is withheld.
        """
        row = dict(row)
        if "text" not in self.inputs:
            row["description"] = ""
        if "video" not in self.inputs:
            row["frames"] = None
        if "audio" not in self.inputs:
            row["input_features"] = None
        return row | {name: "" for name in TEXTS[1:] if name not in self.inputs}

    def _vary(self, row: dict[str, Any], generator: random.Random) -> dict[str, Any]:
        row["hashtags"] = generator.sample(row["hashtags"], len(row["hashtags"]))
        true = set(row["hashtags"])
        row["guidance"] = [
            tag for tag in row["guidance"] if tag not in true or generator.random() >= self.guidance_dropout
        ]
        if generator.random() < self.frame_dropout and row["frames"] is not None:
            row["frames"], row["guidance"] = torch.zeros_like(row["frames"][:1]), []
        if self.target_order == "guidance":
            places = {tag: place for place, tag in enumerate(row["guidance"])}
            row["hashtags"].sort(key=lambda tag: places.get(tag, len(places)))
        if generator.random() < self.audio_dropout:
            row["input_features"] = None
        if generator.random() < self.description_dropout and (row["frames"] is not None or row["guidance"]):
            row["description"] = ""
        return row


def hashtag_id(hashtag: str) -> int:
    """A 63-bit number for a hashtag, the same in every process, so that hashtags can be compared as tensors."""
    return int.from_bytes(hashlib.blake2b(hashtag.encode(), digest_size=8).digest(), "big") >> 1


@dataclass
class DataCollatorForHashtagRetrieval(EpochAware):
    r"""
    Makes batches for [`HashtagRetriever`]: pairs of a query (the video, as published) and one of its hashtags, drawn
    anew in every epoch. What is drawn goes by `set_epoch` as in [`DataCollatorForHashtagGeneration`], and without it
    by PyTorch's generator.

    Args:
        processor ([`HashtagRetrieverProcessor`]): tokenizer and normalisation.
        counts (`dict[str, int]`, *optional*): how often each hashtag occurs in training.
        rare_hashtag_power (`float`, *optional*, defaults to 0.0): a row's hashtag is drawn with a weight of
            `count ** -rare_hashtag_power`; 0 draws uniformly.
        frames_per_clip (`int`, *optional*, defaults to 0): frames drawn from each clip, in order; 0 takes all.
        max_hashtags (`int`, *optional*, defaults to 64): true hashtags of a row that are known to the loss. A fixed
            number, so that processes can exchange them.
        seed (`int`, *optional*, defaults to 0).
        query (`str`, *optional*, defaults to `"video"`): that of the retriever, see [`HashtagRetrieverConfig`]: says
            whether frames, the texts that the processor names, without their hashtags, or both go into the batch.
        negatives ([`RandomNegatives`], *optional*): where further negatives of the rows are drawn from.
        num_negatives (`int`, *optional*, defaults to 1): how many of each row; all rows have to find so many.

    Returns, when called with a list of rows, the keys of `HashtagRetriever.forward`, `hashtag_ids` of shape `(batch +
    negatives,)`, those of the rows' hashtags and behind them those of their negatives, `true_hashtag_ids` of shape
    `(batch, max_hashtags)`, -1 on padding, and, with `counts`, `hashtag_counts` of shape `(batch,)`.
    """

    processor: HashtagRetrieverProcessor
    counts: Mapping[str, int] | None = None
    rare_hashtag_power: float = 0.0
    frames_per_clip: int = 0
    max_hashtags: int = 64
    seed: int = 0
    query: str = "video"
    negatives: RandomNegatives | None = None
    num_negatives: int = 1

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        generators = self.row_generators(rows)
        hashtags = [self._draw_hashtag(row["hashtags"], generator) for row, generator in zip(rows, generators)]
        counts = None if self.counts is None else [self.counts.get(tag, 1) for tag in hashtags]
        if self.negatives is not None:
            for row, generator in zip(rows, generators):
                hashtags += self.negatives.draw(row, generator, self.num_negatives)
        inputs = {}
        if "video" in self.query:
            frames = [
                self._draw_frames(row["retriever_frames"], generator) for row, generator in zip(rows, generators)
            ]
            if any(clip is not None for clip in frames):
                inputs["videos"] = frames
        if "text" in self.query:
            inputs["text"] = [self.processor.query_text(row) for row in rows]
        true_ids = torch.full((len(rows), self.max_hashtags), -1, dtype=torch.int64)
        for i, row in enumerate(rows):
            ids = [hashtag_id(tag) for tag in row["hashtags"][: self.max_hashtags]]
            true_ids[i, : len(ids)] = torch.tensor(ids)
        batch = {
            **self.processor(**inputs, hashtags=hashtags, return_tensors="pt"),
            "hashtag_ids": torch.tensor([hashtag_id(tag) for tag in hashtags]),
            "true_hashtag_ids": true_ids,
        }
        return batch if counts is None else {**batch, "hashtag_counts": torch.tensor(counts)}

    def _draw_hashtag(self, hashtags: Sequence[str], generator: random.Random) -> str:
        weights = None
        if self.counts is not None and self.rare_hashtag_power:
            weights = [max(self.counts.get(tag, 1), 1) ** -self.rare_hashtag_power for tag in hashtags]
        return generator.choices(hashtags, weights)[0]

    def _draw_frames(
        self, frames: torch.Tensor | StoredFrames | None, generator: random.Random
    ) -> torch.Tensor | None:
        if frames is None:
            return None
        if not 0 < self.frames_per_clip < len(frames):
            return frames[:]
        return frames[sorted(generator.sample(range(len(frames)), self.frames_per_clip))]


def is_true_of(hashtag_ids: torch.Tensor, true_hashtag_ids: torch.Tensor) -> torch.Tensor:
    """
    Which hashtags are true of which videos.

    Args:
        hashtag_ids (`torch.LongTensor` of shape `(hashtags,)`).
        true_hashtag_ids (`torch.LongTensor` of shape `(batch, max_hashtags)`).

    Returns:
        `torch.BoolTensor` of shape `(batch, hashtags)`: entry (i, j) says that hashtag j is one of video i's.
    """
    return (true_hashtag_ids[:, None, :] == hashtag_ids[None, :, None]).any(dim=-1)
