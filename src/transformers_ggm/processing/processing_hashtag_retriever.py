"""Processor of the retriever: videos and bare hashtags to tensors."""

from collections.abc import Sequence

from transformers import AutoTokenizer
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessorMixin

from ..errors import HashtagError, InputError
from .hashtags import normalize_hashtag
from .video_processing_ggm import GGMVideoProcessor


class HashtagRetrieverProcessor(ProcessorMixin):
    """A [`GGMVideoProcessor`] and a tokenizer in one, for [`HashtagRetriever`].

    Args:
        video_processor ([`GGMVideoProcessor`]): Makes `pixel_values_videos` and `frame_mask`.
        tokenizer (`PreTrainedTokenizerBase`): Makes `input_ids` and `attention_mask`; needs a padding token.
        max_hashtag_length (`int`, defaults to 16): Tokens after which a hashtag is cut off.

    Example:

    ```python
    from transformers_ggm.processing import HashtagRetrieverProcessor

    processor = HashtagRetrieverProcessor.from_backbone_pretrained("openai/clip-vit-base-patch32")
    batch = processor(videos=["clip.mp4"], hashtags=["#snow", "toronto"])
    ```
    """

    def __init__(self, video_processor=None, tokenizer=None, max_hashtag_length=16):
        super().__init__(video_processor, tokenizer)
        self.max_hashtag_length = max_hashtag_length

    def __call__(self, videos=None, hashtags: Sequence[str] | None = None, return_tensors: str = "pt") -> BatchFeature:
        """Makes tensors of videos, of hashtags, or of both (which need not be equally many).

        Args:
            videos: What [`GGMVideoProcessor`] takes.
            hashtags (`str` or `list[str]`): Hashtags, with or without `#`; the tokenizer gets them normalised and
                bare.
            return_tensors (`str`, defaults to `"pt"`): `"pt"` or `"np"`.

        Returns:
            `BatchFeature`: `pixel_values_videos` (b, f, 3, h, w) float32 and `frame_mask` (b, f) int64 of the videos,
            `input_ids` and `attention_mask` (n, m) int64 of the hashtags.

        Raises:
            `InputError`: Neither videos nor hashtags are given. `HashtagError`: `hashtags` is empty or has something
            that is no hashtag. `MediaError`: A clip cannot be read.
        """
        if videos is None and hashtags is None:
            raise InputError("Nothing to process: pass `videos`, `hashtags` or both.")
        data = {}
        if videos is not None:
            data.update(self.video_processor(videos, return_tensors=return_tensors))
        if hashtags is not None:
            data.update(self._encode_hashtags([hashtags] if isinstance(hashtags, str) else hashtags, return_tensors))
        return BatchFeature(data)

    def _encode_hashtags(self, hashtags: Sequence[str], return_tensors: str) -> dict:
        texts = [normalize_hashtag(tag) for tag in hashtags]
        if not texts:
            raise HashtagError("hashtags is an empty list: pass at least one hashtag, or leave it out.")
        encoded = self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_hashtag_length, return_tensors=return_tensors
        )
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}

    @property
    def model_input_names(self) -> list[str]:
        return ["pixel_values_videos", "frame_mask", "input_ids", "attention_mask"]

    @classmethod
    def from_backbone_pretrained(cls, pretrained_model_name_or_path, *, max_hashtag_length=16, **kwargs):
        """Takes frame sizes, normalisation and tokenizer from an image-text model such as CLIP or SigLIP.

        Args:
            pretrained_model_name_or_path (`str` or `os.PathLike`): Folder or Hub repository with a
                `preprocessor_config.json` (or `processor_config.json`) and tokenizer files.
            max_hashtag_length (`int`, defaults to 16): As in the constructor.
            **kwargs: `revision`, `token`, `cache_dir`, `subfolder`, `local_files_only`.
        """
        return cls(
            video_processor=GGMVideoProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs),
            tokenizer=AutoTokenizer.from_pretrained(pretrained_model_name_or_path, **kwargs),
            max_hashtag_length=max_hashtag_length,
        )

    @classmethod
    def _get_arguments_from_pretrained(cls, pretrained_model_name_or_path, processor_dict=None, **kwargs):
        # The base class asks AutoVideoProcessor, which knows our class only after registration.
        return [
            GGMVideoProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs),
            AutoTokenizer.from_pretrained(pretrained_model_name_or_path, **kwargs),
        ]
