"""The card of a prepared set, filled with what its preparation found and nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from ..utils.files import write_text
from .data_card import SHARED_METADATA, card_name, card_summary, read_card

TEMPLATE = Path(__file__).with_name("dataset_card_template.md")
TAGS = ["video", "audio", "hashtag-generation"]
PICTURES = {
    "hashtag_frequency.png": "How often each hashtag occurs, by rank",
    "words_per_hashtag.png": "How many words hashtags have",
}


def write_dataset_card(
    folder: str | Path,
    record: Mapping[str, Any],
    statistics: str,
    near_duplicates: str = "",
    source: str | Path | None = None,
    name: str | None = None,
) -> None:
    """
    Writes `README.md` into a prepared set, whole or not at all.

    Args:
        folder (`str` or `Path`): the prepared set.
        record (`Mapping`): the contents of its `prepared.json`.
        statistics (`str`): a Markdown table.
        near_duplicates (`str`, *optional*): a paragraph about near-duplicates.
        source (`str` or `Path`, *optional*): a folder whose own `README.md`, if it has one, gives title, summary,
            licence, language and tags.
        name (`str`, *optional*, defaults to the folder's name): the set's name where the source has no card.
    """
    card = read_card(source) if source is not None else None
    metadata = {} if card is None else card.data.to_dict()
    title = name or Path(folder).resolve().name
    title = title if card is None else card_name(card, title)
    card_data = DatasetCardData(
        **{key: metadata[key] for key in SHARED_METADATA if key in metadata},
        pretty_name=title,
        tags=list(dict.fromkeys([*TAGS, *(metadata.get("tags") or [])])),
        configs=[{"config_name": "default", "data_files": _data_files(record["splits"])}],
    )
    content = DatasetCard.from_template(
        card_data,
        str(TEMPLATE),
        pretty_name=title,
        summary="" if card is None else card_summary(card),
        folder=Path(folder).name,
        repo_id="path-or-hub-id",
        first_split=next(iter(record["splits"])),
        pictures={picture: text for picture, text in PICTURES.items() if Path(folder, picture).is_file()},
        statistics=statistics.strip(),
        near_duplicates=near_duplicates.strip(),
        frames_text=_frames_text(record["clip"]),
        audio_text=_audio_text(record["clip"]),
        **{key: record[key] for key in ("splits", "read", "rejected", "dropped", "corpus", "further_columns")},
        unseen_hashtags=len(record["unseen_hashtags"]),
        dropped_hashtags=record["dropped_hashtags"] if record["dropped_hashtags"]["count"] else None,
    )
    write_text(Path(folder, "README.md"), str(content).rstrip() + "\n")


def _data_files(splits: Mapping[str, Any]) -> list[dict[str, str]]:
    # With the stamp of the content, without which `datasets` would give the rows that it has kept of another set here.
    return [{"split": name, "path": f"data/{name}-*-{split['stamp']}.parquet"} for name, split in splits.items()]


def _frames_text(clip: Mapping[str, Any]) -> str:
    rule = (
        f"{clip['frames_per_second']:g} a second of clips shorter than {clip['long_video_seconds']:g} s, else "
        f"{clip['num_frames']} spread evenly"
    )
    if clip["lossless"]:
        return f"{rule}; PNG, of the clip's own size"
    return f"{rule}; JPEG of quality {clip['jpeg_quality']}, shorter side at most {clip['short_side']} pixels"


def _audio_text(clip: Mapping[str, Any]) -> str:
    kind = "WAV with 32-bit floats" if clip["lossless"] else "FLAC"
    return f"mono, {clip['sampling_rate']} Hz, the first {clip['max_audio_seconds']:g} s at most; {kind}"
