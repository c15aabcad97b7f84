"""What the generator writes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ...generation.hashtag_scores import hashtag_scores, token_log_probs
from ...generation.instructed_writing import answered_hashtags, instructed_hashtags
from ...modeling import GGMForHashtagGeneration, InstructedForHashtagGeneration
from ...processing import GGMProcessor, InstructedProcessor
from ..candidates import GENERATOR, Candidate, CandidateSource, register_source
from ..checkpoint_parts import CheckpointParts
from ..clues import Clues
from .example_posts import example_posts
from .posts import PostsSource

# What of a row's clues a language model is told, by the argument of its processor.
_PROMPTED = {
    "text": "description",
    "transcript": "transcript",
    "screen_text": "screen_text",
    "language": "language",
    "videos": "frames",
}


@register_source(GENERATOR)
class GeneratorSource(CandidateSource):
    """
    The hashtags that a [`GGMForHashtagGeneration`] or an [`InstructedForHashtagGeneration`] writes, ones that nobody
    used before among them, scored by the exponential of the mean log-probability of their tokens. It costs a search by
    beams a batch, or an answer for each row.

    Args:
        model ([`GGMForHashtagGeneration`] or [`InstructedForHashtagGeneration`]): In evaluation mode from here on.
        processor ([`GGMProcessor`] or [`InstructedProcessor`]): The model's.
        guidance ([`CandidateSource`], *optional*): Where its guidance comes from, for instance a [`FusedSource`].
        examples ([`PostsSource`], *optional*): Of posts with their words, which a language model is shown as its
            processor says (`num_examples`).
        generate_kwargs: Arguments of `generate`; with `num_return_sequences` there are more hashtags.
    """

    def __init__(
        self,
        model: GGMForHashtagGeneration | InstructedForHashtagGeneration,
        processor: GGMProcessor | InstructedProcessor,
        guidance: CandidateSource | None = None,
        examples: PostsSource | None = None,
        **generate_kwargs: Any,
    ):
        self.model, self.processor, self.guidance, self.examples = model.eval(), processor, guidance, examples
        self.generate_kwargs = generate_kwargs

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        return self._write(rows, k, training=False)

    def training_candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        """With the guidance that rows of its training have; what it learned by heart from them it knows still."""
        return self._write(rows, k, training=True)

    def _write(self, rows: Sequence[Clues], k: int, training: bool) -> list[list[Candidate]]:
        usable = [row for row in rows if self._is_usable(row)]
        written = iter(self._write_batch(usable, k, training) if usable else [])
        return [next(written) if self._is_usable(row) else [] for row in rows]

    def _is_usable(self, row: Clues) -> bool:
        return row.frames is not None or any(getattr(row, name) for name in self.processor.read_texts)

    def _write_batch(self, rows: list[Clues], k: int, training: bool) -> list[list[Candidate]]:
        if isinstance(self.model, InstructedForHashtagGeneration):
            columns = {name: [getattr(row, field) for row in rows] for name, field in _PROMPTED.items()}
            if self.guidance is not None:
                columns["guidance"] = self._guidance_of(rows, training)
            columns["examples"] = example_posts(self.examples, rows, self.processor.num_examples, training)
            return _best(instructed_hashtags(self.model, self.processor, columns, **self.generate_kwargs), k)
        sound = {}
        if self.processor.feature_extractor is not None:
            sound = {"audio": [row.sound for row in rows], "sampling_rate": self.processor.sampling_rate}
        batch = self.processor(
            videos=[row.frames for row in rows],
            text=[row.description for row in rows],
            transcript=[row.transcript for row in rows],
            screen_text=[row.screen_text for row in rows],
            guidance=self._guidance_of(rows, training),
            do_sample_frames=False,
            **sound,
        ).to(self.model.device)
        return written_candidates(self.model, self.processor, batch, k, **self.generate_kwargs)

    def settings(self) -> dict[str, Any]:
        return dict(self.generate_kwargs)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], parts: CheckpointParts) -> "GeneratorSource":
        """The checkpoint's own model, guided as it says."""
        return cls(parts.model, parts.processor, parts.guidance, parts.examples, **settings)

    def _guidance_of(self, rows: list[Clues], training: bool) -> list[list[str]] | None:
        if self.guidance is None:
            return None
        propose = self.guidance.training_candidates if training else self.guidance.candidates
        return [[candidate.hashtag for candidate in row] for row in propose(rows, self.processor.num_guidance)]


@torch.inference_mode()
def written_candidates(
    model: GGMForHashtagGeneration | InstructedForHashtagGeneration,
    processor: GGMProcessor | InstructedProcessor,
    batch: Mapping[str, torch.Tensor],
    k: int,
    **generate_kwargs: Any,
) -> list[list[Candidate]]:
    """
    What the generator writes for inputs that are made already.

    Args:
        model ([`GGMForHashtagGeneration`] or [`InstructedForHashtagGeneration`]): In evaluation mode.
        processor ([`GGMProcessor`] or [`InstructedProcessor`]): The model's.
        batch (`dict[str, torch.Tensor]`): Of the processor or a collator, on the model's device; without `labels`.
        k (`int`): How many hashtags of a row at most.
        generate_kwargs: Arguments of `generate`.

    Returns:
        `list[list[Candidate]]`: For each row its hashtags, the surest first.
    """
    if isinstance(model, InstructedForHashtagGeneration):
        return _best(answered_hashtags(model, processor, batch, **generate_kwargs), k)
    sequences = model.generate(**batch, **generate_kwargs)
    encoded = model.get_encoder()(**batch)
    repeats = len(sequences) // len(batch["attention_mask"])
    read = (encoded.last_hidden_state, batch["attention_mask"], batch["input_ids"])
    states, mask, ids = (tensor.repeat_interleave(repeats, dim=0) for tensor in read)
    log_probs = token_log_probs(model, states, mask, sequences, ids)
    of_rows = zip(sequences.split(repeats), log_probs.split(repeats))
    return _best([hashtag_scores(processor, *of_row) for of_row in of_rows], k)


def _best(written: Sequence[Mapping[str, float]], k: int) -> list[list[Candidate]]:
    return [[Candidate(hashtag, score) for hashtag, score in list(scores.items())[:k]] for scores in written]
