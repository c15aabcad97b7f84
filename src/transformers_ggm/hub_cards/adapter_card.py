"""The card of an adapter, filled with what its training left behind and nothing else."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard, ModelCardData
from safetensors import safe_open

from ..data.collator import INPUTS
from ..files import write_text
from .data_card import data_facts
from .model_card import (
    FIGURES,
    GENERATOR_SETTINGS,
    PIPELINE_TAG,
    TAGS,
    eval_results,
    example_item,
    figure_rows,
    is_hub_id,
    pool_facts,
    shown_settings,
)

if TYPE_CHECKING:
    from ..training.run import Run

TEMPLATE = Path(__file__).with_name("adapter_card_template.md")
# Names of backbones tell something only where the base was put together from them.
BACKBONE_SETTINGS = ("vision", "text", "audio", "vision_from_retriever", "frame_position_embedding", "fusion")


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
    data = data_facts(run)
    record = run.read_record(run.generator_run_dir)
    model, lora = (asdict(run.model), asdict(run.lora)) if record is None else (record["model"], record["lora"])
    adapter = json.loads((run.checkpoint_dir / "adapter_config.json").read_text(encoding="utf-8"))
    base = adapter["base_model_name_or_path"]
    is_guided = model["num_guidance"] > 0
    inputs = [name for name in model.get("inputs", INPUTS) if name != "audio" or model["audio"] is not None]
    card_data = ModelCardData(
        model_name=f"GGM adapter trained on {data.name}",
        license="apache-2.0",
        library_name="peft",
        pipeline_tag=PIPELINE_TAG,
        tags=[*TAGS, "lora", "peft"],
        base_model=base if is_hub_id(base) else None,
        metrics=list(dict.fromkeys(metric for metric, _ in FIGURES.values())),
        eval_results=eval_results(data, summary["best_checkpoint"]),
    )
    return ModelCard.from_template(
        card_data,
        template_path=str(TEMPLATE),
        model_name=card_data.model_name,
        data=data,
        base=base if is_hub_id(base) else None,
        base_folder=Path(base).name,
        model_id=run.training.hub_model_id or ".",
        example_item=example_item(inputs, is_guided),
        adapter=adapter_rows(run.checkpoint_dir, adapter),
        settings=generator_settings(record, lora),
        versions=None if record is None else record["versions"],
        pool=pool_facts(run.pool_dir) if run.pool_dir.is_dir() else None,
        figures=figure_rows(summary),
    )


def adapter_rows(folder: Path, adapter: dict[str, Any]) -> dict[str, str]:
    """What an adapter consists of, by its configuration and weights."""
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as weights:
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
