"""Whether hashtags that nobody used before are shown."""

from collections.abc import Container, Sequence

from .hashtag_filter import HashtagFilter, Removed


class NovelFilter(HashtagFilter):
    """
    Leaves out hashtags that are not in a pool.

    Args:
        pool (`Container[str]`): A [`HashtagPool`], or a set of hashtags.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import NovelFilter

    >>> [each and each.reason for each in NovelFilter({"snow"}).removed(["snow", "snowfox"])]
    [None, 'novel']

    ```
    """

    name = "novel"

    def __init__(self, pool: Container[str]):
        self._pool = pool

    def removed(self, hashtags: Sequence[str]) -> list[Removed | None]:
        return [None if hashtag in self._pool else Removed(hashtag, self.name) for hashtag in hashtags]
