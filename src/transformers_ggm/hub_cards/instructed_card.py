"""The card of a checkpoint whose generator is a tuned language model."""

from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from transformers.utils import CONFIG_NAME, PROCESSOR_NAME

from ..errors import CheckpointError
from ..processing.prompt_parts import PromptParts
from ..utils.checkpoint_layout import COMPOSITION_FILE, read_configuration
from ..utils.files import write_text
from ..utils.hub_commits import is_hub_id
from ..utils.hub_snapshots import local_folder
from .data_card import licence_of
from .model_card import TAGS, base_words, checkpoint_parts, common_facts, common_metadata
from .rendering import render_card
from .switches import reading
from .trained_checkpoint import TrainedCheckpoint
from .training_facts import RETRIEVER_SETTINGS, generator_settings, shown_settings

TEMPLATE = "instructed_card_template.md"
# Of a made-up clip, for which the card shows what the model is asked.
_CLIP = {"description": "first snow of the year", "guidance": ("winter", "snowday")}
_LIMITS = {
    "num_guidance": "retrieved hashtags at most",
    "num_examples": "similar posts as examples at most",
    "num_frames": "frames at most",
    "max_prompt_length": "tokens of a prompt",
    "max_target_length": "tokens of the hashtags that were taught",
}


def write_instructed_card(trained: TrainedCheckpoint, summary: dict[str, Any]) -> None:
    """
    Writes `README.md` into a checkpoint whose generator is a language model, whole or not at all.

    Args:
        trained ([`TrainedCheckpoint`]): the checkpoint, and what its training left behind.
        summary (`dict`): see [`~transformers_ggm.hub_cards.write_model_card`].
    """
    write_text(trained.folder / "README.md", f"{make_instructed_card(trained, summary)}\n")


def make_instructed_card(trained: TrainedCheckpoint, summary: dict[str, Any]) -> ModelCard:
    """The card that [`write_instructed_card`] writes."""
    config = read_configuration(trained.folder / CONFIG_NAME)["language_model_config"]
    processor = read_configuration(trained.folder / PROCESSOR_NAME)
    facts = common_facts(trained, summary, has_sound=False)
    name, base = language_model_name(trained), trained.lora["base_checkpoint"]
    start = base or name
    card_data = ModelCardData(
        model_name=f"{Path(name).name} tuned for hashtags on {facts['data'].name}",
        library_name="transformers",
        tags=TAGS,
        base_model=start if is_hub_id(start) else None,
        base_model_relation="finetune" if is_hub_id(start) else None,
        **common_metadata(facts["data"], summary),
    )
    return render_card(
        TEMPLATE,
        card_data,
        **facts,
        model_name=card_data.model_name,
        language_model=base_words(name) if is_hub_id(name) else f"`{Path(name).name}`",
        licence=licence_of_model(name),
        base=base and base_words(base),
        # Frames stand in the prompt in their order.
        knows_order=True,
        reading=reading(facts["inputs"], facts["is_guided"], bool(facts["fused"])),
        prompt=PromptParts(**_CLIP).request(processor["instruction"].format(num_hashtags=processor["num_hashtags"])),
        limits={words: processor[limit] for limit, words in _LIMITS.items() if processor.get(limit)},
        parts=checkpoint_parts(trained, f"`{config['model_type']}`"),
        settings={
            "retriever": shown_settings(trained.retriever_record, RETRIEVER_SETTINGS, is_scratch=False),
            "generator": generator_settings(trained),
        },
    )


def language_model_name(trained: TrainedCheckpoint) -> str:
    """
    The language model that training started from: as it was named, else as the card of the checkpoint that was trained
    on has it, else that checkpoint itself.
    """
    if trained.model.get("language_model"):
        return trained.model["language_model"]
    base = trained.lora["base_checkpoint"]
    composition = Path(base, COMPOSITION_FILE)
    used = read_configuration(composition)["parts"] if composition.is_file() else {}
    return used.get("generator", base)


def licence_of_model(name: str) -> str:
    """A language model's licence in words, by its own card; `""` where that names none, or cannot be had."""
    if not Path(name).is_dir() and not is_hub_id(name):
        return ""
    try:
        return licence_of(local_folder(name, ["README.md"], f"the card of {name} cannot be read"))
    except CheckpointError:
        return ""
