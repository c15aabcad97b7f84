"""Processor of the retriever: videos, descriptions and bare hashtags to tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from transformers import AutoConfig, AutoTokenizer
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessingKwargs, ProcessorMixin, Unpack

from ..errors import HashtagError, InputError
from ..modeling.text_pooling import longest_text
from ..utils.word_splitter import get_word_splitter
from .call_arguments import TextArguments, merged_arguments
from .hashtags import normalize_hashtag, remove_hashtags
from .modalities import TEXTS
from .saved_tokenizers import load_tokenizer
from .token_ids import token_ids_of_all
from .video_processing_ggm import GGMVideoProcessor, GGMVideoProcessorKwargs


class HashtagRetrieverProcessorKwargs(ProcessingKwargs, total=False):
    """
    What [`HashtagRetrieverProcessor`] takes in one call beside its inputs, flat or by modality.

    Args:
        videos_kwargs (`dict`): What [`GGMVideoProcessor`] takes.
    """

    videos_kwargs: GGMVideoProcessorKwargs
    _defaults = {}


class HashtagRetrieverProcessor(ProcessorMixin):
    """A [`GGMVideoProcessor`] and a tokenizer in one, for [`HashtagRetriever`].

    Args:
        video_processor ([`GGMVideoProcessor`]): Makes `pixel_values_videos` and `frame_mask`.
        tokenizer (`PreTrainedTokenizerBase`): Makes `input_ids` and `attention_mask` of hashtags and the same of
            descriptions; needs a padding token.
        max_hashtag_length (`int`, defaults to 16): Tokens after which a hashtag is cut off.
        max_description_length (`int`, *optional*): Tokens after which a description is cut off, no more than the text
            tower has positions. Defaults to the tokenizer's `model_max_length`.
        word_splitter (`str`, *optional*): How hashtags become words before they are tokenized, see
            [`~evaluation.get_word_splitter`]: `"wordfreq"` for a text tower that was trained on sentences, as CLIP's
            was, and not on hashtags. By default they stay as they are.
        query_texts (`list[str]`, defaults to `["description"]`): The texts of a row that a query by text is made of:
            some of `"description"`, `"transcript"` (what is said in the clip) and `"screen_text"` (what is written).

    Raises:
        ValueError: There is no splitter of that name, or no such text.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm import HashtagRetrieverProcessor
    >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT

    >>> processor = HashtagRetrieverProcessor.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    >>> frames = np.zeros((4, 48, 64, 3), dtype=np.uint8)  # or a path, a URL, bytes
    >>> batch = processor(videos=[frames], hashtags=["#snow", "toronto"])
    >>> batch["pixel_values_videos"].shape, len(batch["input_ids"])
    (torch.Size([1, 4, 3, 64, 64]), 2)

    ```
    """

    valid_processor_kwargs = HashtagRetrieverProcessorKwargs

    def __init__(
        self,
        video_processor=None,
        tokenizer=None,
        max_hashtag_length=16,
        max_description_length=None,
        word_splitter=None,
        query_texts=TEXTS[:1],
    ):
        super().__init__(video_processor, tokenizer)
        self.max_hashtag_length = max_hashtag_length
        self.max_description_length = max_description_length
        if word_splitter is not None:
            get_word_splitter(word_splitter)  # refuses what it does not know
        self.word_splitter = word_splitter
        if not query_texts or not set(query_texts) <= set(TEXTS):
            raise InputError(f"query_texts={list(query_texts)}: choose one or more of {list(TEXTS)}.")
        self.query_texts = list(query_texts)

    def __call__(
        self,
        videos=None,
        hashtags: Sequence[str] | None = None,
        *,
        text: str | Sequence[str | None] | None = None,
        **kwargs: Unpack[HashtagRetrieverProcessorKwargs],
    ) -> BatchFeature:
        """Makes tensors of videos, of their descriptions and of hashtags (which need not be equally many).

        Args:
            videos: What [`GGMVideoProcessor`] takes.
            hashtags (`str` or `list[str]`): Hashtags, with or without `#`; the tokenizer gets them normalised and
                bare, or their words where there is a `word_splitter`.
            text (`str` or `list[str]`): Descriptions, `None` or empty for a row without one. Hashtags in them are
                removed: a query is not to be shown what it is to find.
            max_length (`int`, *optional*): Tokens of a description, instead of `max_description_length`.
            truncation (`bool`, defaults to `True`): `False` cuts neither descriptions nor hashtags.
            padding (`bool` or `str`, defaults to `"longest"`): `"max_length"` pads descriptions to `max_length`,
                hashtags to `max_hashtag_length` and videos to `num_frames`; `False` wants rows of one length, or
                lists.
            padding_side (`str`, *optional*): `"left"` or `"right"`. Defaults to the tokenizer's.
            pad_to_multiple_of (`int`, *optional*): Pads both to a multiple of this.
            return_attention_mask (`bool`, defaults to `True`): Whether to give masks of both.
            return_tensors (`str`, defaults to `"pt"`): `"pt"`, `"np"`, or `None` for lists with one entry a row.
            **kwargs: Arguments of [`GGMVideoProcessor`], for this call alone. These and those above can be given in
                `text_kwargs`, `videos_kwargs` and, for both, `common_kwargs`, too. Others of transformers' processors
                mean nothing here and are refused.

        Returns:
            `BatchFeature`: `pixel_values_videos` (b, f, 3, h, w) float32 and `frame_mask` (b, f) int64 of the videos,
            `description_input_ids` and `description_attention_mask` (b, l) int64 of the descriptions (the mask is 0
            throughout in a row without words), `input_ids` and `attention_mask` (n, m) int64 of the hashtags.

        Raises:
            `InputError`: Nothing is given, or `text` is an empty list, of another length than `videos`, or has
            something that is no string. `HashtagError`: `hashtags` is empty or has something that is no hashtag.
            `MediaError`: A clip cannot be read.
        """
        if videos is None and hashtags is None and text is None:
            raise InputError("Nothing to process: pass `videos`, `text`, `hashtags` or some of them.")
        arguments = merged_arguments(self, kwargs)
        longest = self.max_description_length or self.tokenizer.model_max_length
        options = TextArguments.of_call(arguments["text_kwargs"], longest, self.tokenizer.padding_side)
        data, metadata = {}, None
        if videos is not None:
            data.update(self.video_processor(videos, **arguments["videos_kwargs"]))
            metadata = data.pop("video_metadata", None)
        if text is not None:
            data.update(self._encode_descriptions([text] if isinstance(text, str) else text, options))
            if videos is not None and len(data["frame_mask"]) != len(data["description_input_ids"]):
                raise InputError(
                    f"`videos` has {len(data['frame_mask'])} rows, but `text` {len(data['description_input_ids'])}: "
                    "give one value per row in each, None where there is none."
                )
        if hashtags is not None:
            data.update(self._encode_hashtags([hashtags] if isinstance(hashtags, str) else hashtags, options))
        batch = BatchFeature(data, tensor_type=options.return_tensors)
        if metadata is not None and arguments["videos_kwargs"].get("return_metadata"):
            batch["video_metadata"] = metadata
        return batch

    def query_text(self, row: Mapping[str, Any]) -> str:
        """The texts of a row that a query is made of, one a line, as [`__call__`] takes them for its `text`.

        Args:
            row (`Mapping[str, Any]`): With its `description`, `transcript` and `screen_text`, as far as there are any.
        """
        return "\n".join(row[name] for name in self.query_texts if row.get(name))

    def _encode_hashtags(self, hashtags: Sequence[str], options: TextArguments) -> dict[str, Any]:
        texts = [normalize_hashtag(tag) for tag in hashtags]
        if not texts:
            raise HashtagError("hashtags is an empty list: pass at least one hashtag, or leave it out.")
        if self.word_splitter is not None:
            # As they are written, since capitals show where words begin.
            split = get_word_splitter(self.word_splitter)
            texts = [" ".join(split(tag.strip().lstrip("#＃"))).lower() for tag in hashtags]
        return self._encode(texts, replace(options, max_length=self.max_hashtag_length), "")

    def _encode_descriptions(self, text: Sequence[str | None], options: TextArguments) -> dict[str, Any]:
        for index, words in enumerate(text):
            if not isinstance(words, (str, type(None))):
                raise InputError(f"text[{index}] is a {type(words).__name__}: a description must be a string.")
        texts = [remove_hashtags(words or "") for words in text]
        if not texts:
            raise InputError("`text` is an empty list: pass at least one description, or leave it out.")
        return self._encode(texts, options, "description_")

    def _encode(self, texts: Sequence[str], options: TextArguments, prefix: str) -> dict[str, Any]:
        """
        Token ids and their mask, 0 throughout without words. The end token is kept where a text is cut: some towers
        (CLIP) pool there.
        """
        rows = token_ids_of_all(self.tokenizer, texts, options.room)
        encoded = {f"{prefix}input_ids": options.batch(rows, self.tokenizer.pad_token_id, options.max_length)}
        if options.with_mask:
            masks = [[int(bool(words))] * len(ids) for words, ids in zip(texts, rows)]
            encoded[f"{prefix}attention_mask"] = options.batch(masks, 0, options.max_length)
        return encoded

    @property
    def model_input_names(self) -> list[str]:
        videos, hashtags = ["pixel_values_videos", "frame_mask"], ["input_ids", "attention_mask"]
        return [*videos, *hashtags, "description_input_ids", "description_attention_mask"]

    @classmethod
    def from_backbone_pretrained(
        cls, pretrained_model_name_or_path, *, max_hashtag_length=16, word_splitter=None, **kwargs
    ):
        """
        Takes frame sizes, normalisation, tokenizer and length of descriptions from an image-text model such as CLIP,
        or what there is of them from a text encoder alone.

        Args:
            pretrained_model_name_or_path (`str` or `os.PathLike`): Folder or Hub repository with a `config.json`, a
                `preprocessor_config.json` (or `processor_config.json`) and tokenizer files; of a text encoder without
                the second.
            max_hashtag_length (`int`, defaults to 16), word_splitter (`str`, *optional*): As in the constructor; a
                text encoder alone gets `"wordninja"` by default.
            **kwargs: `revision`, `token`, `cache_dir`, `subfolder`, `local_files_only`.
        """
        config = AutoConfig.from_pretrained(pretrained_model_name_or_path, **kwargs)
        if not hasattr(config, "vision_config"):
            return cls.from_backbones_pretrained(
                text=pretrained_model_name_or_path,
                max_hashtag_length=max_hashtag_length,
                **({} if word_splitter is None else {"word_splitter": word_splitter}),
                **kwargs,
            )
        tokenizer = AutoTokenizer.from_pretrained(pretrained_model_name_or_path, **kwargs)
        text_config = config.get_text_config()
        positions = getattr(text_config, "max_position_embeddings", None)
        is_fewer = positions is not None and positions < tokenizer.model_max_length
        return cls(
            video_processor=GGMVideoProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs),
            tokenizer=tokenizer,
            max_hashtag_length=max_hashtag_length,
            max_description_length=positions if is_fewer else None,
            word_splitter=word_splitter,
        )

    @classmethod
    def from_backbones_pretrained(
        cls, *, text, vision=None, max_hashtag_length=16, word_splitter="wordninja", **kwargs
    ):
        """
        Takes tokenizer and length of descriptions from a text encoder, and frame sizes and normalisation from a vision
        encoder. Hashtags are split into words, which is what a text encoder knows that never saw hashtags.

        Args:
            text (`str` or `os.PathLike`): Folder or Hub id of the text encoder; the `max_seq_length` of its
                `sentence_bert_config.json` counts.
            vision (`str` or `os.PathLike`, *optional*): That of the vision encoder; by default frames have the
                sizes of [`GGMVideoProcessor`].
            max_hashtag_length (`int`, defaults to 16), word_splitter (`str`, defaults to `"wordninja"`): As in the
                constructor.
            **kwargs: As for [`~HashtagRetrieverProcessor.from_backbone_pretrained`].
        """
        tokenizer = AutoTokenizer.from_pretrained(text, **kwargs)
        positions = getattr(AutoConfig.from_pretrained(text, **kwargs), "max_position_embeddings", None)
        lengths = (tokenizer.model_max_length, positions, longest_text(text, **kwargs))
        return cls(
            video_processor=GGMVideoProcessor()
            if vision is None
            else GGMVideoProcessor.from_pretrained(vision, **kwargs),
            tokenizer=tokenizer,
            max_hashtag_length=max_hashtag_length,
            max_description_length=min(length for length in lengths if length),
            word_splitter=word_splitter,
        )

    @classmethod
    def _get_arguments_from_pretrained(cls, pretrained_model_name_or_path, processor_dict=None, **kwargs):
        # The base class asks AutoVideoProcessor, which knows our class only after registration.
        return [
            GGMVideoProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs),
            load_tokenizer(pretrained_model_name_or_path, **kwargs),
        ]
