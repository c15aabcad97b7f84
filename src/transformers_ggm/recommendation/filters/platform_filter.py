"""What platforms want of hashtags: how many, how long, which words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from ...errors import InputError
from ...utils.yaml_files import read_yaml_mapping
from .hashtag_filter import HashtagFilter, Removed
from .term_finder import TermFinder
from .term_lists import Term

_FILE = Path(__file__).with_name("platforms.yaml")


@dataclass(frozen=True)
class Platform:
    """
    What a platform wants of hashtags, see `platforms.yaml` for sources and days.

    Attributes:
        name (`str`): such as `"tiktok"`.
        most (`int`): how many hashtags a post has at most.
        is_limit (`bool`): whether more are refused, or only advised against.
        longest (`int`): how many characters a hashtag has at most.
        names (`tuple[str, ...]`): words of this platform.
    """

    name: str
    most: int
    is_limit: bool
    longest: int
    names: tuple[str, ...]


@lru_cache(maxsize=1)
def platforms() -> dict[str, Platform]:
    """
    All platforms that are known.

    Returns:
        `dict[str, Platform]`: By name.

    Raises:
        InputError: Their table is missing, as where this code lies beside a checkpoint.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import platforms

    >>> {name: platform.most for name, platform in platforms().items()}
    {'tiktok': 5, 'instagram': 5, 'youtube': 15, 'x': 2, 'mastodon': 4, 'linkedin': 3}

    ```
    """
    try:
        table = read_yaml_mapping(_FILE, "platforms to what they want")
    except ValueError as error:
        raise InputError(f"{error} `pip install transformers-ggm` for platform=, or leave it out.") from error
    return {
        name: Platform(name, row["most"], row["is_limit"], row["longest"], tuple(row["names"]))
        for name, row in table.items()
    }


def get_platform(name: str) -> Platform:
    """
    A platform by its name.

    Raises:
        InputError: It is not known.
    """
    if name not in platforms():
        raise InputError(f"platform={name!r} is not known: give one of {', '.join(map(repr, platforms()))}.")
    return platforms()[name]


class PlatformFilter(HashtagFilter):
    """
    Leaves out hashtags that are too long for a platform, or name another one (`#tiktok` on YouTube).

    Args:
        platform (`str`): `"tiktok"`, `"instagram"`, `"youtube"`, `"x"`, `"mastodon"` or `"linkedin"`.

    Raises:
        InputError: The platform is not known.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import PlatformFilter

    >>> found = PlatformFilter("youtube").removed(["snow", "tiktokdance"])
    >>> [each and each.because for each in found]
    [None, 'tiktok']

    ```
    """

    name = "platform"

    def __init__(self, platform: str):
        self._platform = get_platform(platform)
        self._others = _names_of_others(platform)

    def removed(self, hashtags: Sequence[str]) -> list[Removed | None]:
        return [self._reason(hashtag) for hashtag in hashtags]

    def _reason(self, hashtag: str) -> Removed | None:
        if len(hashtag) > self._platform.longest:
            return Removed(hashtag, self.name, "length", f"{len(hashtag)} characters")
        found = self._others.find(hashtag)
        # Disguised ones are other words: twits are no tweets.
        return None if found is None or found.cost > 1 else Removed(hashtag, self.name, "name", found.term.text)


class NumberFilter(HashtagFilter):
    """
    Leaves out all but the best hashtags of a list.

    Args:
        most (`int`): How many are left at most.

    Raises:
        InputError: `most` is below 1.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import NumberFilter

    >>> [each and each.reason for each in NumberFilter(1).removed(["snow", "lake"])]
    [None, 'number']

    ```
    """

    name = "number"
    looks_at_list = True

    def __init__(self, most: int):
        if most < 1:
            raise InputError(f"most={most}: give 1 or more.")
        self._most = most

    def removed(self, hashtags: Sequence[str]) -> list[Removed | None]:
        late = (Removed(hashtag, self.name) for hashtag in hashtags[self._most :])
        return [*([None] * min(self._most, len(hashtags))), *late]


@cache
def _names_of_others(platform: str) -> TermFinder:
    return TermFinder(
        Term(word, other.name) for other in platforms().values() if other.name != platform for word in other.names
    )
