"""
BERTScore of hashtags split into words (Zhang et al., ICLR 2020; Yu et al., ACL 2023, section 4.2).

Not by the package `bert-score`: its last version (0.3.13 of 2023) calls what tokenizers of transformers 5 no longer
have as soon as a text is empty, and overflows with a tokenizer that knows no limit.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from ..processing.token_ids import lock_of
from ..utils.word_splitter import WordSplitter, get_word_splitter
from .rouge import HashtagOrder, check_videos, hashtag_text, order_hashtags

DEFAULT_BERT_SCORE_MODEL = "microsoft/deberta-xlarge-mnli"
# The layer that agrees best with people's judgements, as chosen by the authors of BERTScore.
_BEST_LAYERS = {DEFAULT_BERT_SCORE_MODEL: 40}
# For models that do not say how many tokens they take.
_MOST_TOKENS = 512


class BertScorer:
    """
    Greedy matching of contextual token vectors: the cosine of each predicted token with its nearest true one, averaged
    (precision), the reverse (recall), and their harmonic mean. As in the package `bert-score`, without idf weights and
    without rescaling: special tokens may be matched, but do not count in the averages.

    Args:
        model (`str` or `Path`, *optional*, defaults to `"microsoft/deberta-xlarge-mnli"`): a folder or Hub id of any
            model of [`AutoModel`] with hidden states; of encoder-decoders, the encoder is used.
        num_layers (`int`, *optional*): the layer whose vectors are compared, counted from 1; 0 is the embeddings. By
            default 40 for the default model and the last one for others.
        batch_size (`int`, *optional*, defaults to 32): videos at a time.
        device (`str` or `torch.device`, *optional*): by default the GPU if there is one.

    Raises:
        ValueError: the model has no layer `num_layers`.
        OSError: the model cannot be loaded.

    Attributes:
        settings (`dict`): `model` and `num_layers`, for reports.
    """

    def __init__(
        self,
        model: str | Path = DEFAULT_BERT_SCORE_MODEL,
        *,
        num_layers: int | None = None,
        batch_size: int = 32,
        device: str | torch.device | None = None,
    ):
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.batch_size = batch_size
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        encoder = AutoModel.from_pretrained(model)
        if encoder.config.is_encoder_decoder:
            encoder = encoder.get_encoder()
        self.encoder = encoder.eval().to(self.device)
        last = encoder.config.num_hidden_layers
        self.num_layers = _BEST_LAYERS.get(str(model), last) if num_layers is None else num_layers
        if not 0 <= self.num_layers <= last:
            raise ValueError(f"`num_layers` is {num_layers}, but {str(model)!r} has {last} layers.")
        # Tokenizers that know no limit, such as DeBERTa's, give a number too large to be one.
        positions = getattr(encoder.config, "max_position_embeddings", None) or _MOST_TOKENS
        self.max_length = min(self.tokenizer.model_max_length, positions)
        self.settings: dict[str, Any] = {"model": str(model), "num_layers": self.num_layers}

    @torch.inference_mode()
    def __call__(self, predicted: Sequence[str], true: Sequence[str]) -> np.ndarray:
        """
        Precision, recall and F1 of each pair of texts.

        Args:
            predicted, true (`list[str]`): texts; where one of the two is empty, all three are 0.

        Returns:
            `np.ndarray` of shape `(texts, 3)`, float64, between -1 and 1; mostly above 0.
        """
        scores = np.zeros((len(true), 3))
        for start in range(0, len(true), self.batch_size):
            rows = slice(start, start + self.batch_size)
            scores[rows] = self._score(*self._embed(predicted[rows]), *self._embed(true[rows])).cpu().double().numpy()
        return scores

    def _embed(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Unit vectors (texts, tokens, width), which tokens there are, and which of them count."""
        with lock_of(self.tokenizer):
            inputs = self.tokenizer(
                list(texts),
                padding=True,
                truncation=True,
                max_length=self.max_length,
                return_special_tokens_mask=True,
                return_tensors="pt",
            )
        inputs = inputs.to(self.device)
        special = inputs.pop("special_tokens_mask").bool()
        hidden = self.encoder(**inputs, output_hidden_states=True).hidden_states[self.num_layers]
        present = inputs["attention_mask"].bool()
        return torch.nn.functional.normalize(hidden, dim=-1), present, present & ~special

    @staticmethod
    def _score(
        predicted: torch.Tensor,
        predicted_present: torch.Tensor,
        predicted_counts: torch.Tensor,
        true: torch.Tensor,
        true_present: torch.Tensor,
        true_counts: torch.Tensor,
    ) -> torch.Tensor:
        cosines = predicted @ true.transpose(1, 2)
        precision = _mean(cosines.masked_fill(~true_present[:, None, :], -1).amax(dim=2), predicted_counts)
        recall = _mean(cosines.masked_fill(~predicted_present[:, :, None], -1).amax(dim=1), true_counts)
        f1 = torch.nan_to_num(2 * precision * recall / (precision + recall), nan=0.0)
        both = predicted_counts.any(dim=1) & true_counts.any(dim=1)
        return torch.stack([precision, recall, f1], dim=1) * both[:, None]


def _mean(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    return (values * counts).sum(dim=1) / counts.sum(dim=1).clamp(min=1)


def bert_score_per_video(
    predictions: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    scorer: BertScorer,
    *,
    word_splitter: str | WordSplitter = "wordninja",
    order: HashtagOrder = "shuffled",
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """
    BERTScore of each video, times 100, on the same texts as ROUGE: hashtags split into words.

    Args:
        predictions (`list[list[str]]`): hashtags without '#'.
        references (`list[list[str]]`): the author's hashtags of the same videos.
        scorer ([`BertScorer`]): holds the model; `BertScorer()` is the paper's choice.
        word_splitter (`str` or callable, *optional*, defaults to `"wordninja"`): see [`get_word_splitter`].
        order (`str`, *optional*, defaults to `"shuffled"`), seed (`int`, *optional*, defaults to 0): see
            [`order_hashtags`].

    Returns:
        `dict[str, np.ndarray]` with `bertscore_precision`, `bertscore_recall` and `bertscore_f1`, float64 of shape
        `(videos,)`; 0 for a video without predicted or without true hashtags.

    Raises:
        ValueError: no videos, as many predictions as references there are not, unknown `word_splitter` or `order`.
    """
    check_videos(predictions, references)
    split = get_word_splitter(word_splitter)
    pairs = [order_hashtags(predicted, true, order, seed) for predicted, true in zip(predictions, references)]
    predicted, true = ([hashtag_text(pair[side], split) for pair in pairs] for side in (0, 1))
    scores = 100 * scorer(predicted, true)
    return {f"bertscore_{name}": scores[:, column] for column, name in enumerate(("precision", "recall", "f1"))}
