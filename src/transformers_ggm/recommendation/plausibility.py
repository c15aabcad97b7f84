"""
How well-formed and how fitting hashtags are, by a masked language model: pseudo-log-likelihoods (Salazar et al., ACL
2020), for words of several tokens from left to right (Kauf and Ivanova, ACL 2023).
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.modeling_outputs import BaseModelOutput

from ..errors import CheckpointError, InputError
from ..utils.hashtag_words import split_hashtag

# Weights that are tried, as in the paper: 0 to 1 by 0.05.
WEIGHTS = tuple(step / 20 for step in range(21))


@dataclass(frozen=True)
class _Sentence:
    """A description with the words of a hashtag behind it."""

    ids: list[int]
    words: list[list[int]]  # of each word of the hashtag, the places of its tokens


class _SentenceScorer(ABC):
    """What scorers share: sentences of descriptions and hashtags, in batches of like lengths."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int = 64, max_length: int = 64
    ):
        if not tokenizer.is_fast:
            raise CheckpointError("plausibility needs a fast tokenizer, which tells where its tokens stand in a text.")
        if batch_size < 1 or max_length < 8:
            raise InputError(f"batch_size={batch_size} has to be 1 at least, and max_length={max_length} 8.")
        self.model, self.tokenizer = model.eval(), tokenizer
        self.batch_size, self.max_length = batch_size, max_length

    def score(self, descriptions: Sequence[str], hashtags: Sequence[Sequence[str]]) -> list[list[float]]:
        """
        How plausible some hashtags are behind the description of their row.

        Args:
            descriptions (`Sequence[str]`): Of each row; may be empty.
            hashtags (`Sequence[Sequence[str]]`): Of each row any number, normalised.

        Returns:
            `list[list[float]]`: The log-probability of a word of each, in the mean: 0 at most, more is better.
        """
        sentences = [
            self._sentence(description, hashtag) for description, row in zip(descriptions, hashtags) for hashtag in row
        ]
        scores = iter(self._score_sentences(sentences) if sentences else [])
        return [[next(scores) for _ in row] for row in hashtags]

    def save_pretrained(self, save_directory: str | os.PathLike) -> None:
        """Saves model and tokenizer, as `from_pretrained` reads them."""
        self.model.save_pretrained(save_directory)
        self.tokenizer.save_pretrained(save_directory)

    def _sentence(self, description: str, hashtag: str) -> _Sentence:
        words = split_hashtag(hashtag)
        said = self._beginning(description, words)
        text, spans = said, []
        for word in words:
            begin, text = len(text), f"{text} {word}" if text else word
            spans.append((begin, len(text)))  # with the space before it, which may be a token or a part of one
        encoded = self.tokenizer(text, return_offsets_mapping=True, verbose=False)
        places = [
            [
                place
                for place, (begin, end) in enumerate(encoded["offset_mapping"])
                if begin < end and first <= begin < last
            ]
            for first, last in spans
        ]
        return _Sentence(encoded["input_ids"], [of_word for of_word in places if of_word])

    def _beginning(self, description: str, words: Sequence[str]) -> str:
        """As much of a description as leaves place for the words."""
        taken = len(self.tokenizer(" ".join(words), verbose=False)["input_ids"])
        room = max(0, self.max_length - taken)
        offsets = self.tokenizer(description, add_special_tokens=False, return_offsets_mapping=True, verbose=False)[
            "offset_mapping"
        ]
        if len(offsets) <= room:
            return description.strip()
        return description[: offsets[room - 1][1]].strip() if room else ""

    def _batches(self, rows: Sequence[list[int]]):
        """Row numbers and padded inputs, rows of like lengths together."""
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            padded = self.tokenizer.pad({"input_ids": [rows[row] for row in chosen]}, return_tensors="pt")
            inputs = {name: padded[name].to(self.model.device) for name in ("input_ids", "attention_mask")}
            yield chosen, inputs

    @abstractmethod
    def _score_sentences(self, sentences: Sequence[_Sentence]) -> list[float]:
        """The score of each sentence's hashtag."""


class PlausibilityScorer(_SentenceScorer):
    """
    The pseudo-log-likelihood of a hashtag's words behind its description, per word (PLL-word-l2r): each token of a
    word is predicted with itself and the later tokens of the word masked. It costs one row of a forward pass for each
    token of each hashtag.

    Args:
        model (`PreTrainedModel`): Any of `AutoModelForMaskedLM` (BERT, BERTweet, XLM-R, ModernBERT).
        tokenizer (`PreTrainedTokenizerBase`): The model's, a fast one with a mask.
        batch_size (`int`, defaults to 64): Rows of a pass.
        max_length (`int`, defaults to 64): Tokens of description and hashtag together. Of longer descriptions the
            beginning is read.

    Raises:
        CheckpointError: The tokenizer is not a fast one, or has no mask.
        InputError: A number is too small.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.plausibility import PlausibilityScorer

    >>> scorer = PlausibilityScorer.from_pretrained("vinai/bertweet-base")  # doctest: +SKIP
    >>> scorer.score(["the first snow in toronto"], [["winterwonderland", "winterwondrelnad"]])  # doctest: +SKIP
    [[-3.1, -9.7]]

    ```
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int = 64, max_length: int = 64
    ):
        super().__init__(model, tokenizer, batch_size, max_length)
        if tokenizer.mask_token_id is None:
            raise CheckpointError("the tokenizer has no mask: plausibility is told by a masked language model.")
        self._one_at_a_time = Lock()  # threads share the model

    @classmethod
    def from_pretrained(
        cls, path_or_hub_id: str | os.PathLike, batch_size: int = 64, max_length: int = 64, **kwargs: Any
    ) -> "PlausibilityScorer":
        """
        Loads a masked language model.

        Args:
            path_or_hub_id (`str` or `os.PathLike`): A folder, or the id of a repository on the Hub.
            batch_size, max_length: As for [`PlausibilityScorer`].
            kwargs: Arguments of `AutoModelForMaskedLM.from_pretrained`, such as `dtype`.

        Raises:
            CheckpointError: There is none that can be read.
        """
        return cls(*_load(AutoModelForMaskedLM, path_or_hub_id, kwargs), batch_size, max_length)

    def _logits_at(self, inputs: dict[str, torch.Tensor], places: torch.Tensor) -> torch.Tensor:
        """Of each row the vocabulary's scores at one place: at all places they can take gigabytes, and most time."""
        rows = torch.arange(len(places), device=places.device)

        def keep(module: torch.nn.Module, args: tuple, output: BaseModelOutput) -> BaseModelOutput:
            output.last_hidden_state = output.last_hidden_state[rows, places][:, None]
            return output

        with self._one_at_a_time:
            hook = self.model.base_model.register_forward_hook(keep)
            try:
                return self.model(**inputs).logits[:, 0]
            finally:
                hook.remove()

    def _masked(self, word: list[int], first: int) -> list[int]:
        """The places that are masked where the token at `word[first]` is predicted."""
        return word[first:]

    @torch.inference_mode()
    def _score_sentences(self, sentences: Sequence[_Sentence]) -> list[float]:
        rows, places, targets, owners = [], [], [], []
        for number, sentence in enumerate(sentences):
            for word in sentence.words:
                for first, place in enumerate(word):
                    ids = list(sentence.ids)
                    for masked in self._masked(word, first):
                        ids[masked] = self.tokenizer.mask_token_id
                    rows.append(ids)
                    places.append(place)
                    targets.append(sentence.ids[place])
                    owners.append(number)
        found = torch.zeros(len(rows), dtype=torch.float64)
        for chosen, inputs in self._batches(rows):
            index = torch.tensor(chosen)
            at = torch.tensor(places)[index] + _left_padding(inputs["attention_mask"]).cpu()
            logits = self._logits_at(inputs, at.to(self.model.device))
            wanted = torch.tensor(targets)[index].to(logits.device)
            log_probs = logits.float().log_softmax(-1).gather(1, wanted[:, None])[:, 0]
            found[index] = log_probs.double().cpu()
        totals = torch.zeros(len(sentences), dtype=torch.float64).index_add_(0, torch.tensor(owners), found)
        return [float(total) / max(1, len(each.words)) for total, each in zip(totals, sentences)]


class DistilledPlausibilityScorer(_SentenceScorer):
    """
    A scorer that learned the scores of a [`PlausibilityScorer`] and needs one pass for each hashtag, whatever its
    length (the "maskless" scoring of Salazar et al., ACL 2020, section 4.3): the mean over the hashtag's tokens of
    what a token classifier with one class gives. [`distill_plausibility`] trains one.

    Args:
        model (`PreTrainedModel`): Of `AutoModelForTokenClassification`, with one label and a linear head, its last
            layer.
        tokenizer, batch_size, max_length: As for [`PlausibilityScorer`].
    """

    @classmethod
    def from_pretrained(
        cls, path_or_hub_id: str | os.PathLike, batch_size: int = 64, max_length: int = 64, **kwargs: Any
    ) -> "DistilledPlausibilityScorer":
        """As [`PlausibilityScorer.from_pretrained`], of a model that was distilled."""
        return cls(*_load(AutoModelForTokenClassification, path_or_hub_id, kwargs), batch_size, max_length)

    @torch.inference_mode()
    def _score_sentences(self, sentences: Sequence[_Sentence]) -> list[float]:
        found = torch.zeros(len(sentences))
        for chosen, inputs in self._batches([sentence.ids for sentence in sentences]):
            values = self.predict(inputs, [sentences[number] for number in chosen])
            found[torch.tensor(chosen)] = values.float().cpu()
        return found.tolist()

    def predict(self, inputs: dict[str, torch.Tensor], sentences: Sequence[_Sentence]) -> torch.Tensor:
        """The scores of a batch of sentences, `(batch,)`, with gradients where they are on."""
        logits = self.model(**inputs).logits[..., 0]
        is_of_hashtag = torch.zeros_like(logits)
        for row, (sentence, shift) in enumerate(zip(sentences, _left_padding(inputs["attention_mask"]).tolist())):
            for word in sentence.words:
                is_of_hashtag[row, torch.tensor(word, device=logits.device) + shift] = 1.0
        return (logits * is_of_hashtag).sum(1) / is_of_hashtag.sum(1).clamp(min=1)


def load_scorer(
    path_or_hub_id: str | os.PathLike, max_length: int = 64
) -> PlausibilityScorer | DistilledPlausibilityScorer:
    """
    The scorer of a folder or a repository: a distilled one where its model classifies tokens.

    Args:
        path_or_hub_id (`str` or `os.PathLike`): As for [`PlausibilityScorer.from_pretrained`].
        max_length (`int`, defaults to 64): As for [`PlausibilityScorer`].

    Raises:
        CheckpointError: There is none that can be read, or it lacks weights.
    """
    name = os.fspath(path_or_hub_id)
    try:
        architectures = AutoConfig.from_pretrained(name).architectures or ()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{name} cannot be loaded to tell how plausible hashtags are: {error}") from error
    is_distilled = any(architecture.endswith("ForTokenClassification") for architecture in architectures)
    scorer_class = DistilledPlausibilityScorer if is_distilled else PlausibilityScorer
    return scorer_class.from_pretrained(name, max_length=max_length)


def distill_plausibility(
    teacher: PlausibilityScorer,
    student: DistilledPlausibilityScorer,
    descriptions: Sequence[str],
    hashtags: Sequence[Sequence[str]],
    num_epochs: int = 3,
    learning_rate: float = 5e-5,
    seed: int = 0,
) -> list[float]:
    """
    Trains a scorer that needs one pass, on the squared distance to its teacher's scores.

    Args:
        teacher ([`PlausibilityScorer`]): It is asked once.
        student ([`DistilledPlausibilityScorer`]): Of the same tokenizer; changed in place.
        descriptions, hashtags: As for `PlausibilityScorer.score`; hashtags that are wrong should be among them.
        num_epochs (`int`, defaults to 3), learning_rate (`float`, defaults to 5e-5), seed (`int`, defaults to 0).

    Returns:
        `list[float]`: The mean loss of each epoch.
    """
    torch.manual_seed(seed)
    targets = torch.tensor([score for row in teacher.score(descriptions, hashtags) for score in row])
    sentences = [
        student._sentence(description, hashtag) for description, row in zip(descriptions, hashtags) for hashtag in row
    ]
    # Small steps would take long to come from 0 to where all scores are.
    heads = [module for module in student.model.modules() if isinstance(module, torch.nn.Linear)]
    with torch.no_grad():
        heads[-1].bias.fill_(float(targets.mean()))
    optimizer = torch.optim.AdamW(student.model.parameters(), lr=learning_rate)
    student.model.train()
    losses = []
    for _ in range(num_epochs):
        total = 0.0
        batches = list(student._batches([sentence.ids for sentence in sentences]))
        for number in torch.randperm(len(batches)).tolist():
            chosen, inputs = batches[number]
            found = student.predict(inputs, [sentences[row] for row in chosen])
            wanted = targets[torch.tensor(chosen)].to(found)
            loss = torch.nn.functional.mse_loss(found, wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(chosen)
        losses.append(total / len(sentences))
    student.model.eval()
    return losses


def rerank(
    scores: Sequence[Sequence[float]], plausibilities: Sequence[Sequence[float]], weight: float
) -> list[list[float]]:
    """
    Scores of candidates with how plausible they are: log(score) + weight * plausibility.

    Args:
        scores (`Sequence[Sequence[float]]`): Of each row's candidates, probabilities above 0.
        plausibilities (`Sequence[Sequence[float]]`): As a scorer gives them.
        weight (`float`): 0 leaves the order as it is.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.plausibility import rerank

    >>> rerank([[0.5, 0.25]], [[-8.0, -2.0]], weight=0.5)
    [[-4.693147180559945, -2.386294361119891]]

    ```
    """
    return [
        [float(np.log(score)) + weight * plausibility for score, plausibility in zip(*row)]
        for row in zip(scores, plausibilities)
    ]


def best_weight(
    scores: Sequence[Sequence[float]],
    plausibilities: Sequence[Sequence[float]],
    is_right: Sequence[Sequence[bool]],
    weights: Sequence[float] = WEIGHTS,
) -> float:
    """
    The weight by which right candidates stand highest, on rows of validation: by the mean over rows of the reciprocal
    rank of the first right one, the smallest of equally good weights.

    Args:
        scores, plausibilities: As for [`rerank`].
        is_right (`Sequence[Sequence[bool]]`): Of each candidate.
        weights (`Sequence[float]`, *optional*): Those that are tried.
    """

    def quality(weight: float) -> float:
        total = 0.0
        for row, right in zip(rerank(scores, plausibilities, weight), is_right):
            order = np.argsort(-np.array(row), kind="stable")
            ranks = [rank for rank, place in enumerate(order, start=1) if right[place]]
            total += 1 / ranks[0] if ranks else 0.0
        return total

    return max(weights, key=lambda weight: (quality(weight), -weight))


def _left_padding(attention_mask: torch.Tensor) -> torch.Tensor:
    """How many places stand before each row's first token."""
    return attention_mask.argmax(dim=1)


def _load(
    auto_class: Any, path: str | os.PathLike, kwargs: dict[str, Any]
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    name = str(path) if isinstance(path, Path) else path
    try:
        model, told = auto_class.from_pretrained(name, output_loading_info=True, **kwargs)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{name} cannot be loaded to tell how plausible hashtags are: {error}") from error
    if told["missing_keys"]:
        raise CheckpointError(
            f"{name} has no {', '.join(sorted(told['missing_keys'])[:3])}: to tell how plausible hashtags are, name a"
            " masked language model with its head, or save or download it again."
        )
    return model, tokenizer


__all__ = [
    "WEIGHTS",
    "DistilledPlausibilityScorer",
    "PlausibilityScorer",
    "best_weight",
    "distill_plausibility",
    "load_scorer",
    "rerank",
]
