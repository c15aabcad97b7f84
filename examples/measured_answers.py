"""
What systems answered for the same rows, in a JSON file: `recommend.py`, `recommend_rendered_shorts.py` and
`text_baselines.py` write it with `--answers`, and `evidence.py` reads it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers_ggm.utils.files import check_output_file, write_json

WHOLE = "all sources"


@dataclass
class MeasuredAnswers:
    """
    `hashtags` are the true ones of each row, `known` all that the systems learned of; `answers` has the hashtags that
    each system showed for each row, `milliseconds` what a row took, in time of the processor.
    """

    hashtags: Sequence[Sequence[str]]
    known: Sequence[str]
    answers: dict[str, list[list[str]]]
    milliseconds: dict[str, float]

    def save(self, file: str | Path) -> None:
        write_json(check_output_file(file, "--answers"), asdict(self))

    @classmethod
    def load(cls, file: str | Path) -> "MeasuredAnswers":
        return cls(**json.loads(Path(file).read_text(encoding="utf-8")))


def ranked(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """The hashtags of rows of candidates."""
    return [[candidate.hashtag for candidate in row] for row in rows]
