"""
What systems answered for the same rows, in a JSON file: `recommend.py`, `recommend_rendered_shorts.py` and
`text_baselines.py` write it with `--answers`, and `evidence.py` reads it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, file: str | Path) -> "MeasuredAnswers":
        return cls(**json.loads(Path(file).read_text(encoding="utf-8")))
