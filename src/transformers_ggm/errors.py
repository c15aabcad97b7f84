"""Errors of this package. Each one subclasses `ValueError` or `OSError`, names what is wrong and says what to do."""


class MediaError(ValueError):
    """
    A clip cannot be read: missing, truncated, no video stream, no frames, over a limit, or not a video at all.

    Example:

    ```python
    >>> from transformers_ggm import GGMVideoProcessor, MediaError

    >>> try:
    ...     GGMVideoProcessor().decode(b"no video")
    ... except MediaError as error:
    ...     print("left out")
    left out

    ```
    """


class HashtagError(ValueError):
    """A hashtag that is no hashtag by the twitter-text rules, or an empty list where hashtags are needed."""


class InputError(ValueError):
    """The inputs of a processor or model do not fit together, for instance an empty description with no video."""


class PoolError(ValueError):
    """A hashtag pool cannot do what was asked: `k` out of range, unknown hashtags, vectors of another width."""


class RetrieverMismatchError(PoolError):
    """A hashtag pool was made by another retriever than the one it is used with."""


class PostIndexError(ValueError):
    """An index of tagged posts cannot do what was asked: nothing to search by, vectors of another width, no posts."""


class EncoderMismatchError(PostIndexError):
    """An index of tagged posts was made by another text encoder than the one it is used with."""


class SourceError(ValueError):
    """A source of candidates failed, is not known, or answered what is no list of candidates for each row."""


class RankerError(ValueError):
    """A ranker cannot be fitted on what is given, or its features are not those of the sources."""


class DatasetError(OSError):
    """A data folder is not in the Hub's folder convention: no `metadata.jsonl`, a row without its file or field."""


class OutputError(DatasetError):
    """
    What a command is to write cannot be written where it is told to: a file in place of a folder, no rights, no room.
    """


class CheckpointError(OSError):
    """A checkpoint folder or repository lacks a part that is needed, or the part cannot be read."""


class StoreError(OSError):
    """A pool store cannot be reached, read or written, or was made by another version of this package."""


class PushError(CheckpointError):
    """Files could not be pushed to the Hub. No part of them is there, so that pushing again is safe."""


class ClusterError(OSError):
    """A Ray cluster cannot be reached, lacks what is asked of it, or the work on it failed."""


class ArgumentError(ValueError):
    """An argument of `train.py` has a value that it cannot be used with, or does not fit the others."""


class RequestError(ValueError):
    """
    A request to a server is refused, with a status of HTTP.

    Args:
        status (`int`): As HTTP has it, such as 404.
        message (`str`): What is wrong with the request.
        headers (`dict[str, str]`, *optional*): Of the answer, such as `Retry-After`.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.headers = status, headers or {}
