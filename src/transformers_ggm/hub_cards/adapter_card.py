"""The card of an adapter, filled with what its training left behind and nothing else."""

import math
import re
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from safetensors import safe_open
from transformers.utils.peft_utils import ADAPTER_CONFIG_NAME, ADAPTER_SAFE_WEIGHTS_NAME

from ..utils.checkpoint_layout import read_configuration
from ..utils.files import write_text
from ..utils.hub_commits import is_hub_id
from .model_card import TAGS, common_facts, common_metadata
from .rendering import render_card
from .trained_checkpoint import TrainedCheckpoint
from .training_facts import generator_settings

TEMPLATE = "adapter_card_template.md"
_BLOCK = re.compile(r"\.\d+\.")


def write_adapter_card(trained: TrainedCheckpoint, summary: dict[str, Any]) -> None:
    """
    Writes `README.md` into the checkpoint of an adapter, whole or not at all.

    Args:
        trained ([`TrainedCheckpoint`]): the adapter, and what its training left behind.
        summary (`dict`): see [`~transformers_ggm.hub_cards.write_model_card`].
    """
    write_text(trained.folder / "README.md", f"{make_adapter_card(trained, summary)}\n")


def make_adapter_card(trained: TrainedCheckpoint, summary: dict[str, Any]) -> ModelCard:
    """The card that [`write_adapter_card`] writes."""
    adapter = read_configuration(trained.folder / ADAPTER_CONFIG_NAME)
    base = adapter["base_model_name_or_path"]
    base_id = base if is_hub_id(base) else None
    facts = common_facts(trained, summary, has_sound=trained.model["audio"] is not None)
    card_data = ModelCardData(
        model_name=f"GGM adapter trained on {facts['data'].name}",
        library_name="peft",
        tags=[*TAGS, "lora", "peft"],
        base_model=base_id,
        base_model_relation=None if base_id is None else "adapter",
        **common_metadata(facts["data"], summary),
    )
    return render_card(
        TEMPLATE,
        card_data,
        **facts,
        model_name=card_data.model_name,
        base=base_id,
        base_folder=Path(base).name,
        # Of a base, which alone has the embedding, nothing is said here.
        knows_order=True,
        is_instructed=trained.is_instructed,
        adapter=adapter_rows(trained.folder, adapter),
        settings={"adapter": generator_settings(trained)},
    )


def adapter_rows(folder: Path, adapter: dict[str, Any]) -> dict[str, str]:
    """What an adapter consists of, by its configuration and weights."""
    with safe_open(folder / ADAPTER_SAFE_WEIGHTS_NAME, framework="pt") as weights:
        parameters = sum(math.prod(weights.get_slice(name).get_shape()) for name in sorted(weights.keys()))
    rows = {
        "parameters": f"{parameters:,}",
        "rank": str(adapter["r"]),
        "alpha": str(adapter["lora_alpha"]),
        "dropout": str(adapter["lora_dropout"]),
        "updated layers": _layers(adapter["target_modules"]),
    }
    if adapter["modules_to_save"]:
        rows["layers held in full"] = ", ".join(_code(name) for name in adapter["modules_to_save"])
    return rows


def _layers(targets: str | list[str]) -> str:
    """A regular expression of whole names, or names, those of all blocks as one."""
    return (
        _code(targets)
        if isinstance(targets, str)
        else ", ".join(map(_code, sorted({_BLOCK.sub(".*.", name) for name in targets})))
    )


def _code(text: str) -> str:
    # A bar would end the cell of the table.
    return "`" + text.replace("|", "\\|") + "`"
