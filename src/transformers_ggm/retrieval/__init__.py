"""What is known, with its vectors: the hashtag pool, and the index of tagged posts."""

from .description_encoder import DescriptionEncoder
from .hashtag_pool import HashtagPool
from .hashtag_uses import HashtagUses
from .post_index import PostIndex, SimilarPost
from .text_encoder import TextEncoder

__all__ = ["DescriptionEncoder", "HashtagPool", "HashtagUses", "PostIndex", "SimilarPost", "TextEncoder"]
