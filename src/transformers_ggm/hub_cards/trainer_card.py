"""The card of a model that a trainer pushes, filled with what the trainer knows and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from ..utils.files import write_text
from ..utils.hub_commits import is_hub_id
from .model_card import TAGS, usage_id
from .rendering import render_card
from .results import METRICS, PIPELINE_TAG, metric_name, metric_types
from .training_facts import COMMON_SETTINGS, course_table, shown_settings

TEMPLATE = "trainer_card_template.md"
SETTINGS = (
    "learning_rate", "num_train_epochs", "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps",
    "warmup_steps", "weight_decay", "label_smoothing_factor", *COMMON_SETTINGS,
)  # fmt: skip
COLLATOR_SETTINGS = (
    "inputs", "target_order", "guidance_dropout", "frame_dropout", "audio_dropout", "description_dropout", "query",
    "rare_hashtag_power", "frames_per_clip",
)  # fmt: skip
PART_TAGS = {"generator": TAGS, "language model": TAGS, "retriever": ["hashtag-retrieval", "video", "ggm"]}


@dataclass(frozen=True)
class TrainerFacts:
    """
    What a trainer knows of its model.

    Args:
        folder (`Path`): where the card is written.
        part (`str`): `"generator"`, `"language model"` (one that is the generator) or `"retriever"`.
        model_name (`str`): what to call it.
        model_id (`str`, *optional*): the repository that it is going to be in.
        base_model (`str`, *optional*): what it was before training; told where it is a Hub id.
        num_train_rows (`int`, *optional*): rows that it learnt from.
        record (`dict`, *optional*): what the training noted of itself; see
            [`~transformers_ggm.training.model_card_callback.ModelCardCallback`].
        metadata (`dict`, *optional*): `language`, `license`, `datasets`, `tags`, as `ModelCardData` takes them.
    """

    folder: Path
    part: str
    model_name: str
    model_id: str | None = None
    base_model: str | None = None
    num_train_rows: int | None = None
    record: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def write_trainer_card(facts: TrainerFacts) -> None:
    """
    Writes `README.md`, whole or not at all.

    Args:
        facts ([`TrainerFacts`]): what the trainer knows.
    """
    facts.folder.mkdir(parents=True, exist_ok=True)
    write_text(facts.folder / "README.md", f"{make_trainer_card(facts)}\n")


def make_trainer_card(facts: TrainerFacts) -> ModelCard:
    """The card that [`write_trainer_card`] writes."""
    metadata = dict(facts.metadata)
    tags = metadata.pop("tags", [])
    validation = {} if facts.record is None else facts.record.get("published", {}).get("validation", {})
    is_based = facts.base_model is not None and is_hub_id(facts.base_model)
    card_data = ModelCardData(
        model_name=facts.model_name,
        library_name="transformers",
        pipeline_tag=None if facts.part == "retriever" else PIPELINE_TAG,
        tags=list(dict.fromkeys([*PART_TAGS[facts.part], *([tags] if isinstance(tags, str) else tags)])),
        base_model=facts.base_model if is_based else None,
        metrics=metric_types(validation) or None,
        **metadata,
    )
    settings = shown_settings(facts.record, {"training": SETTINGS, "data": COLLATOR_SETTINGS}, is_scratch=False)
    return render_card(
        TEMPLATE,
        card_data,
        model_name=facts.model_name,
        model_id=usage_id(facts.model_id),
        part=facts.part,
        base=card_data.base_model,
        num_train_rows=facts.num_train_rows,
        settings={facts.part: settings},
        course=course_table({facts.part: facts.record}),
        curve=None,
        versions=None if facts.record is None else facts.record["versions"],
        validation={metric_name(key): f"{value:.2f}" for key, value in validation.items() if key in METRICS},
    )
