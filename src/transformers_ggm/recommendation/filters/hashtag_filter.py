"""What filters have in common: hashtags in, best first, and for each a reason to leave it out, or none."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Removed:
    """
    A hashtag that is not shown.

    Attributes:
        hashtag (`str`): without `#`.
        reason (`str`): the name of the filter, such as `"unsafe"`.
        category (`str`, *optional*): of what, such as `"drugs"`.
        because (`str`, *optional*): the term, pattern or hashtag that it was left out for.
    """

    hashtag: str
    reason: str
    category: str | None = None
    because: str | None = None


class HashtagFilter(ABC):
    """
    Tells which hashtags are not to be shown. Subclass it for one of your own.

    Attributes:
        name (`str`): the reason that is told of what is left out.
        looks_at_list (`bool`): whether it depends on the other hashtags of a list (near-duplicates, how many), and so
            comes when they are ranked; else it comes before, and the generator is not guided by what it leaves out.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import HashtagFilter, Removed, filter_hashtags

    >>> class TooShort(HashtagFilter):
    ...     name = "too_short"
    ...     def removed(self, hashtags):
    ...         return [Removed(tag, self.name) if len(tag) < 3 else None for tag in hashtags]
    >>> filter_hashtags(["snow", "up"], [TooShort()])
    (['snow'], [Removed(hashtag='up', reason='too_short', category=None, because=None)])

    ```
    """

    name: str
    looks_at_list: bool = False

    @abstractmethod
    def removed(self, hashtags: Sequence[str]) -> list[Removed | None]:
        """
        Why each hashtag is left out.

        Args:
            hashtags (`Sequence[str]`): Normalised, without `#`, the best first.

        Returns:
            `list[Removed | None]`: One for each of them; `None` where it may be shown.
        """


def filter_hashtags(hashtags: Sequence[str], filters: Sequence[HashtagFilter]) -> tuple[list[str], list[Removed]]:
    """
    Sends hashtags through filters, one after the other.

    Args:
        hashtags (`Sequence[str]`): Normalised, the best first.
        filters (`Sequence[HashtagFilter]`): In this order.

    Returns:
        `tuple[list[str], list[Removed]]`: What may be shown, in the same order; and what was left out, each for the
        first reason.
    """
    kept, removed = list(hashtags), []
    for each in filters:
        reasons = each.removed(kept)
        removed += [reason for reason in reasons if reason is not None]
        kept = [hashtag for hashtag, reason in zip(kept, reasons) if reason is None]
    return kept, removed
