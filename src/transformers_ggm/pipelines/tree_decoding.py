"""Which of the package's own searches does what `generate` would do, in less time."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..modeling.drafted_decoding import HashtagDrafts, drafted_greedy_search
from ..modeling.tree_beam_search import tree_beam_search
from ..processing.token_ids import target_token_ids, token_ids_of_all

# Decoding arguments that change nothing but which tokens are written.
_ONLY_WHAT_IS_WRITTEN = frozenset({
    "num_beams", "num_return_sequences", "do_sample", "early_stopping", "length_penalty", "max_length", "max_new_tokens",
    "min_length", "min_new_tokens", "no_repeat_ngram_size", "repetition_penalty", "bad_words_ids", "suppress_tokens",
    "logits_processor", "stopping_criteria",
})  # fmt: skip
# What asks for another search than the plain ones where it is in the model's generation configuration.
_OTHER_SEARCHES = (
    "num_beam_groups", "penalty_alpha", "dola_layers", "constraints", "force_words_ids", "prompt_lookup_num_tokens",
    "cache_implementation",
)  # fmt: skip


def search_arguments(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    guidance: Sequence[Sequence[str]],
    decoding: Mapping[str, Any],
) -> dict[str, Any]:
    """Arguments of `generate` by which greedy search takes whole hashtags of the guidance at a time, and beams share
    what they have in common. Both write what they would write otherwise, and return [`ScoredSequences`].

    Args:
        model ([`GGMForHashtagGeneration`]): Its `generation_config` counts where `decoding` says nothing.
        tokenizer (`PreTrainedTokenizerBase`): Of what is written.
        guidance (`list[list[str]]`): Retrieved hashtags of each row, nearest first, possibly none.
        decoding (`dict`): The other arguments of `generate`.

    Returns:
        `dict`: Empty where something else than these two is asked for.
    """
    settings = {**model.generation_config.to_dict(), **decoding}
    is_other = settings.get("do_sample") or not _ONLY_WHAT_IS_WRITTEN.issuperset(decoding)
    if is_other or any(settings.get(name) not in (None, 1) for name in _OTHER_SEARCHES):
        return {}
    if settings.get("num_beams") not in (None, 1):
        return {"custom_generate": tree_beam_search, "return_dict_in_generate": True}
    if settings.get("num_return_sequences") not in (None, 1):
        return {}
    drafts = [hashtag_drafts(tokenizer, of_row) for of_row in guidance]
    return {"custom_generate": drafted_greedy_search, "drafts": drafts, "return_dict_in_generate": True}


def hashtag_drafts(tokenizer: PreTrainedTokenizerBase, hashtags: Sequence[str]) -> HashtagDrafts:
    """The drafts that retrieved hashtags give.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Of what is written.
        hashtags (`list[str]`): Normalised, nearest first.
    """
    if not hashtags:
        return HashtagDrafts()
    behind = token_ids_of_all(tokenizer, [f" #{tag}" for tag in hashtags], add_special_tokens=False)
    special = set(tokenizer.all_special_ids)
    target = target_token_ids(tokenizer, f"#{hashtags[0]}")
    opening = list(itertools.takewhile(special.__contains__, target))
    first = list(itertools.takewhile(lambda token: token not in special, target[len(opening) :]))
    return HashtagDrafts(behind, first, opening)
