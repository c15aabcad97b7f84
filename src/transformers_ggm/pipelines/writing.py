"""What writes hashtags for the rows of a batch, whatever kind of model does it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..generation.stopping_criteria import HashtagLimit
from ..modeling import HashtagRetriever
from ..retrieval import HashtagPool
from .generate_arguments import check_top_k


class HashtagWriter(ABC):
    """
    The generator of a pipeline: one class for each kind of model that a checkpoint may have at its top (see
    `top_models.py`). A batch goes through `see`, then hashtags are retrieved, and `write` is shown those that guide.
    Each takes the batch as the pipeline's `preprocess` gives it: by field, a list with one entry a row, of which

    - `frames` ((f, 3, h, w) uint8 or `None`): as the processor's `video_processor` resizes them;
    - `input_features` (float32 or `None`): what the processor's `feature_extractor` made of the sound;
    - `description` (`str`): the author's words;
    - `clues` ([`Clues`]): all that is known, where the pipeline has a recommender or something reads further texts.

    Args:
        model (`PreTrainedModel`): In evaluation mode.
        processor (`ProcessorMixin`): The model's. The pipeline decodes clips by its `video_processor`,
            `feature_extractor` (or `None`), `sampling_rate`, `max_audio_seconds` and `decode_media`, guides by
            `num_guidance` hashtags at most, and goes by `read_texts` and `fitting_guidance`.
        device (`torch.device`): Where inputs are put.
        retriever ([`HashtagRetriever`], *optional*), retriever_processor ([`HashtagRetrieverProcessor`], *optional*):
            Where guidance comes from.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        device: torch.device,
        retriever: HashtagRetriever | None = None,
        retriever_processor: Any = None,
    ):
        self.model, self.processor, self.device = model, processor, device

    @property
    def read_texts(self) -> tuple[str, ...]:
        """Which texts of a row it reads: `"description"`, and some of `"transcript"` and `"screen_text"`."""
        return self.processor.read_texts

    @property
    def expected_texts(self) -> tuple[str, ...]:
        """Those beside the description that it misses where no clip has them: what it was trained with."""
        return self.read_texts[1:]

    @property
    def num_examples(self) -> int:
        """How many similar posts it is shown with each row, in `rows["examples"]`."""
        return 0

    def check(self, decoding: Mapping[str, Any]) -> None:
        """
        Called once a call, before anything is decoded.

        Args:
            decoding (`dict`): The arguments of [`~HashtagWriter.write`].

        Raises:
            `InputError`: The model cannot do what they ask for.
        """
        check_top_k(decoding, self.model.generation_config)

    def see(self, rows: Mapping[str, Sequence]) -> dict[str, Any]:
        """What it makes of frames and sounds before anything is retrieved; by default nothing."""
        return {}

    def video_embeds(self, seen: dict[str, Any], retriever: HashtagRetriever | None) -> torch.Tensor | None:
        """
        The retriever's vectors `(b, d)` of the videos, where one pass of a vision encoder serves both. By default
        there are none, and the retriever looks for itself.

        Args:
            seen (`dict`): What `see` gave; what the retriever saw may be noted in it.
            retriever ([`HashtagRetriever`], *optional*): Of the pipeline.
        """
        return None

    def further_texts(self, rows: Mapping[str, Sequence]) -> dict[str, list[str]]:
        """What of a batch's texts it reads beside the descriptions: by name one for each row."""
        return {name: [getattr(clues, name) for clues in rows["clues"]] for name in self.read_texts[1:]}

    def shown(self, rows: Mapping[str, Sequence], guidance: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
        """
        Those of the hashtags that guide each row which the model is shown: there may be no room for all.

        Args:
            rows (`dict[str, list]`): The batch.
            guidance (`list[dict[str, float]]`): Hashtags with scores, best first.
        """
        further = self.further_texts(rows)
        shown = []
        for number, (description, scores) in enumerate(zip(rows["description"], guidance)):
            texts = {name: column[number] for name, column in further.items()}
            fitting = self.processor.fitting_guidance(description, list(scores), **texts)
            shown.append({hashtag: scores[hashtag] for hashtag in fitting})
        return shown

    def generate_arguments(self, decoding: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `generate` alone: a number of hashtags becomes a criterion that stops it."""
        decoding = dict(decoding)
        max_hashtags = decoding.pop("max_hashtags", None)
        if max_hashtags is not None:
            limit = HashtagLimit(self.processor.tokenizer, max_hashtags)
            decoding["stopping_criteria"] = [*(decoding.get("stopping_criteria") or ()), limit]
        return decoding

    @abstractmethod
    def write(
        self,
        rows: Mapping[str, Sequence],
        guidance: Sequence[Sequence[str]],
        seen: dict[str, Any],
        decoding: Mapping[str, Any],
        pool: HashtagPool | None = None,
    ) -> dict[str, list]:
        """
        Writes hashtags for each row.

        Args:
            rows (`dict[str, list]`): The batch.
            guidance (`list[list[str]]`): Hashtags that guide each row, best first, possibly none.
            seen (`dict`): What `see` gave.
            decoding (`dict`): Arguments of `generate`, and `max_hashtags`, after how many hashtags writing stops.
            pool ([`HashtagPool`], *optional*): Hashtags that are known, from which it may guess what it writes.

        Returns:
            `dict[str, list]`, each with one entry a row: `written`, a `dict` from hashtags (normalised, without `#`)
            to scores from 0 to 1, best first; and what else the class tells of.
        """
