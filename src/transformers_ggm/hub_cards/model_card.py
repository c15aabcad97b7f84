"""The card of a checkpoint, filled with what its training left behind and nothing else."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from safetensors import safe_open
from transformers.utils import PROCESSOR_NAME

from ..processing.modalities import INPUTS
from ..utils.checkpoint_layout import (
    CLASSIFIER_FOLDER,
    PLAUSIBILITY_FOLDER,
    POSTS_FOLDER,
    RANKER_FOLDER,
    TEXT_ENCODER_FOLDER,
)
from ..utils.files import write_text
from ..utils.hub_commits import is_hub_id
from .data_card import DataFacts, data_facts
from .examples import example_rows
from .pool_statistics import pool_statistics
from .recommendation_card import answer_metrics, recommendation_facts
from .rendering import render_card
from .results import PIPELINE_TAG, eval_results, metric_rows, metric_types, retrieval_rows
from .switches import example_item, reading, switch_rows, text_reading_words
from .trained_checkpoint import TrainedCheckpoint
from .training_curve import TRAINING_CURVE
from .training_facts import RETRIEVER_SETTINGS, course_table, generator_settings, shown_settings

TEMPLATE = "model_card_template.md"
TAGS = ["hashtag-generation", "video", "ggm", "retrieval-augmented-generation"]
# What recommends beside generator and pool: name and contents by folder.
RECOMMENDING_PARTS = {
    POSTS_FOLDER: ("index of posts", "hashtags, times, hashed terms, vectors"),
    TEXT_ENCODER_FOLDER: ("text encoder", "a sentence encoder"),
    CLASSIFIER_FOLDER: ("classifier", "hashtags as classes"),
    RANKER_FOLDER: ("ranker", "named features of candidates"),
    PLAUSIBILITY_FOLDER: ("plausibility", "a masked language model"),
}
LEARNED_PARTS = (TEXT_ENCODER_FOLDER, CLASSIFIER_FOLDER, RANKER_FOLDER, PLAUSIBILITY_FOLDER)
WITHHELD = {"text": "descriptions", "video": "frames"}


def write_model_card(trained: TrainedCheckpoint, summary: dict[str, Any]) -> None:
    """
    Writes `README.md` into a checkpoint, whole or not at all.

    Args:
        trained ([`TrainedCheckpoint`]): the checkpoint, and what its training left behind.
        summary (`dict`): what the stage `evaluate` found: `best_checkpoint` and `mean_of_best_<k>` (metrics by name),
            `retrieval_recall_at_k` (recall by k; absent without guidance), `guidance_weights` (of its sources; absent
            where the pool alone guides), `recommender` (of the sources and the ranker; absent without one),
            `test_videos`, and how words were split, `word_splitter`.
    """
    write_text(trained.folder / "README.md", f"{make_model_card(trained, summary)}\n")


def make_model_card(trained: TrainedCheckpoint, summary: dict[str, Any]) -> ModelCard:
    """The card that [`write_model_card`] writes."""
    model = trained.model
    config = json.loads((trained.folder / "config.json").read_text(encoding="utf-8"))
    has_sound = config.get("audio_config") is not None
    is_scratch = model["scratch_config"] is not None
    facts = common_facts(trained, summary, has_sound)
    base = trained.lora["base_checkpoint"]
    if base is not None:
        bases = [base] if is_hub_id(base) else []
    else:
        bases = [] if is_scratch else base_models(model, trained.retriever_folder.is_dir())
    card_data = ModelCardData(
        model_name=f"GGM trained on {facts['data'].name}",
        library_name="transformers",
        tags=[*TAGS, "audio"] if has_sound else TAGS,
        base_model=bases or None,
        # Of several bases the Hub would take the model for a merge.
        base_model_relation="finetune" if bases else None,
        **common_metadata(facts["data"], summary),
    )
    return render_card(
        TEMPLATE,
        card_data,
        **facts,
        model_name=card_data.model_name,
        is_scratch=is_scratch,
        base=base and base_words(base),
        reading=reading(facts["inputs"], facts["is_guided"], bool(facts["fused"])),
        knows_order=config.get("frame_position_embedding") == "learned",
        parts=checkpoint_parts(trained, made_of(config)),
        settings={
            "retriever": shown_settings(trained.retriever_record, RETRIEVER_SETTINGS, is_scratch),
            "generator": generator_settings(trained, is_scratch),
        },
    )


def common_metadata(data: DataFacts, summary: dict[str, Any]) -> dict[str, Any]:
    """
    The metadata that cards of models and adapters share. Licence and language are those that the data card names: who
    publishes a model may have another licence in mind, but nobody here knows of it.

    Args:
        data ([`DataFacts`]): see [`data_facts`].
        summary (`dict`): see [`write_model_card`].
    """
    best = answer_metrics(summary)
    return {
        **data.metadata,
        "pipeline_tag": PIPELINE_TAG,
        "datasets": None if data.hub_id is None else [data.hub_id],
        "metrics": metric_types(best),
        "eval_results": eval_results(data, best),
    }


def _processor_setting(folder: Path, name: str) -> Any:
    """A setting of the processor beside a model; `None` where there is no processor, or it has none."""
    file = folder / PROCESSOR_NAME
    return json.loads(file.read_text(encoding="utf-8")).get(name) if file.is_file() else None


def common_facts(trained: TrainedCheckpoint, summary: dict[str, Any], has_sound: bool) -> dict[str, Any]:
    """
    What templates of models and adapters share.

    Args:
        trained ([`TrainedCheckpoint`]), summary (`dict`): see [`write_model_card`].
        has_sound (`bool`): whether the generator hears.
    """
    model, record = trained.model, trained.generator_record
    data = data_facts(trained.data_dir, trained.num_rows)
    inputs = [name for name in model.get("inputs", INPUTS) if name != "audio" or has_sound]
    is_guided = model["num_guidance"] > 0
    return {
        "data": data,
        "inputs": inputs,
        "is_guided": is_guided,
        "has_sound": has_sound,
        "withheld": [WITHHELD[name] for name in WITHHELD if name not in inputs],
        "model_id": usage_id(trained.hub_model_id),
        "example_item": example_item(inputs, is_guided),
        "text_reading": text_reading_words(inputs, _processor_setting(trained.folder, "text_reading")),
        "switches": switch_rows(inputs, model["num_guidance"], {} if record is None else record["data"]),
        "versions": None if record is None else record["versions"],
        "course": course_table({"retriever": trained.retriever_record, "generator": record}),
        "curve": TRAINING_CURVE if (trained.folder / TRAINING_CURVE).is_file() else None,
        "pool": pool_facts(trained.pool_counts, trained.keeps_pool),
        "metrics": metric_rows(summary),
        "retrieval": retrieval_rows(summary),
        "fused": list(summary.get("guidance_weights") or ()),
        "recommendation": recommendation_facts(summary, trained.folder),
        "examples": example_rows(trained.predictions),
    }


def usage_id(hub_id: str | None) -> str:
    """The name that loads what a card tells of: a whole Hub id, or the folder in which the card lies."""
    return hub_id if hub_id is not None and "/" in hub_id else "."


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


def base_words(base: str) -> str:
    """How a card calls the checkpoint that its own was trained on from."""
    return f"[{base}](https://huggingface.co/{base})" if is_hub_id(base) else f"a local one, `{Path(base).name}`"


def made_of(config: dict[str, Any]) -> str:
    """The backbones of a GGM."""
    towers = [config[f"{name}_config"] for name in ("vision", "text", "audio")]
    return ", ".join(f"`{tower['model_type']}`" for tower in towers if tower)


def checkpoint_parts(trained: TrainedCheckpoint, generator: str) -> list[dict[str, str]]:
    """
    What lies where in the checkpoint, with numbers of parameters and backbones.

    Args:
        trained ([`TrainedCheckpoint`]): the checkpoint.
        generator (`str`): what its generator is made of.
    """
    parts = [
        {"name": "generator", "folder": "`.`", "made_of": generator, "parameters": parameter_count(trained.folder)}
    ]
    if trained.retriever_folder.is_dir():
        retriever = json.loads((trained.retriever_folder / "config.json").read_text(encoding="utf-8"))
        made_of = f"`{retriever['backbone_config']['model_type']}`"
        parts.append(
            {"name": "retriever", "folder": "`retriever`", "made_of": made_of}
            | {"parameters": parameter_count(trained.retriever_folder)}
        )
    if trained.pool_folder.is_dir():
        made_of = "hashtags, counts, vectors"
        parts.append({"name": "hashtag pool", "folder": "`hashtag_pool`", "made_of": made_of, "parameters": "-"})
    for folder, (name, made_of) in RECOMMENDING_PARTS.items():
        if (trained.folder / folder).is_dir():
            parameters = parameter_count(trained.folder / folder) if folder in LEARNED_PARTS else "-"
            parts.append({"name": name, "folder": f"`{folder}`", "made_of": made_of, "parameters": parameters})
    return parts


def parameter_count(folder: Path) -> str:
    """How many parameters the weights in a folder have."""
    total = 0
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in sorted(weights.keys()))
    return f"{total:,}"


def pool_facts(counts: Mapping[str, int] | None, is_kept: bool = False) -> dict[str, Any] | None:
    """What the card tells of the pool, which may be that of a base; `None` where there is none."""
    return None if counts is None else {**pool_statistics(list(counts), list(counts.values())), "is_kept": is_kept}
