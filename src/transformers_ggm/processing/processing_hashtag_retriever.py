"""Processor of the retriever: videos, descriptions and bare hashtags to tensors."""

from collections.abc import Sequence

import torch
from transformers import AutoConfig, AutoTokenizer
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessorMixin

from ..errors import HashtagError, InputError
from .hashtags import normalize_hashtag, remove_hashtags
from .saved_tokenizers import load_tokenizer
from .token_ids import pad_tokens, token_ids_of_all
from .video_processing_ggm import GGMVideoProcessor


class HashtagRetrieverProcessor(ProcessorMixin):
    """A [`GGMVideoProcessor`] and a tokenizer in one, for [`HashtagRetriever`].

    Args:
        video_processor ([`GGMVideoProcessor`]): Makes `pixel_values_videos` and `frame_mask`.
        tokenizer (`PreTrainedTokenizerBase`): Makes `input_ids` and `attention_mask` of hashtags and the same of
            descriptions; needs a padding token.
        max_hashtag_length (`int`, defaults to 16): Tokens after which a hashtag is cut off.
        max_description_length (`int`, *optional*): Tokens after which a description is cut off, no more than the text
            tower has positions. Defaults to the tokenizer's `model_max_length`.

    Example:

    ```python
    from transformers_ggm.processing import HashtagRetrieverProcessor

    processor = HashtagRetrieverProcessor.from_backbone_pretrained("openai/clip-vit-base-patch32")
    batch = processor(videos=["clip.mp4"], hashtags=["#snow", "toronto"])
    query = processor(videos=["clip.mp4"], text=["first snow in toronto"])
    ```
    """

    def __init__(self, video_processor=None, tokenizer=None, max_hashtag_length=16, max_description_length=None):
        super().__init__(video_processor, tokenizer)
        self.max_hashtag_length = max_hashtag_length
        self.max_description_length = max_description_length

    def __call__(
        self,
        videos=None,
        hashtags: Sequence[str] | None = None,
        return_tensors: str = "pt",
        text: str | Sequence[str | None] | None = None,
    ) -> BatchFeature:
        """Makes tensors of videos, of their descriptions and of hashtags (which need not be equally many).

        Args:
            videos: What [`GGMVideoProcessor`] takes.
            hashtags (`str` or `list[str]`): Hashtags, with or without `#`; the tokenizer gets them normalised and
                bare.
            return_tensors (`str`, defaults to `"pt"`): `"pt"` or `"np"`.
            text (`str` or `list[str]`): Descriptions, `None` or empty for a row without one. Hashtags in them are
                removed: a query is not to be shown what it is to find.

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
        data = {}
        if videos is not None:
            data.update(self.video_processor(videos))
        if text is not None:
            data.update(self._encode_descriptions([text] if isinstance(text, str) else text))
            if videos is not None and len(data["frame_mask"]) != len(data["description_input_ids"]):
                raise InputError(
                    f"`videos` has {len(data['frame_mask'])} rows, but `text` {len(data['description_input_ids'])}: "
                    "give one value per row in each, None where there is none."
                )
        if hashtags is not None:
            data.update(self._encode_hashtags([hashtags] if isinstance(hashtags, str) else hashtags))
        return BatchFeature(data, tensor_type=return_tensors)

    def _encode_hashtags(self, hashtags: Sequence[str]) -> dict:
        texts = [normalize_hashtag(tag) for tag in hashtags]
        if not texts:
            raise HashtagError("hashtags is an empty list: pass at least one hashtag, or leave it out.")
        input_ids, attention_mask = self._encode(texts, self.max_hashtag_length)
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def _encode_descriptions(self, text: Sequence[str | None]) -> dict:
        for index, words in enumerate(text):
            if not isinstance(words, (str, type(None))):
                raise InputError(f"text[{index}] is a {type(words).__name__}: a description must be a string.")
        texts = [remove_hashtags(words or "") for words in text]
        if not texts:
            raise InputError("`text` is an empty list: pass at least one description, or leave it out.")
        input_ids, mask = self._encode(texts, self.max_description_length or self.tokenizer.model_max_length)
        mask[[not words for words in texts]] = 0
        return {"description_input_ids": input_ids, "description_attention_mask": mask}

    def _encode(self, texts: Sequence[str], max_length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and their mask. The end token is kept where a text is cut: some towers (CLIP) pool there."""
        rows = token_ids_of_all(self.tokenizer, texts, max_length)
        side = self.tokenizer.padding_side
        mask = pad_tokens([[1] * len(ids) for ids in rows], 0, None, side)
        return pad_tokens(rows, self.tokenizer.pad_token_id, None, side), mask

    @property
    def model_input_names(self) -> list[str]:
        videos, hashtags = ["pixel_values_videos", "frame_mask"], ["input_ids", "attention_mask"]
        return [*videos, *hashtags, "description_input_ids", "description_attention_mask"]

    @classmethod
    def from_backbone_pretrained(cls, pretrained_model_name_or_path, *, max_hashtag_length=16, **kwargs):
        """Takes frame sizes, normalisation, tokenizer and length of descriptions from an image-text model such as CLIP.

        Args:
            pretrained_model_name_or_path (`str` or `os.PathLike`): Folder or Hub repository with a `config.json`, a
                `preprocessor_config.json` (or `processor_config.json`) and tokenizer files.
            max_hashtag_length (`int`, defaults to 16): As in the constructor.
            **kwargs: `revision`, `token`, `cache_dir`, `subfolder`, `local_files_only`.
        """
        tokenizer = AutoTokenizer.from_pretrained(pretrained_model_name_or_path, **kwargs)
        text_config = AutoConfig.from_pretrained(pretrained_model_name_or_path, **kwargs).get_text_config()
        positions = getattr(text_config, "max_position_embeddings", None)
        is_fewer = positions is not None and positions < tokenizer.model_max_length
        return cls(
            video_processor=GGMVideoProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs),
            tokenizer=tokenizer,
            max_hashtag_length=max_hashtag_length,
            max_description_length=positions if is_fewer else None,
        )

    @classmethod
    def _get_arguments_from_pretrained(cls, pretrained_model_name_or_path, processor_dict=None, **kwargs):
        # The base class asks AutoVideoProcessor, which knows our class only after registration.
        return [
            GGMVideoProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs),
            load_tokenizer(pretrained_model_name_or_path, **kwargs),
        ]
