"""How a checkpoint was trained, from the records that its trainings left behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .results import metric_name
from .trained_checkpoint import TrainedCheckpoint

BACKBONES = ("retriever", "vision", "text", "audio")
COMMON_SETTINGS = ("lr_scheduler_type", "max_grad_norm", "seed", "bf16", "fp16")
RETRIEVER_SETTINGS = {
    "model": ("retriever",),
    "retriever": (
        "retriever_query",
        "retriever_texts",
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
        "language_model",
        "vision",
        "text",
        "audio",
        "vision_from_retriever",
        "freeze_vision",
        "frame_position_embedding",
        "patch_pooling",
        "pointer_head",
        "text_position_embedding",
        "position_biased_input",
        "restart_positions",
        "fusion",
        "fusion_dropout",
        "num_guidance",
        "max_text_length",
        "guidance_share",
        "transcript_share",
        "screen_text_share",
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
# Names of backbones tell something only where the generator was put together from them.
BACKBONE_SETTINGS = (
    "vision", "text", "audio", "vision_from_retriever", "frame_position_embedding", "patch_pooling", "pointer_head",
    "text_position_embedding", "position_biased_input", "restart_positions", "fusion",
)  # fmt: skip
# What means nothing where a language model is the generator.
OF_GGM = ("freeze_vision", "fusion_dropout", "guidance_share", "transcript_share", "screen_text_share")
COURSE = ("hardware", "duration", "steps", "epochs", "last training loss", "published step")


def shown_settings(record: dict[str, Any] | None, names: dict[str, Sequence[str]], is_scratch: bool) -> dict[str, str]:
    """
    What a part was trained with; empty where nothing was recorded.

    Args:
        record (`dict`, *optional*): see [`~transformers_ggm.training.model_card_callback.ModelCardCallback`].
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


def generator_settings(trained: TrainedCheckpoint, is_scratch: bool = False) -> dict[str, str]:
    """
    How the generator of a checkpoint was trained; what means nothing for its kind is left out.

    Args:
        trained ([`TrainedCheckpoint`]): the checkpoint, or adapter.
        is_scratch (`bool`, *optional*, defaults to `False`): see [`shown_settings`].
    """
    hidden = BACKBONE_SETTINGS if trained.starts_from_trained or trained.is_instructed else ()
    hidden = (*hidden, *OF_GGM) if trained.is_instructed else hidden
    names = {group: [name for name in listed if name not in hidden] for group, listed in GENERATOR_SETTINGS.items()}
    return shown_settings(trained.generator_record, names, is_scratch)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and Path(value).is_absolute():
        return f"`{Path(value).name}`, a local folder"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(getattr(value, "value", value))


def course_table(records: dict[str, dict[str, Any] | None]) -> dict[str, Any] | None:
    """
    How the trainings went.

    Args:
        records (`dict[str, dict]`): by the name of the part; see
            [`~transformers_ggm.training.model_card_callback.ModelCardCallback`].

    Returns:
        `dict` with `parts`, those of which something is known, and `rows`, their values by what they are; a value
        that is not known beside one that is, is `"-"`. `None` where nothing is known.
    """
    known = {part: course_rows(record) for part, record in records.items() if record is not None}
    known = {part: rows for part, rows in known.items() if rows}
    if not known:
        return None
    names = list(dict.fromkeys(name for rows in known.values() for name in rows))
    names.sort(key=lambda name: COURSE.index(name) if name in COURSE else len(COURSE))
    return {
        "parts": list(known),
        "rows": {name: [rows.get(name, "-") for rows in known.values()] for name in names},
    }


def course_rows(record: dict[str, Any]) -> dict[str, str]:
    """How one training went, without what is not known."""
    outcome, published = record.get("outcome", {}), record.get("published", {})
    rows = {
        "hardware": _hardware(record.get("hardware", [])),
        "duration": None if outcome.get("seconds") is None else duration(outcome["seconds"]),
        "steps": f"{outcome['steps']:,}" if "steps" in outcome else None,
        "epochs": f"{outcome['epochs']:.4g}" if outcome.get("epochs") is not None else None,
        "last training loss": f"{outcome['loss']:.4g}" if outcome.get("loss") is not None else None,
        "published step": f"{published['step']:,}" if "step" in published else None,
    }
    # The metric that chose the step, and the loss.
    metric = record.get("training", {}).get("metric_for_best_model") or "loss"
    for name in dict.fromkeys(("loss", metric.removeprefix("eval_"))):
        if name in published.get("validation", {}):
            value = published["validation"][name]
            shown = f"its {name if name == 'loss' else metric_name(name)} on the validation split"
            rows[shown] = f"{value:.4g}" if name == "loss" else f"{value:.2f}"
    if "untrained" in record:
        rows["loss on the validation split before training"] = f"{record['untrained']['loss']:.4g}"
    return {name: value for name, value in rows.items() if value is not None}


def _hardware(devices: list[str]) -> str | None:
    counts = {device: devices.count(device) for device in devices}
    return ", ".join(f"{number} x {device}" if number > 1 else device for device, number in counts.items()) or None


def duration(seconds: float) -> str:
    """
    Example:

    ```python
    >>> duration(42.3), duration(2520), duration(7500)
    ('42 s', '42 min', '2 h 05 min')

    ```
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
