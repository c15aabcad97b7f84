"""Small backbones with random weights and a tokenizer of their own, for data that pretrained ones do not fit."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BartConfig, PreTrainedTokenizerFast, VisionTextDualEncoderConfig, WhisperFeatureExtractor

from ..modeling import GGMConfig, HashtagClassifierConfig, HashtagRetrieverConfig
from ..processing import GGMProcessor, GGMVideoProcessor, HashtagRetrieverProcessor
from ..utils.word_splitter import split_words

# CLIP's text tower treats end-of-sequence id 2, BART's usual one, as a mark of old checkpoints; hence 3 here.
SPECIAL_TOKENS = {"bos_token": "<s>", "pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>"}


@dataclass(frozen=True)
class ScratchConfig:
    """
    What a scratch configuration file holds, as dicts of keyword arguments.

    Args:
        vocab_size (`int`): tokens of the tokenizer that is trained on the training split.
        text (`dict`): for `BartConfig`, the generator's text backbone. Its `init_std` is the cross-modal attentions'
            too. BART's 0.02 suits a width of 768; narrow models learn several times faster from about 1 / sqrt(width).
        vision (`dict`): vision tower of the retriever, the generator and a classifier, with its `model_type` (default:
            CLIP's).
        retriever_text (`dict`): text tower of the retriever and of a classifier, with its `model_type` (default:
            CLIP's).
        projection_dim (`int`): width of the retriever's vectors.
        video_processor (`dict`): for [`GGMVideoProcessor`].
        audio (`dict`, *optional*): configuration of the audio backbone with its `model_type`; `None` for no sound.
        feature_extractor (`dict`, *optional*): arguments of `WhisperFeatureExtractor`.
    """

    vocab_size: int
    text: dict[str, Any]
    vision: dict[str, Any]
    retriever_text: dict[str, Any]
    projection_dim: int
    video_processor: dict[str, Any]
    audio: dict[str, Any] | None = None
    feature_extractor: dict[str, Any] | None = None

    @classmethod
    def from_json(cls, path: str | Path) -> "ScratchConfig":
        """
        Reads a scratch configuration file.

        Raises:
            ValueError: the file is missing, no JSON object, or has missing or unknown keys.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, json.JSONDecodeError, TypeError) as error:
            raise ValueError(f"`scratch_config` {path} cannot be used: {error}") from error

    def without_sound(self) -> "ScratchConfig":
        """The same backbones but the audio one."""
        return replace(self, audio=None, feature_extractor=None)

    def generator_config(self, tokenizer: PreTrainedTokenizerFast, **kwargs) -> GGMConfig:
        """Configuration of the generator for a trained tokenizer."""
        special = _special_ids(tokenizer)
        text = BartConfig(
            **self.text,
            **special,
            vocab_size=len(tokenizer),
            decoder_start_token_id=special["eos_token_id"],
            forced_eos_token_id=None,
        )
        return GGMConfig(
            vision_config=self._vision,
            text_config=text,
            audio_config=self.audio,
            initializer_range=text.init_std,
            **kwargs,
        )

    def retriever_config(self, tokenizer: PreTrainedTokenizerFast, **kwargs) -> HashtagRetrieverConfig:
        """Configuration of the retriever for a trained tokenizer; `kwargs` are those of [`HashtagRetrieverConfig`]."""
        return HashtagRetrieverConfig(
            VisionTextDualEncoderConfig(
                text_config=self._retriever_text(tokenizer),
                vision_config=self._vision,
                projection_dim=self.projection_dim,
            ),
            **kwargs,
        )

    def classifier_config(
        self, tokenizer: PreTrainedTokenizerFast, hashtags: Sequence[str], modalities: Sequence[str], **kwargs
    ) -> HashtagClassifierConfig:
        """
        Configuration of a classifier for a trained tokenizer: its towers are shaped as the retriever's.

        Args:
            tokenizer (`PreTrainedTokenizerFast`): from [`train_tokenizer`].
            hashtags (`Sequence[str]`): those to choose from, in the order of the logits.
            modalities (`Sequence[str]`): `"text"`, `"video"` or both.
            kwargs: any further argument of [`HashtagClassifierConfig`].
        """
        return HashtagClassifierConfig(
            vision_config=self._vision if "video" in modalities else None,
            text_config=self._retriever_text(tokenizer) if "text" in modalities else None,
            id2label=dict(enumerate(hashtags)),
            **kwargs,
        )

    def _retriever_text(self, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
        text = {"model_type": "clip_text_model", **self.retriever_text, **_special_ids(tokenizer)}
        return {**text, "vocab_size": len(tokenizer)}

    @property
    def _vision(self) -> dict[str, Any]:
        return {"model_type": "clip_vision_model", **self.vision}

    def processors(
        self, descriptions: Iterable[str], hashtags: Iterable[str], **kwargs
    ) -> tuple[GGMProcessor, HashtagRetrieverProcessor]:
        """Trains the tokenizer and makes both processors; `kwargs` are those of [`GGMProcessor`]."""
        tokenizer = train_tokenizer(descriptions, hashtags, self.vocab_size)
        video_processor = GGMVideoProcessor(**self.video_processor)
        feature_extractor = None
        if self.feature_extractor is not None:
            feature_extractor = WhisperFeatureExtractor(**self.feature_extractor)
        processor = GGMProcessor(video_processor, tokenizer, feature_extractor, **kwargs)
        text = self.retriever_config(tokenizer).backbone_config.text_config
        retriever_processor = HashtagRetrieverProcessor(
            GGMVideoProcessor(**self.video_processor),
            tokenizer,
            max_description_length=getattr(text, "max_position_embeddings", None),
        )
        return processor, retriever_processor


def _special_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    return {f"{name}_id": getattr(tokenizer, f"{name}_id") for name in ("bos_token", "pad_token", "eos_token")}


def train_tokenizer(descriptions: Iterable[str], hashtags: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """
    Trains a byte-level tokenizer on descriptions and on the words that hashtags are made of. Hashtags are split into
    words first, so that `#bluesquare` is written with the pieces of `#blue` and `#square` and a hashtag that never
    occurred is spelled with known pieces.

    Byte-pair encoding finds the pieces. Its own way of cutting a word joins letters across the words of a compound
    (`blu|es|quare`), so the pieces then serve a unigram model, which takes the likeliest cut (`blue|square`).

    Args:
        descriptions (`Iterable[str]`): texts of the training split.
        hashtags (`Iterable[str]`): hashtags of the training split, without '#', repeated as they occur.
        vocab_size (`int`): at most so many tokens.

    Returns:
        `PreTrainedTokenizerFast` that frames texts as BART does: `<s> A </s>`, pairs as `<s> A </s></s> B </s>`.
    """
    words = [word for tag in hashtags for word in split_words(tag)]
    corpus = [*descriptions, *(f"#{word} #{word}" for word in words)]
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=vocab_size - len(SPECIAL_TOKENS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    counts = Counter(piece for encoding in pieces.encode_batch(corpus) for piece in encoding.tokens)
    total = sum(counts.values())
    likelihoods = [(piece, math.log(max(counts[piece], 0.1) / total)) for piece in sorted(pieces.get_vocab())]
    specials = [(token, 0.0) for token in SPECIAL_TOKENS.values()]
    tokenizer = Tokenizer(models.Unigram(specials + likelihoods, unk_id=2))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS.values()))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    bos, eos = SPECIAL_TOKENS["bos_token"], SPECIAL_TOKENS["eos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (bos, eos)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **SPECIAL_TOKENS, sep_token=eos, cls_token=bos, model_max_length=512
    )
