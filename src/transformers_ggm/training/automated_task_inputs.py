"""What the automated tasks read and have to predict: made of the words of a row, never of its hashtags."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import regex
import torch

from ..data import DataCollatorForHashtagGeneration
from ..errors import ArgumentError
from ..processing import GGMProcessor, remove_hashtags
from ..processing.modalities import TEXTS
from ..processing.row_text import TextShares, framed, shared_room
from ..processing.token_ids import LABEL_PADDING, lock_of, pad_tokens

MASKED_SHARE = 0.15
# Tokens, or bytes of characters, that a row has to write at most. It is our choice: longer texts would cost more than
# the hashtags do.
MAX_WRITTEN = 64
# Chinese is written without spaces: there each character is taken for a word.
_WORD = regex.compile(r"\p{Han}|[\p{L}\p{M}\p{N}_--\p{Han}]+", regex.VERSION1)


@dataclass(frozen=True)
class Piece:
    """
    One of the texts that the generator reads of a row, as far as there is room for it.

    Attributes:
        text (`str`): the text.
        ids (`list[int]`): its tokens, without special ones.
        spans (`list[tuple[int, int]]`): where in the text each token begins and ends.
        words (`list[tuple[int, int]]`): where each word does.
    """

    text: str
    ids: list[int]
    spans: list[tuple[int, int]]
    words: list[tuple[int, int]]

    def without(self, words: Sequence[tuple[int, int]], mask: int) -> list[int]:
        """The tokens with a mask in the place of all of those of some words."""
        return [
            mask if any(begin < word_end and end > word_begin for word_begin, word_end in words) else token
            for token, (begin, end) in zip(self.ids, self.spans)
        ]

    def before(self, place: int) -> list[int]:
        """The tokens that end there or before."""
        return [token for token, (_, end) in zip(self.ids, self.spans) if end <= place]


class AutomatedTaskCollator:
    """
    Adds to the batches of another collator, for each task, `{task}_input_ids`, `{task}_attention_mask` and
    `{task}_labels`, all `torch.LongTensor`s with a row for each row of the batch. What is drawn depends on the other
    collator's seed, the epoch and the row alone.

    Args:
        collator ([`DataCollatorForHashtagGeneration`]): that of the training. Its `inputs` and its processor say which
            texts are read.
        tasks (`Sequence[str]`): some of `AUTOMATED_TASKS`.

    Raises:
        ArgumentError: the tokenizer does not tell where in a text its tokens are, or has no token for what is missing.

    Example:

    ```python
    >>> from transformers_ggm import DataCollatorForHashtagGeneration, GGMProcessor
    >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT
    >>> from transformers_ggm.training.automated_task_inputs import AutomatedTaskCollator

    >>> collator = DataCollatorForHashtagGeneration(GGMProcessor.from_pretrained(DEMO_CHECKPOINT))
    >>> row = {"index": 0, "description": "first snow", "guidance": ["winter"], "hashtags": ["snow"]}
    >>> batch = AutomatedTaskCollator(collator, ["missing_word"])([{**row, "frames": None, "input_features": None}])
    >>> int((batch["missing_word_labels"] != -100).sum()) > 0
    True

    ```
    """

    def __init__(self, collator: DataCollatorForHashtagGeneration, tasks: Sequence[str]):
        self.collator = collator
        self.tasks = list(tasks)
        tokenizer = collator.processor.tokenizer
        # Those of bytes and of T5 have no mask, and next to no use for their unknown token.
        self.mask = tokenizer.unk_token_id if tokenizer.mask_token_id is None else tokenizer.mask_token_id
        if not tokenizer.is_fast:
            raise ArgumentError("`automated_tasks` needs a fast tokenizer, which tells where in a text tokens are.")
        if "missing_word" in self.tasks and self.mask is None:
            raise ArgumentError("`automated_tasks` missing_word needs a tokenizer with a mask or an unknown token.")

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        batch = dict(self.collator(rows))
        generators = self.collator.row_generators(rows)
        texts = [pieces_of(self.collator.withhold(row), self.collator.processor) for row in rows]
        for task in self.tasks:
            made = [getattr(self, task)(pieces, generator) for pieces, generator in zip(texts, generators)]
            batch |= dict(self._batched(task, [ids for ids, _ in made], [labels for _, labels in made]))
        return batch

    def missing_word(self, pieces: Sequence[Piece], generator: random.Random) -> tuple[list[int], list[int]]:
        """A text with 15 % of its words masked, at least one, and their tokens as labels where they stood."""
        places = [(number, word) for number, piece in enumerate(pieces) for word in piece.words]
        count = min(len(places), max(1, round(MASKED_SHARE * len(places))))
        chosen = generator.sample(places, count)
        masked = [
            piece.without([word for of, word in chosen if of == number], self.mask)
            for number, piece in enumerate(pieces)
        ]
        whole, shown = self._framed([piece.ids for piece in pieces]), self._framed(masked)
        return shown, [token if token != seen else LABEL_PADDING for token, seen in zip(whole, shown)]

    def next_word(self, pieces: Sequence[Piece], generator: random.Random) -> tuple[list[int], list[int]]:
        """An empty text, so that no word is seen before it is to be written; and the tokens of all words."""
        written = [token for piece in pieces for token in piece.ids]
        written += [self.collator.processor.tokenizer.eos_token_id] if written else []
        return self._framed([]), written[:MAX_WRITTEN]

    def next_character(self, pieces: Sequence[Piece], generator: random.Random) -> tuple[list[int], list[int]]:
        """The words before one that is drawn, and the bytes (UTF-8) of the text from that word on."""
        places = [(number, begin) for number, piece in enumerate(pieces) for begin, _ in piece.words][1:]
        if not places:
            return self._framed([]), []
        number, begin = generator.choice(places)
        earlier = [*(piece.ids for piece in pieces[:number]), pieces[number].before(begin)]
        following = pieces[number].text[begin : begin + MAX_WRITTEN]
        return self._framed([ids for ids in earlier if ids]), list(following.encode()[:MAX_WRITTEN])

    def _framed(self, pieces: Sequence[Sequence[int]]) -> list[int]:
        tokenizer = self.collator.processor.tokenizer
        return framed(tokenizer, pieces) or [tokenizer.eos_token_id]

    def _batched(self, task: str, ids: list[list[int]], labels: list[list[int]]) -> Iterator[tuple[str, torch.Tensor]]:
        tokenizer = self.collator.processor.tokenizer
        side = tokenizer.padding_side
        yield f"{task}_input_ids", pad_tokens(ids, tokenizer.pad_token_id, None, side)
        yield f"{task}_attention_mask", pad_tokens([[1] * len(row) for row in ids], 0, None, side)
        # What is written goes from left to right; labels of what is read stand where it does.
        yield f"{task}_labels", pad_tokens(labels, LABEL_PADDING, 1, side if task == "missing_word" else "right")


def pieces_of(row: Mapping[str, Any], processor: GGMProcessor) -> list[Piece]:
    """
    The texts that the generator reads of a row, without hashtags and guidance, each with its words.

    Args:
        row (`dict`): a row of [`PreparedShorts`], [`DecodedShorts`] or [`ShortsDataset`], as the generator may see it.
        processor ([`GGMProcessor`]): the generator's.
    """
    tokenizer = processor.tokenizer
    shares = TextShares(processor.transcript_share, processor.screen_text_share, processor.guidance_share)
    found = []
    for name, share in zip(TEXTS, shares.of_texts):
        text = row.get(name) or ""
        text = remove_hashtags(text) if name == "description" else text
        if text and share:
            with lock_of(tokenizer):
                encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
            found.append((text, share, encoded["input_ids"], encoded["offset_mapping"]))
    if not found:
        return []
    room = processor.max_text_length - len(framed(tokenizer, [[]] * len(found)))
    kept = shared_room([len(ids) for _, _, ids, _ in found], [share for _, share, _, _ in found], room)
    return [
        Piece(text, ids[:count], spans[:count], _whole_words(text, spans[:count]))
        for (text, _, ids, spans), count in zip(found, kept)
    ]


def _whole_words(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where the words are of a text whose tokens are cut off at some place."""
    last = spans[-1][1] if spans else 0
    return [found.span() for found in _WORD.finditer(text) if found.end() <= last]
