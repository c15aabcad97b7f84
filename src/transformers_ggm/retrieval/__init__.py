"""The hashtag pool: known hashtags with their vectors, searched by the vector of a video."""

from .hashtag_pool import HashtagPool

__all__ = ["HashtagPool"]
