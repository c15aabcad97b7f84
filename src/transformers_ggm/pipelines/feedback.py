"""What people made of suggestions, as rows that a ranker can be fitted on."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import HashtagError, InputError
from ..processing.hashtags import is_valid_hashtag, normalize_hashtag
from ..recommendation import Clues
from ..utils.files import check_output_file
from .inputs import read_fields


def feedback_row(item: Any, accepted: Sequence[str], rejected: Sequence[str] | None, **clues: Any) -> dict[str, Any]:
    """
    A row of data: what was known of an item, and what became of its suggestions.

    Args:
        item, **clues: As in a call of the pipeline.
        accepted (`Sequence[str]`), rejected (`Sequence[str]`, *optional*): Hashtags with or without `#`.

    Returns:
        `dict`: as [`HashtagGenerationPipeline.feedback`] tells it.

    Raises:
        InputError: The item tells nothing that can be stored, nothing was accepted or rejected, or both at once.
        HashtagError: One is no hashtag.
    """
    hashtags = _normalized(accepted, "accepted")
    refused = None if rejected is None else _normalized(rejected, "rejected")
    both = [tag for tag in hashtags if tag in (refused or ())]
    if both or not (hashtags or refused):
        what = f"{both[0]!r} was accepted and rejected" if both else "nothing was accepted or rejected"
        raise InputError(f"{what}: say of each hashtag which of the two it was.")
    fields = read_fields(item, clues.pop("description", ""), clues)
    known = fields.clues or Clues()
    row: dict[str, Any] = {"description": known.description}
    for name in ("transcript", "screen_text", "language", "country"):
        row[name] = getattr(known, name)
    row["time"] = None if known.time is None else known.time.isoformat()
    row["history"] = [
        {"hashtags": list(post.hashtags), "time": None if post.time is None else post.time.isoformat()}
        for post in known.history
    ]
    if isinstance(fields.video, (str, os.PathLike)):
        path = os.fspath(fields.video)
        row["video"] = path if "://" in path else os.path.abspath(path)
    if "video" not in row and not known.text and not known.history:
        raise InputError("the item has neither words nor a history nor the path of a clip: nothing of it can be kept.")
    return {**row, "hashtags": hashtags, "rejected": refused}


def append_row(row: Mapping[str, Any], file: str | os.PathLike) -> None:
    """
    Adds a row to a file of JSON lines.

    Raises:
        OutputError: It cannot be written.
    """
    with check_output_file(file, "file").open("a", encoding="utf-8") as lines:
        # In one piece, so that lines of several processes do not mix.
        lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def _normalized(hashtags: Sequence[str], name: str) -> list[str]:
    given = [hashtags] if isinstance(hashtags, str) else list(hashtags)
    bad = [hashtag for hashtag in given if not is_valid_hashtag(hashtag)]
    if bad:
        raise HashtagError(f"{name} has {bad[0]!r}, which is no hashtag.")
    return list(dict.fromkeys(map(normalize_hashtag, given)))
