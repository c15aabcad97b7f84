"""What an instructed language model writes for the rows of a batch."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..generation.instructed_writing import instructed_hashtags
from ..generation.stopping_criteria import HashtagLimit
from .generate_arguments import check_top_k
from .writing import HashtagWriter

# What of a row's clues is told in the prompt.
_TOLD = ("transcript", "screen_text", "language")


class InstructedWriter(HashtagWriter):
    """
    An [`InstructedForHashtagGeneration`], asked once for each row, with the frames in the prompt where it sees. It
    scores a hashtag by the exponential of the mean log-probability of its own tokens, by the model itself.
    """

    def check(self, decoding: Mapping[str, Any]) -> None:
        check_top_k(decoding, self.model.generation_config)

    @property
    def read_texts(self) -> tuple[str, ...]:
        return self.processor.read_texts

    @property
    def expected_texts(self) -> tuple[str, ...]:
        """None: a prompt tells what there is."""
        return ()

    def fitting(self, description: str, guidance: Sequence[str], **further_texts: str) -> list[str]:
        """Those that were not left out for want of room."""
        return self.processor.fitting_guidance(description, list(guidance), **further_texts)

    def write(
        self,
        rows: Mapping[str, Sequence],
        guidance: Sequence[Sequence[str]],
        seen: dict[str, Any],
        decoding: Mapping[str, Any],
    ) -> dict[str, list]:
        """One answer for each row."""
        columns = {"text": rows["description"], "videos": rows["frames"], "guidance": guidance}
        if "clues" in rows:
            columns |= {name: [getattr(clues, name) for clues in rows["clues"]] for name in _TOLD}
        decoding = dict(decoding)
        max_hashtags = decoding.pop("max_hashtags", None)
        if max_hashtags is not None:
            limit = HashtagLimit(self.processor.tokenizer, max_hashtags)
            decoding["stopping_criteria"] = [*(decoding.get("stopping_criteria") or ()), limit]
        return {"written": instructed_hashtags(self.model, self.processor, columns, **decoding)}
