"""What a prompt for a language model is made of, and which of it is left out where it is too long."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import regex

from .hashtags import join_hashtags
from .modalities import TEXTS
from .row_text import shared_room

_HEADINGS = {"description": "Its author wrote", "transcript": "Spoken in it", "screen_text": "Written on the screen"}
# What marks turns and roles in the templates of chats that have no special tokens for it.
_MARKERS = (
    r"<\|[^|<>\s]{1,40}\|>",
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS)\]",
    r"<</?SYS>>",
    r"</?(?:s|think|tool_call|start_of_turn|end_of_turn)>",
)
_LOOKS_LIKE_MARKER = regex.compile(r"[<\[].+[>\]]")


@dataclass(frozen=True)
class Example:
    """A similar post, to be shown with its answer: its words and its hashtags (normalised)."""

    text: str
    hashtags: tuple[str, ...]


@dataclass(frozen=True)
class PromptParts:
    """
    What is known of one clip, as a language model reads it.

    Attributes:
        description, transcript, screen_text, language (`str`, default to `""`): each on one line.
        guidance (`tuple[str, ...]`): hashtags found for the clip, best first.
        examples (`tuple[Example, ...]`): similar posts, the most similar last.
        num_frames (`int`, defaults to 0): how many frames are shown with the words.
    """

    description: str = ""
    transcript: str = ""
    screen_text: str = ""
    language: str = ""
    guidance: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    num_frames: int = 0

    def request(self, instruction: str) -> str:
        """What the model is asked: what is known of the clip, a line each, and then the instruction."""
        lines = ["These are frames of a short video, in their order."] if self.num_frames else ["A short video."]
        lines += [f"{heading}: {getattr(self, name)}" for name, heading in _HEADINGS.items() if getattr(self, name)]
        if self.language:
            lines.append(f"Its language: {self.language}")
        if self.guidance:
            lines.append(f"Hashtags of similar videos: {join_hashtags(self.guidance)}")
        return "\n".join([*lines, instruction])

    def of_example(self, example: Example) -> "PromptParts":
        """The parts of a post that is shown before this clip."""
        return PromptParts(description=example.text)


def markers_of(tokenizer, *others: str | None) -> regex.Pattern:
    """
    A pattern of what a user's words must not bring into a prompt: special tokens, places of images, marks of turns.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): of the language model.
        others (`str`): further tokens, such as a processor's `image_token`.
    """
    added = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special or _LOOKS_LIKE_MARKER.fullmatch(token.content)
    ]
    tokens = {token for token in (*tokenizer.all_special_tokens, *added, *others) if token and token.strip()}
    escaped = [regex.escape(token) for token in sorted(tokens, key=len, reverse=True)]
    return regex.compile("|".join([*escaped, *_MARKERS]))


def on_one_line(text: str, markers: regex.Pattern) -> str:
    """A user's words without `markers` and without ends of lines, which separate the parts of a prompt."""
    return " ".join(markers.sub(" ", text).split())


def fitted(
    parts: PromptParts,
    length_of: Callable[[PromptParts], int],
    max_length: int,
    shares: Sequence[float],
) -> PromptParts:
    """
    The parts that a prompt of `max_length` tokens has room for. Left out are first the examples, the least similar
    first; then the ends of the texts, each of which keeps its share of the room; then the guidance, its last ones
    first.

    Args:
        parts ([`PromptParts`]): of a clip.
        length_of (`Callable[[PromptParts], int]`): tokens of the whole prompt of some parts.
        max_length (`int`): the most tokens.
        shares (`Sequence[float]`): of the room for each of `TEXTS`, more than 0, where it is too little for all. What
            one text does not need is left to the others.

    Returns:
        [`PromptParts`]: the instruction alone may still be too long.
    """
    while parts.examples and length_of(parts) > max_length:
        parts = replace(parts, examples=parts.examples[1:])
    if length_of(parts) <= max_length:
        return parts
    texts = [getattr(parts, name) for name in TEXTS]

    def with_room(room: int) -> PromptParts:
        kept = shared_room(list(map(len, texts)), shares, room)
        return replace(parts, **{name: text[:count].rstrip() for name, text, count in zip(TEXTS, texts, kept)})

    room = bisect_right(range(sum(map(len, texts))), max_length, key=lambda room: length_of(with_room(room))) - 1
    if room >= 0:
        return with_room(room)
    parts = with_room(0)
    counts = range(len(parts.guidance) + 1)
    count = bisect_right(
        counts, max_length, key=lambda count: length_of(replace(parts, guidance=parts.guidance[:count]))
    )
    return replace(parts, guidance=parts.guidance[: max(count - 1, 0)])


__all__ = ["Example", "PromptParts", "fitted", "markers_of", "on_one_line"]
