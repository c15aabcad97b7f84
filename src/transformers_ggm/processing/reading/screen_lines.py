"""Lines that were read on the screen: which of them are the same, and which are not the author's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import regex

# Lines are one where so much of their letters is the same: a reader errs in a letter here and there.
_SAME_SHARE = 0.8
_USER_NAME = regex.compile(r"@\s?[\w.]+")
# What the apps put onto clips that are saved from them, as they write it, without spaces.
_MARKS = (
    "tiktok", "douyin", "抖音", "kuaishou", "快手", "kwai", "instagram", "reels", "youtube", "shorts", "youtubeshorts",
    "snapchat", "likee", "capcut", "剪映", "xiaohongshu", "小红书", "bilibili", "哔哩哔哩", "weibo", "微博", "vk",
    "triller",
)  # fmt: skip
# "抖音号: 12345", "ID:abc_9".
_ACCOUNT = regex.compile(r"(?:id|抖音号|快手号|小红书号)\s?[:：]\s?[\w.\-]+", regex.IGNORECASE)
_NOT_LETTERS = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


@dataclass(frozen=True)
class ScreenLine:
    """
    A line of text in a frame.

    Attributes:
        text (`str`): what it says.
        confidence (`float`): that of the reader, from 0 to 1.
    """

    text: str
    confidence: float


def merge_lines(frames: Sequence[Sequence[ScreenLine]]) -> list[str]:
    """
    The lines of several frames, each once: near-equal ones are one line, of which the surer reading counts, and a line
    that grows word by word counts when it is whole.

    Args:
        frames (`list[list[ScreenLine]]`): in their order.

    Returns:
        `list[str]`: in the order in which they appear.

    Example:

    ```python
    >>> from transformers_ggm.processing.reading.screen_lines import ScreenLine, merge_lines

    >>> merge_lines([[ScreenLine("FIRST SN0W", 0.8)], [ScreenLine("FIRST SNOW", 0.97), ScreenLine("day 2", 0.9)]])
    ['FIRST SNOW', 'day 2']

    ```
    """
    kept: list[ScreenLine] = []
    for line in (line for frame in frames for line in frame):
        place = next((number for number, other in enumerate(kept) if _same(line.text, other.text)), None)
        if place is None:
            kept.append(line)
        else:
            kept[place] = _better(kept[place], line)
    return [line.text for line in kept]


def _same(one: str, other: str) -> bool:
    first, second = letters_of(one), letters_of(other)
    return _grows(first, second) or SequenceMatcher(None, first, second).ratio() >= _SAME_SHARE


def _better(one: ScreenLine, other: ScreenLine) -> ScreenLine:
    first, second = letters_of(one.text), letters_of(other.text)
    if first != second and _grows(first, second):
        return one if len(first) > len(second) else other
    return max(one, other, key=lambda line: line.confidence)


def _grows(first: str, second: str) -> bool:
    """Whether one of two is the beginning of the other."""
    return first.startswith(second) or second.startswith(first)


def letters_of(text: str) -> str:
    """Letters and digits alone, small: readers err in spaces and in signs."""
    return _NOT_LETTERS.sub("", text).casefold()


def without_user_names(text: str) -> str:
    """
    A line without `@names`.

    Example:

    ```python
    >>> from transformers_ggm.processing.reading.screen_lines import without_user_names

    >>> without_user_names("with @anna.b in Rome"), without_user_names("@anna.b")
    ('with in Rome', '')

    ```
    """
    return " ".join(_USER_NAME.sub(" ", text).split())


def is_watermark(text: str) -> bool:
    """
    Whether a line is what an app puts onto clips that are saved from it: its name, or the account's number.

    Example:

    ```python
    >>> from transformers_ggm.processing.reading.screen_lines import is_watermark

    >>> is_watermark("TikTok"), is_watermark("ID: anna_9"), is_watermark("my TikTok dance")
    (True, True, False)

    ```
    """
    return letters_of(text) in _MARKS or _ACCOUNT.fullmatch(text.strip()) is not None
