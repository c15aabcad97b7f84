"""The card of a checkpoint, filled with what its training left behind and nothing else."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from safetensors import safe_open

from ..data.collator import INPUTS
from ..files import write_text
from ..retrieval import HashtagPool
from .data_card import DataFacts, data_facts

if TYPE_CHECKING:
    from ..training.run import Run

TEMPLATE = Path(__file__).with_name("model_card_template.md")
TAGS = ["hashtag-generation", "video", "ggm", "retrieval-augmented-generation"]
PIPELINE_TAG = "video-text-to-text"
NUM_FREQUENT_HASHTAGS = 20
FIGURES = {
    "rouge1": ("rouge", "ROUGE-1"),
    "rouge2": ("rouge", "ROUGE-2"),
    "precision": ("precision", "Precision"),
    "recall": ("recall", "Recall"),
    "f1": ("f1", "F1"),
    "f1_of_means": ("f1", "F1 of mean precision and recall"),
}
READING = {"text": "reads the description", "video": "looks at the frames", "audio": "hears the sound"}
WITHHELD = {"text": "descriptions", "video": "frames"}
BACKBONES = ("retriever", "vision", "text", "audio")
COMMON_SETTINGS = ("lr_scheduler_type", "max_grad_norm", "seed", "bf16", "fp16")
RETRIEVER_SETTINGS = {
    "model": ("retriever",),
    "retriever": (
        "retriever_query",
        "retriever_learning_rate",
        "retriever_num_train_epochs",
        "retriever_per_device_train_batch_size",
        "retriever_warmup_steps",
        "retriever_weight_decay",
        "retriever_frames_per_clip",
        "retriever_rare_hashtag_power",
    ),
    "training": COMMON_SETTINGS,
    "stage": ("weights_dtype",),
}
GENERATOR_SETTINGS = {
    "model": (
        "vision",
        "text",
        "audio",
        "vision_from_retriever",
        "freeze_vision",
        "frame_position_embedding",
        "fusion",
        "fusion_dropout",
        "num_guidance",
        "max_text_length",
        "max_target_length",
        "inputs",
    ),
    "data": (
        "blank_video",
        "target_order",
        "guidance_dropout",
        "frame_dropout",
        "audio_dropout",
        "description_dropout",
    ),
    "training": (
        "learning_rate",
        "num_train_epochs",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "warmup_steps",
        "weight_decay",
        *COMMON_SETTINGS,
    ),
    "stage": ("weights_dtype",),
}


def write_model_card(run: "Run", summary: dict[str, Any]) -> None:
    """
    Writes `README.md` into the checkpoint of a run, whole or not at all.

    Args:
        run ([`~transformers_ggm.training.Run`]): a training whose stages up to `generator` are finished.
        summary (`dict`): what the stage `evaluate` found: `best_checkpoint` and `mean_of_best_<k>` (figures by name),
            `retrieval_recall_at_k` (recall by k; absent without guidance), `test_videos`, and how words were split,
            `word_splitter`.
    """
    write_text(run.checkpoint_dir / "README.md", f"{make_model_card(run, summary)}\n")


def make_model_card(run: "Run", summary: dict[str, Any]) -> ModelCard:
    """The card that [`write_model_card`] writes."""
    data = data_facts(run)
    record, retriever_record = run.read_record(run.generator_run_dir), run.read_record(run.retriever_run_dir)
    model = asdict(run.model) if record is None else record["model"]
    config = json.loads((run.checkpoint_dir / "config.json").read_text(encoding="utf-8"))
    has_sound = config.get("audio_config") is not None
    is_scratch = model["scratch_config"] is not None
    is_guided = model["num_guidance"] > 0
    inputs = [name for name in model.get("inputs", INPUTS) if name != "audio" or has_sound]
    card_data = ModelCardData(
        model_name=f"GGM trained on {data.name}",
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag=PIPELINE_TAG,
        tags=[*TAGS, "audio"] if has_sound else TAGS,
        base_model=None if is_scratch else base_models(model, run.retriever_dir.is_dir()) or None,
        metrics=list(dict.fromkeys(metric for metric, _ in FIGURES.values())),
        eval_results=eval_results(data, summary["best_checkpoint"]),
    )
    return ModelCard.from_template(
        card_data,
        template_path=str(TEMPLATE),
        model_name=card_data.model_name,
        data=data,
        is_synthetic=data.is_synthetic,
        is_scratch=is_scratch,
        has_sound=has_sound,
        is_guided=is_guided,
        reading=reading(inputs, is_guided),
        example_item=example_item(inputs, is_guided),
        withheld=[WITHHELD[name] for name in WITHHELD if name not in inputs],
        knows_order=config.get("frame_position_embedding") == "learned",
        model_id=run.training.hub_model_id or ".",
        parts=checkpoint_parts(run, config),
        retriever_settings=shown_settings(retriever_record, RETRIEVER_SETTINGS, is_scratch),
        generator_settings=shown_settings(record, GENERATOR_SETTINGS, is_scratch),
        versions=None if record is None else record["versions"],
        pool=pool_facts(run.pool_dir) if run.pool_dir.is_dir() else None,
        figures=figure_rows(summary),
        retrieval={k: _percent(recall) for k, recall in summary.get("retrieval_recall_at_k", {}).items()},
    )


def reading(inputs: Sequence[str], is_guided: bool) -> str:
    """What the generator goes by, as the part of a sentence that follows its name."""
    parts = [READING[name] for name in READING if name in inputs]
    if is_guided:
        parts.append("reads the hashtags that a retriever finds for the video in a pool")
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def example_item(inputs: Sequence[str], is_guided: bool) -> str:
    """An item that has what the model goes by, as the pipeline takes it; the retriever goes by a video too."""
    description = ', description="first snow of the year"' if "text" in inputs else ""
    if "video" in inputs or is_guided:
        return f'"clip.mp4"{description}'
    return '{"audio": "sound.ogg"}' + description if "audio" in inputs else '{"description": "first snow of the year"}'


def base_models(model: dict[str, Any], has_retriever: bool = True) -> list[str]:
    """
    Hub ids of the pretrained backbones that training started from; local folders have none and are left out.

    Args:
        model (`dict`): the fields of [`~transformers_ggm.training.ModelArguments`].
        has_retriever (`bool`, *optional*, defaults to `True`): whether the checkpoint has a retriever.
    """
    used = ["retriever"] if has_retriever else []
    used += ["text", "audio"] if model["vision_from_retriever"] else ["vision", "text", "audio"]
    return list(dict.fromkeys(model[part] for part in used if model[part] is not None and is_hub_id(model[part])))


def is_hub_id(name: str) -> bool:
    """Whether a model's name is that of a repository on the Hub, not of a local folder."""
    if Path(name).exists():
        return False
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def eval_results(data: DataFacts, figures: dict[str, float]) -> list[EvalResult]:
    """The figures of the published weights, as the Hub shows them beside the card."""
    return [
        EvalResult(
            task_type=PIPELINE_TAG,
            task_name="Hashtag generation",
            dataset_type=re.sub(r"[^\w.-]+", "-", data.name).strip("-").lower(),
            dataset_name=data.name,
            dataset_split="test",
            metric_type=metric,
            metric_name=name,
            metric_value=round(figures[key], 2),
        )
        for key, (metric, name) in FIGURES.items()
        if key in figures
    ]


def checkpoint_parts(run: "Run", config: dict[str, Any]) -> list[dict[str, str]]:
    """What lies where in the checkpoint, with numbers of parameters and backbones."""
    kinds = [
        config[f"{name}_config"]["model_type"] for name in ("vision", "text", "audio") if config[f"{name}_config"]
    ]
    parts = [
        {"name": "generator", "folder": "`.`", "made_of": ", ".join(f"`{kind}`" for kind in kinds)}
        | {"parameters": _parameters(run.checkpoint_dir)}
    ]
    if run.retriever_dir.is_dir():
        retriever = json.loads((run.retriever_dir / "config.json").read_text(encoding="utf-8"))
        made_of = f"`{retriever['backbone_config']['model_type']}`"
        parts.append(
            {"name": "retriever", "folder": "`retriever`", "made_of": made_of}
            | {"parameters": _parameters(run.retriever_dir)}
        )
    if run.pool_dir.is_dir():
        made_of = "hashtags, counts, vectors"
        parts.append({"name": "hashtag pool", "folder": "`hashtag_pool`", "made_of": made_of, "parameters": "-"})
    return parts


def _parameters(folder: Path) -> str:
    total = 0
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in sorted(weights.keys()))
    return f"{total:,}"


def shown_settings(record: dict[str, Any] | None, names: dict[str, Sequence[str]], is_scratch: bool) -> dict[str, str]:
    """
    How a part was trained; empty where nothing was recorded.

    Args:
        record (`dict`, *optional*): see [`~transformers_ggm.training.Run.write_record`].
        names (`dict[str, tuple[str]]`): arguments to show, by dataclass.
        is_scratch (`bool`): whether the backbones' names mean nothing, since training started from random weights.
    """
    if record is None:
        return {}
    recorded = (
        (name, record.get(group, {}).get(name)) for group, group_names in names.items() for name in group_names
    )
    settings = dict(recorded)
    settings["processes"] = record["num_processes"]
    hidden = BACKBONES if is_scratch else ()
    return {name: _shown(value) for name, value in settings.items() if value is not None and name not in hidden}


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and Path(value).is_absolute():
        return f"`{Path(value).name}`, a local folder"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(getattr(value, "value", value))


def pool_facts(pool_dir: Path) -> dict[str, str]:
    """Size and most frequent hashtags of the pool."""
    pool = HashtagPool.from_pretrained(pool_dir)
    ranked = sorted(zip(pool.hashtags, pool.counts), key=lambda item: (-item[1], item[0]))[:NUM_FREQUENT_HASHTAGS]
    return {"size": f"{len(pool):,}", "frequent": ", ".join(f"#{tag} ({count})" for tag, count in ranked)}


def figure_rows(summary: dict[str, Any]) -> dict[str, Any]:
    """The table of test figures."""
    best = summary["best_checkpoint"]
    mean_name = next(name for name in summary if name.startswith("mean_of_best_"))
    names = {key: name for key, (_, name) in FIGURES.items()}
    return {
        "videos": summary["test_videos"],
        "word_splitter": summary["word_splitter"],
        "num_best": int(mean_name.removeprefix("mean_of_best_")),
        "has_causes": any(key not in FIGURES for key in best),
        "rows": [
            {
                "name": names.get(key, f"Recall of `{key.removeprefix('recall_')}`"),
                "best": _percent(value),
                "mean": _percent(summary[mean_name][key]),
            }
            for key, value in best.items()
        ],
    }


def _percent(value: float) -> str:
    return f"{value:.2f}"
