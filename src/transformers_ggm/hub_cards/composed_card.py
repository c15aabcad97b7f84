"""The card of a checkpoint that was put together of parts, without training."""

from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from ..utils.checkpoint_layout import COMPOSITION_FILE, read_configuration
from ..utils.files import write_json, write_text
from ..utils.hub_commits import is_hub_id
from .rendering import render_card
from .results import METRICS, PIPELINE_TAG, percent

TEMPLATE = "composed_card_template.md"
TAGS = ["hashtag-generation", "video", "ggm", "retrieval-augmented-generation"]
# By part: what it is called, and what it does.
PARTS = {
    "retriever": ("retriever", "finds the hashtags that are nearest to the frames"),
    "text_encoder": ("text encoder", "finds the hashtags whose words are nearest to what is written and said"),
    "generator": ("generator", "writes hashtags, guided by those that were found"),
    "posts": ("posts", "propose the hashtags of posts with like words"),
    "hashtags": ("hashtags", "can be recommended"),
}
MODELS = ("retriever", "text_encoder", "generator")


def write_composed_card(folder: Path, composition: dict[str, Any]) -> None:
    """
    Writes what a checkpoint was composed of, as `composition.json` and as its card: how it answers, and what of it was
    trained and measured.

    Args:
        folder (`Path`): the checkpoint's.
        composition (`dict`): `parts`, by the names of `PARTS` a Hub id, or the name of a folder or file; `sources`,
            the names of the candidate sources; `num_hashtags`, how many can be recommended; `num_examples`, how many
            similar posts the generator is shown, so that the words of posts are stored; `retriever`, where it was
            trained on (`rows`); `ranker`, where one was fitted (`rows`, `calibration_error`); `test`, where it was
            measured (`metrics`, `test_videos`). `None` stands for none.
    """
    write_json(folder / COMPOSITION_FILE, composition)
    used = composition["parts"]
    bases = [used[name] for name in MODELS if name in used and is_hub_id(used[name])]
    test = composition.get("test")
    card = render_card(
        TEMPLATE,
        ModelCardData(library_name="transformers", tags=TAGS, pipeline_tag=PIPELINE_TAG, base_model=bases or None),
        parts=[{"name": PARTS[name][0], "source": given, "does": PARTS[name][1]} for name, given in used.items()],
        sources=composition["sources"],
        num_hashtags=composition["num_hashtags"],
        writes="generator" in used,
        num_examples=composition.get("num_examples", 0),
        retriever=composition.get("retriever"),
        ranker=composition.get("ranker"),
        metrics=test
        and [(METRICS[name][1], percent(value)) for name, value in test["metrics"].items() if name in METRICS],
        test=test,
    )
    write_text(folder / "README.md", f"{card}\n")


def note_in_card(folder: Path, **facts: Any) -> None:
    """Adds facts to the card of a composed checkpoint; that of another one stays as it is."""
    if (folder / COMPOSITION_FILE).is_file():
        write_composed_card(folder, {**read_configuration(folder / COMPOSITION_FILE), **facts})


def shown_parts(parts: dict[str, str | None]) -> dict[str, str]:
    """The parts that there are: of folders and files of this machine the last name alone."""
    return {
        name: given if is_hub_id(given) else Path(given).name for name, given in parts.items() if given is not None
    }
