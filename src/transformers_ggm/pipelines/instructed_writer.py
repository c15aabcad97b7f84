"""What an instructed language model writes for the rows of a batch."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..generation.instructed_writing import instructed_hashtags
from ..retrieval import HashtagPool
from .writing import HashtagWriter

# What of a row's clues is told in the prompt.
_TOLD = ("transcript", "screen_text", "language")


class InstructedWriter(HashtagWriter):
    """
    An [`InstructedForHashtagGeneration`], asked once for each row, with the frames in the prompt where it sees. It
    scores a hashtag by the exponential of the mean log-probability of its own tokens, by the model itself.
    """

    @property
    def expected_texts(self) -> tuple[str, ...]:
        """None: a prompt tells what there is."""
        return ()

    @property
    def num_examples(self) -> int:
        return self.processor.num_examples

    def write(
        self,
        rows: Mapping[str, Sequence],
        guidance: Sequence[Sequence[str]],
        seen: dict[str, Any],
        decoding: Mapping[str, Any],
        pool: HashtagPool | None = None,
    ) -> dict[str, list]:
        """One answer for each row."""
        columns = {"text": rows["description"], "videos": rows["frames"], "guidance": guidance}
        if "examples" in rows:
            columns["examples"] = rows["examples"]
        if "clues" in rows:
            columns |= {name: [getattr(clues, name) for clues in rows["clues"]] for name in _TOLD}
        return {
            "written": instructed_hashtags(self.model, self.processor, columns, **self.generate_arguments(decoding))
        }
