"""What a GGM writes for the rows of a batch: clips encoded once, decoding, and how sure it is of each hashtag."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..generation.hashtag_scores import hashtag_scores, token_log_probs
from ..generation.search_selection import search_arguments
from ..generation.token_tree import ScoredSequences
from ..modeling import GGMEncoderOutput, HashtagRetriever
from ..retrieval import HashtagPool
from .generate_arguments import with_one_length
from .shared_vision import shares_vision
from .writing import HashtagWriter


class GGMWriter(HashtagWriter):
    """
    A [`GGMForHashtagGeneration`]. It scores a hashtag by the exponential of the mean log-probability of its own tokens
    in the best sequence, by the model itself, whatever the way of decoding; with `num_return_sequences` the hashtags
    of all sequences are merged. Beside `written` it tells of each row `sequences` (r, m) int64 and their `log_probs`
    (r, m) float32.
    """

    def __init__(self, model, processor, device, retriever=None, retriever_processor=None):
        super().__init__(model, processor, device)
        self._shares_vision = shares_vision(model, processor, retriever, retriever_processor)

    def see(self, rows: Mapping[str, Sequence]) -> dict[str, torch.Tensor]:
        """The tensors of frames and sounds; empty where no row has frames, since the model hears through what it
        sees."""
        if all(video is None for video in rows["frames"]):
            return {}
        given = {"videos": rows["frames"], "input_features": rows["input_features"]}
        batch = self.processor(**given, allow_empty=True, do_resize=False, do_center_crop=False)
        texts = ("input_ids", "attention_mask")
        return {name: tensor.to(self.device) for name, tensor in batch.items() if name not in texts}

    def video_embeds(self, seen: dict[str, torch.Tensor], retriever: HashtagRetriever | None) -> torch.Tensor | None:
        """Where the retriever sees for the model too, the frames become what it saw."""
        if not self._shares_vision or "pixel_values_videos" not in seen:
            return None
        features = retriever.get_video_features(seen.pop("pixel_values_videos"), seen["frame_mask"])
        seen["video_states"] = features.last_hidden_state
        return features.pooler_output

    def write(
        self,
        rows: Mapping[str, Sequence],
        guidance: Sequence[Sequence[str]],
        seen: dict[str, torch.Tensor],
        decoding: Mapping[str, Any],
        pool: HashtagPool | None = None,
    ) -> dict[str, list]:
        """One pass of the encoders, decoding, and the probabilities of what was written."""
        words = {"text": rows["description"], **self.further_texts(rows)}
        texts = self.processor(**words, guidance=guidance, allow_empty=True)
        inputs = {**texts.to(self.device), **seen}
        encoded = self.model.get_encoder()(**inputs, return_dict=True)
        states, mask, ids = encoded.last_hidden_state, encoded.attention_mask, inputs["input_ids"]
        decoding = self.generate_arguments(decoding)
        likely = None if pool is None else pool.likely
        search = search_arguments(self.model, self.processor.tokenizer, guidance, decoding, likely)
        written = self.model.generate(
            input_ids=ids,
            attention_mask=inputs["attention_mask"],
            # A new object, since `generate` repeats the states in it for every beam.
            encoder_outputs=GGMEncoderOutput(states, attention_mask=mask, source_ids=ids),
            **search | with_one_length(decoding),
        )
        sequences = written if torch.is_tensor(written) else written.sequences
        repeats = len(sequences) // len(guidance)
        if isinstance(written, ScoredSequences):
            log_probs = written.log_probs
        else:
            mask = inputs["attention_mask"] if mask is None else mask
            states, mask, ids = (tensor.repeat_interleave(repeats, dim=0) for tensor in (states, mask, ids))
            log_probs = token_log_probs(self.model, states, mask, sequences, ids)
        of_rows = list(zip(sequences.split(repeats), log_probs.split(repeats)))
        return {
            "sequences": [ids for ids, _ in of_rows],
            "log_probs": [log_probs for _, log_probs in of_rows],
            "written": [hashtag_scores(self.processor, *of_row) for of_row in of_rows],
        }
