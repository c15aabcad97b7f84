"""What the generator writes."""

from collections.abc import Sequence
from typing import Any

import torch

from ...generation.hashtag_scores import hashtag_scores, token_log_probs
from ...modeling.modeling_ggm import GGMForHashtagGeneration
from ...processing import GGMProcessor
from ..candidates import Candidate, CandidateSource, register_source
from ..clues import Clues


@register_source("generator")
class GeneratorSource(CandidateSource):
    """
    The hashtags that a [`GGMForHashtagGeneration`] writes, ones that nobody used before among them, scored by the
    exponential of the mean log-probability of their tokens. It costs a search by beams a batch.

    Args:
        model ([`GGMForHashtagGeneration`]): In evaluation mode from here on.
        processor ([`GGMProcessor`]): The model's.
        guidance ([`CandidateSource`], *optional*): Where its guidance comes from, for instance a [`FusedSource`].
        generate_kwargs: Arguments of `generate`; with `num_return_sequences` there are more hashtags.
    """

    def __init__(
        self,
        model: GGMForHashtagGeneration,
        processor: GGMProcessor,
        guidance: CandidateSource | None = None,
        **generate_kwargs: Any,
    ):
        self.model, self.processor, self.guidance = model.eval(), processor, guidance
        self.generate_kwargs = generate_kwargs

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        return self._write(rows, k, training=False)

    def training_candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        """With the guidance that rows of its training have; what it learned by heart from them it knows still."""
        return self._write(rows, k, training=True)

    def _write(self, rows: Sequence[Clues], k: int, training: bool) -> list[list[Candidate]]:
        usable = [row for row in rows if row.description or row.frames is not None]
        written = iter(self._write_batch(usable, k, training) if usable else [])
        return [next(written) if row.description or row.frames is not None else [] for row in rows]

    @torch.inference_mode()
    def _write_batch(self, rows: list[Clues], k: int, training: bool) -> list[list[Candidate]]:
        sound = {}
        if self.processor.feature_extractor is not None:
            sound = {"audio": [row.sound for row in rows], "sampling_rate": self.processor.sampling_rate}
        batch = self.processor(
            videos=[row.frames for row in rows],
            text=[row.description for row in rows],
            guidance=self._guidance_of(rows, training),
            do_sample_frames=False,
            **sound,
        ).to(self.model.device)
        sequences = self.model.generate(**batch, **self.generate_kwargs)
        encoded = self.model.get_encoder()(**{name: value for name, value in batch.items() if name != "labels"})
        repeats = len(sequences) // len(rows)
        read = (encoded.last_hidden_state, batch["attention_mask"], batch["input_ids"])
        states, mask, ids = (tensor.repeat_interleave(repeats, dim=0) for tensor in read)
        log_probs = token_log_probs(self.model, states, mask, sequences, ids)
        found = []
        for start in range(0, len(sequences), repeats):
            end = start + repeats
            scores = hashtag_scores(self.processor, sequences[start:end], log_probs[start:end])
            found.append([Candidate(hashtag, score) for hashtag, score in list(scores.items())[:k]])
        return found

    def _guidance_of(self, rows: list[Clues], training: bool) -> list[list[str]] | None:
        if self.guidance is None:
            return None
        propose = self.guidance.training_candidates if training else self.guidance.candidates
        return [[candidate.hashtag for candidate in row] for row in propose(rows, self.processor.num_guidance)]
