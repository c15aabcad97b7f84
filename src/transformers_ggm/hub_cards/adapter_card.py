"""The card of an adapter, filled with what its training left behind and nothing else."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard, ModelCardData
from safetensors import safe_open
from transformers.utils.peft_utils import ADAPTER_CONFIG_NAME, ADAPTER_SAFE_WEIGHTS_NAME

from ..checkpoint_layout import read_configuration
from ..files import write_text
from ..hub_names import is_hub_id
from .model_card import TAGS, common_facts, common_metadata
from .rendering import render_card
from .training_facts import GENERATOR_SETTINGS, shown_settings

if TYPE_CHECKING:
    from ..training.run import Run

TEMPLATE = "adapter_card_template.md"
# Names of backbones tell something only where the base was put together from them.
BACKBONE_SETTINGS = (
    "vision", "text", "audio", "vision_from_retriever", "frame_position_embedding", "patch_pooling", "fusion",
)  # fmt: skip


def write_adapter_card(run: "Run", summary: dict[str, Any]) -> None:
    """
    Writes `README.md` into the checkpoint of a run that trained an adapter, whole or not at all.

    Args:
        run ([`~transformers_ggm.training.Run`]): a training whose stages up to `generator` are finished.
        summary (`dict`): see [`~transformers_ggm.hub_cards.write_model_card`].
    """
    write_text(run.checkpoint_dir / "README.md", f"{make_adapter_card(run, summary)}\n")


def make_adapter_card(run: "Run", summary: dict[str, Any]) -> ModelCard:
    """The card that [`write_adapter_card`] writes."""
    record = run.read_record(run.generator_run_dir)
    model, lora = (asdict(run.model), asdict(run.lora)) if record is None else (record["model"], record["lora"])
    adapter = read_configuration(run.checkpoint_dir / ADAPTER_CONFIG_NAME)
    base = adapter["base_model_name_or_path"]
    base_id = base if is_hub_id(base) else None
    facts = common_facts(run, summary, model, has_sound=model["audio"] is not None)
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
        adapter=adapter_rows(run.checkpoint_dir, adapter),
        settings={"adapter": generator_settings(record, lora)},
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
        "updated layers": _code(adapter["target_modules"]),
    }
    if adapter["modules_to_save"]:
        rows["layers held in full"] = ", ".join(_code(name) for name in adapter["modules_to_save"])
    return rows


def _code(text: str) -> str:
    # A bar would end the cell of the table.
    return "`" + text.replace("|", "\\|") + "`"


def generator_settings(record: dict[str, Any] | None, lora: dict[str, Any]) -> dict[str, str]:
    """How the adapter was trained; the backbones are named only where its base was put together from them."""
    is_trained = lora["base_checkpoint"] is not None or lora["lora_adapter"] is not None
    hidden = BACKBONE_SETTINGS if is_trained else ()
    names = {group: [name for name in listed if name not in hidden] for group, listed in GENERATOR_SETTINGS.items()}
    return shown_settings(record, names, is_scratch=False)
