"""Processors: media, hashtags and text in, tensors out, and generated tokens back to hashtags."""

from ..utils.hashtag_words import split_hashtag
from .hashtags import extract_hashtags, is_valid_hashtag, join_hashtags, normalize_hashtag, remove_hashtags
from .media import Media, MediaDamage, MediaLimits, decode_media
from .processing_clips import ClipProcessor
from .processing_ggm import GGMProcessor
from .processing_hashtag_retriever import HashtagRetrieverProcessor
from .processing_instructed import InstructedProcessor
from .video_processing_ggm import GGMVideoProcessor

__all__ = [
    "ClipProcessor",
    "GGMProcessor",
    "GGMVideoProcessor",
    "HashtagRetrieverProcessor",
    "InstructedProcessor",
    "Media",
    "MediaDamage",
    "MediaLimits",
    "decode_media",
    "extract_hashtags",
    "is_valid_hashtag",
    "join_hashtags",
    "normalize_hashtag",
    "remove_hashtags",
    "split_hashtag",
]
