"""The settings that suggesting hashtags is measured in, and how long each takes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from stages import STAGES, StageTimes, measured
from tqdm.auto import tqdm
from transformers import pipeline
from written_answer import writing

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.backends import export_openvino
from transformers_ggm.pipelines import ggm_writing
from transformers_ggm.pipelines.dtype_selection import has_bfloat16

WORDS = "twelve hours on the highway and the first snow of the year is waiting at home"
NEW_TOKENS = 32
# How a pipeline is told what to compute in; what has not eight bits is in the type that this CPU is quicker in.
DTYPES: dict[str, dict[str, Any]] = {
    "fp32": {"dtype": torch.float32},
    "bf16": {"dtype": torch.bfloat16},
    "int8": {"dtype": torch.bfloat16 if has_bfloat16(torch.device("cpu")) else torch.float32, "int8": True},
}
# Of the five hashtags that are written, so many are among those that were retrieved.
NUM_HASHTAGS, NUM_RETRIEVED = 5, 3


@dataclass(frozen=True)
class Setting:
    """One way to suggest hashtags for a batch of clips.

    Args:
        towers (`str`): `"two towers"` or `"one tower"`.
        dtype (`str`): a key of `DTYPES`.
        num_beams (`int`): 1 for greedy search.
        writes (`str`): `"32 tokens"`, or `"5 hashtags"`.
        num_frames (`int`): frames of the clip.
        batch_size (`int`): clips at a time.
        is_plain (`bool`): whether transformers' own search writes.
        backend (`str`): what computes the models.
    """

    towers: str
    dtype: str
    num_beams: int
    writes: str = f"{NEW_TOKENS} tokens"
    num_frames: int = 15
    batch_size: int = 1
    is_plain: bool = False
    backend: str = "torch"

    def __str__(self) -> str:
        decoding = "greedy" if self.num_beams == 1 else f"{self.num_beams} beams"
        parts = [self.towers, self.dtype, decoding, self.writes]
        parts += [] if self.num_frames == 15 else [f"{self.num_frames} frames"]
        parts += [] if self.backend == "torch" else ["OpenVINO"]
        parts += [] if self.batch_size == 1 else [f"batch of {self.batch_size}"]
        return ", ".join(parts)


PLAIN = Setting("two towers", "fp32", 5, is_plain=True)
FAST = Setting("one tower", "int8", 1, writes=f"{NUM_HASHTAGS} hashtags", backend="openvino")


def settings_to_measure(batch_size: int) -> list[Setting]:
    """The plain composition, and what it becomes by one change after the other."""
    fewer_frames = replace(FAST, num_frames=8)
    fast = [replace(FAST, dtype=dtype, backend="torch") for dtype in DTYPES if dtype != FAST.dtype]
    fast += [replace(FAST, dtype=dtype) for dtype in DTYPES]
    single = [
        PLAIN,
        replace(PLAIN, is_plain=False, dtype="bf16"),
        Setting("one tower", "fp32", 5),
        Setting("one tower", "bf16", 5),
        Setting("one tower", "bf16", 1),
        *fast,
        fewer_frames,
    ]
    together = (PLAIN, replace(FAST, dtype="bf16"), FAST, fewer_frames) if batch_size > 1 else ()
    batches = [replace(setting, batch_size=batch_size) for setting in together]
    return single + batches


def stage_seconds(
    checkpoints: dict[str, Path], clip: Path, settings: list[Setting], num_runs: int
) -> dict[Setting, dict[str, float]]:
    """
    Seconds a clip by setting and stage, of the fastest run.

    Args:
        checkpoints (`dict[str, Path]`): by `Setting.towers`.
        clip (`Path`): a clip, which batches have several times.
        settings (`list[Setting]`): in turn, in every run.
        num_runs (`int`): how often, after one that warms up.
    """
    pipelines: dict[tuple[str, str, str], HashtagGenerationPipeline] = {}
    for setting in settings:
        if (key := (setting.towers, setting.dtype, setting.backend)) not in pipelines:
            pipelines[key] = pipeline_of(setting, checkpoints[setting.towers], clip)
    ways = {
        setting: suggesting(pipelines[setting.towers, setting.dtype, setting.backend], clip, setting)
        for setting in settings
    }
    best: dict[Setting, dict[str, float]] = {}
    for number in tqdm(range(num_runs + 1), desc="Measuring GGM", unit="round"):
        for setting, once in ways.items():
            times = once()
            seconds = {stage: times[stage] / setting.batch_size for stage in STAGES}
            if number and sum(seconds.values()) < sum(best.get(setting, {"": float("inf")}).values()):
                best[setting] = seconds
    return best


def pipeline_of(setting: Setting, checkpoint: Path, clip: Path, **arguments: Any) -> HashtagGenerationPipeline:
    """
    The pipeline of a setting. For OpenVINO the checkpoint is exported first where it was not yet: what weights are
    random is calibrated by, does not matter.

    Args:
        setting ([`Setting`]): says dtype and backend.
        checkpoint, clip (`Path`): of a model, and what it is exported with.
        **arguments: further ones of `pipeline`.
    """
    options = {"model": str(checkpoint), "device": "cpu", **arguments}
    if setting.backend == "openvino" and not (checkpoint / "openvino").exists():
        whole = pipeline("hashtag-generation", **options, dtype="float32")
        export_openvino(whole, [{"video": str(clip), "description": WORDS}], checkpoint, int8=True)
    return pipeline("hashtag-generation", **options, backend=setting.backend, **DTYPES[setting.dtype])


def suggesting(suggest: HashtagGenerationPipeline, clip: Path, setting: Setting) -> Callable[[], StageTimes]:
    """
    What suggests hashtags for a batch of a clip in a setting whenever it is called, and gives seconds by stage. What
    is to be written is found out before.
    """
    item = {"video": str(clip), "description": WORDS}
    options: dict[str, Any] = {"num_beams": setting.num_beams}
    if setting.writes == FAST.writes:
        _look_at(suggest, setting.num_frames)
        answer = writing(retrieved_and_others(suggest, item), suggest.processor.tokenizer)
        options["generate_kwargs"] = {"logits_processor": answer}
    else:
        # Random weights do not know when to stop.
        options |= {"min_new_tokens": NEW_TOKENS, "max_new_tokens": NEW_TOKENS}
    items = [item] * setting.batch_size

    def once() -> StageTimes:
        # Settings share pipelines.
        _look_at(suggest, setting.num_frames)
        if not setting.is_plain:
            return measured(suggest, items, **options)
        with mock.patch.object(ggm_writing, "search_arguments", lambda *_: {}):
            return measured(suggest, items, **options)

    return once


def _look_at(suggest: HashtagGenerationPipeline, num_frames: int) -> None:
    for processor in (suggest.processor, suggest.retriever_processor):
        processor.video_processor.num_frames = num_frames


def retrieved_and_others(suggest: HashtagGenerationPipeline, item: dict[str, Any]) -> list[str]:
    """Hashtags of which some were retrieved, as a trained model would write them."""
    told = suggest(item, return_guidance=True, num_beams=1, max_new_tokens=2)["guidance"]
    retrieved = [tag["hashtag"].removeprefix("#") for tag in told]
    others = [tag for tag in suggest.hashtag_pool.hashtags if tag not in retrieved]
    # Not the nearest first: a model has an order of its own.
    return [retrieved[1], others[0], retrieved[0], others[1], retrieved[4]]
