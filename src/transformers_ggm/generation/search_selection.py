"""Which of the package's own searches does what `generate` would do, in less time."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..processing.token_ids import target_token_ids, token_ids, token_ids_of_all
from .speculative_decoding import HashtagDrafts, drafted_greedy_search
from .token_tree import DECODERS, is_of_one_row
from .tree_beam_search import tree_beam_search

# Settings of `GenerationConfig` under which the package's own searches write what `generate` writes. Any other one,
# and processors and criteria of a caller that do not say `is_of_one_row`, are for transformers' searches: ours hand on
# rows one by one, or those that are not finished, so that what reads other rows, or counts them, would see the wrong
# ones.
_KNOWN_SETTINGS = frozenset({
    "num_beams", "num_return_sequences", "early_stopping", "length_penalty", "max_length", "max_new_tokens",
    "min_length", "min_new_tokens", "no_repeat_ngram_size", "repetition_penalty", "bad_words_ids", "suppress_tokens",
    "begin_suppress_tokens", "bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id",
    "forced_bos_token_id", "forced_eos_token_id", "use_cache", "transformers_version",
})  # fmt: skip
# Settings of a checkpoint that do nothing without sampling or an assistant. A call that names one means it.
_IDLE_SETTINGS = frozenset({
    "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff",
    "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold", "assistant_lookbehind",
    "target_lookbehind", "max_matching_ngram_size",
})  # fmt: skip
# Values that do nothing, beside 0 and none.
_NEUTRAL = {"num_beam_groups": 1, "encoder_repetition_penalty": 1, "guidance_scale": 1}


def search_arguments(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    guidance: Sequence[Sequence[str]],
    decoding: Mapping[str, Any],
    likely: Callable[[str], str | None] | None = None,
) -> dict[str, Any]:
    """
    Arguments of `generate` by which greedy search takes whole hashtags at a time, and beams share what they have in
    common. Both write what they would write otherwise, and return [`ScoredSequences`].

    Args:
        model ([`GGMForHashtagGeneration`]): Its `generation_config` counts where `decoding` says nothing.
        tokenizer (`PreTrainedTokenizerBase`): Of what is written.
        guidance (`list[list[str]]`): Retrieved hashtags of each row, nearest first, possibly none.
        decoding (`dict`): The other arguments of `generate`.
        likely (`Callable[[str], str | None]`, *optional*): Gives for the beginning of a hashtag that was not
            retrieved a known one that begins so, or `None`.

    Returns:
        `dict`: Empty where something else than these two is asked for, and for decoders that a [`TokenTree`] cannot
        run.
    """
    if model.config.text_config.model_type not in DECODERS:
        return {}
    decoding = dict(decoding)
    brought = [*(decoding.pop("stopping_criteria", None) or ()), *(decoding.pop("logits_processor", None) or ())]
    of_model = model.generation_config.to_dict()
    asked = (_asked(of_model) - _IDLE_SETTINGS) | _asked(decoding)
    settings = {**of_model, **decoding}
    if not asked <= _KNOWN_SETTINGS or not all(map(is_of_one_row, brought)):
        return {}
    if settings.get("num_beams") not in (None, 1):
        return {"custom_generate": tree_beam_search, "return_dict_in_generate": True}
    if settings.get("num_return_sequences") not in (None, 1):
        return {}
    drafts = [hashtag_drafts(tokenizer, of_row, likely) for of_row in guidance]
    return {"custom_generate": drafted_greedy_search, "drafts": drafts, "return_dict_in_generate": True}


def _asked(settings: Mapping[str, Any]) -> set[str]:
    # What begins with an underscore tells where the settings came from: `_from_model_config` stands in checkpoints.
    return {
        name for name, value in settings.items() if value and value != _NEUTRAL.get(name) and not name.startswith("_")
    }


def hashtag_drafts(
    tokenizer: PreTrainedTokenizerBase,
    hashtags: Sequence[str],
    likely: Callable[[str], str | None] | None = None,
) -> HashtagDrafts:
    """The drafts that retrieved hashtags give.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Of what is written.
        hashtags (`list[str]`): Normalised, nearest first.
        likely (`Callable`, *optional*): See [`search_arguments`].
    """
    if not hashtags:
        return HashtagDrafts()
    behind = token_ids_of_all(tokenizer, [f" #{tag}" for tag in hashtags], add_special_tokens=False)
    special = set(tokenizer.all_special_ids)
    target = target_token_ids(tokenizer, f"#{hashtags[0]}")
    opening = list(itertools.takewhile(special.__contains__, target))
    first = list(itertools.takewhile(lambda token: token not in special, target[len(opening) :]))
    if likely is None:
        return HashtagDrafts(behind, first, opening)
    return HashtagDrafts(behind, first, opening, partial(_completed, tokenizer, likely))


def _completed(tokenizer: PreTrainedTokenizerBase, likely: Callable[[str], str | None], begun: list[int]) -> list[int]:
    known = likely(tokenizer.decode(begun).strip())
    return [] if known is None else token_ids(tokenizer, f" #{known}", add_special_tokens=False)[1:]
