"""How a GGM decodes: the published settings, the decoder's inputs, and what `generate` prepares for the encoder."""

import torch
from transformers import DynamicCache, EncoderDecoderCache, GenerationMixin

from .decoder_inputs import decoder_inputs_of
from .forward_arguments import CACHE_NAME


class GGMGenerationMixin(GenerationMixin):
    """`GenerationMixin` for a model whose encoder reads videos and sounds, and whose decoder may be T5Gemma's."""

    def use_published_decoding(self, max_length: int = 32) -> None:
        """
        Sets `generation_config` to the paper's decoding: 5 beams, no repeated trigram, at most `max_length` tokens.

        Args:
            max_length (`int`, *optional*, defaults to 32): tokens of the longest output (the paper: 32 or 64).
        """
        self.generation_config.update(
            num_beams=5, no_repeat_ngram_size=3, max_length=max_length, early_stopping=False, length_penalty=1.0
        )

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """
        `labels` shifted right behind the decoder's start token; -100 becomes padding. mBART starts with the last token
        of the target, its language code, instead.

        Args:
            labels (`torch.LongTensor` of shape `(batch, target_length)`): target tokens, -100 on padding.
        """
        return decoder_inputs_of(labels, self.config)

    def _expand_inputs_for_generation(self, *args, **model_kwargs):
        # The encoder has run, once per video: its inputs must not be copied once more for every beam.
        sounds = ("input_features", "audio_mask", "input_features_mask")
        for name in ("pixel_values_videos", "video_states", "frame_mask", *sounds):
            model_kwargs.pop(name, None)
        return super()._expand_inputs_for_generation(*args, **model_kwargs)

    def _prepare_cache_for_generation(self, generation_config, model_kwargs, *args, **kwargs):
        super()._prepare_cache_for_generation(generation_config, model_kwargs, *args, **kwargs)
        cache = model_kwargs.get(CACHE_NAME)
        if isinstance(cache, EncoderDecoderCache) and not any(cache.is_updated.values()):
            # A decoder with a sliding window (T5Gemma) looks at all of the encoder's states all the same.
            cache.cross_attention_cache = DynamicCache()


__all__ = ["GGMGenerationMixin"]
