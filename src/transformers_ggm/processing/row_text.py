"""The text that the generator reads of a row: its parts, how much room each has, and what stands between them."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError
from .hashtags import join_hashtags
from .modalities import TEXTS
from .token_ids import token_ids


@dataclass(frozen=True)
class TextShares:
    """
    What share of the room each part of a text has at least, where not all of them fit. What a part does not need is
    left to the others. The description has what these leave.

    Attributes:
        transcript, screen_text (`float`, default to 0.0): a text with a share of 0 is not read at all.
        guidance (`float`, defaults to 0.5): of the retrieved hashtags.

    Raises:
        InputError: A share is below 0, or they leave nothing to the description.
    """

    transcript: float = 0.0
    screen_text: float = 0.0
    guidance: float = 0.5

    def __post_init__(self):
        shares = (self.transcript, self.screen_text, self.guidance)
        if min(shares) < 0 or sum(shares) >= 1:
            raise InputError(
                f"transcript_share={shares[0]}, screen_text_share={shares[1]} and guidance_share={shares[2]}: give"
                " each 0 or more, and together less than 1, so that something is left to the description."
            )

    @property
    def of_texts(self) -> tuple[float, ...]:
        """Those of `TEXTS`."""
        return (1 - self.transcript - self.screen_text - self.guidance, self.transcript, self.screen_text)

    @property
    def read(self) -> tuple[str, ...]:
        """Which of `TEXTS` are read."""
        return tuple(name for name, share in zip(TEXTS, self.of_texts) if share)


DEFAULT_SHARES = TextShares()


def encode_text(
    tokenizer, texts: Sequence[str], guidance: Sequence[str], max_length: int, shares: TextShares = DEFAULT_SHARES
) -> list[int]:
    """Token ids of "description [sep] transcript [sep] screen text [sep] #first #second ...".

    Between the parts stands what the tokenizer puts between two texts; nothing stands for parts that are missing. What
    does not fit is left out: hashtags as [`fitting_guidance`] says, whole, and then the ends of the texts.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Of the text backbone.
        texts (`Sequence[str]`): The row's `TEXTS`, each possibly empty; further ones may be left out.
        guidance (`Sequence[str]`): Hashtags, possibly none.
        max_length (`int`): The most tokens, special ones included.
        shares ([`TextShares`], defaults to `TextShares()`): The room of each part.
    """
    parts = _parts(texts, shares)
    ids = _joined(tokenizer, [text for text, _ in parts], join_hashtags(guidance))
    if len(ids) > max_length:
        hint = join_hashtags(guidance[: fitting_guidance(tokenizer, texts, guidance, max_length, shares)])
        ids = _cut(tokenizer, parts, hint, max_length)
    # A row without words still needs one token to attend to, which bare fast tokenizers do not add.
    return ids or [tokenizer.eos_token_id]


def fitting_guidance(
    tokenizer, texts: Sequence[str], guidance: Sequence[str], max_length: int, shares: TextShares = DEFAULT_SHARES
) -> int:
    """How many hashtags of the guidance there is room for beside the texts, from the first on, each whole.

    Long texts leave them their share of the room, and they leave the other shares to the texts.

    Args:
        tokenizer, texts, guidance, max_length, shares: See [`encode_text`].

    Example:

    ```python
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from transformers import PreTrainedTokenizerFast
    >>> from transformers_ggm.processing.row_text import fitting_guidance

    >>> words = Tokenizer(models.WordLevel({"<unk>": 0, "#": 1, "</s>": 2, "snow": 3}, unk_token="<unk>"))
    >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>")
    >>> fitting_guidance(tokenizer, ["snow"], ["snow"] * 9, max_length=20)
    9
    >>> fitting_guidance(tokenizer, ["snow " * 50], ["snow"] * 9, max_length=20)
    4

    ```
    """
    parts = [text for text, _ in _parts(texts, shares)]
    hint = join_hashtags(guidance)
    total = len(_joined(tokenizer, parts, hint))
    if total <= max_length:
        return len(guidance)
    lengths = [len(_bare(tokenizer, text)) for text in parts]
    room = max_length - (total - sum(lengths) - len(_bare(tokenizer, hint)))
    return bisect_right(
        range(1, len(guidance) + 1),
        max(room - sum(lengths), int(room * shares.guidance)),
        key=lambda count: len(_bare(tokenizer, join_hashtags(guidance[:count]))),
    )


def shared_room(lengths: Sequence[int], shares: Sequence[float], room: int) -> list[int]:
    """
    How many tokens of each text are kept: its share of the room at least, if it has as many.

    Args:
        lengths (`Sequence[int]`): Of the texts.
        shares (`Sequence[float]`): More than 0 each, in proportion to one another.
        room (`int`): For all of them.

    Example:

    ```python
    >>> from transformers_ggm.processing.row_text import shared_room

    >>> shared_room([2, 90, 90], [0.5, 0.25, 0.25], room=40), shared_room([30, 5], [0.5, 0.5], room=40)
    ([2, 19, 19], [30, 5])

    ```
    """
    kept, room = [0] * len(lengths), max(room, 0)
    # First those that need least of their share, so that the others know what is left to them.
    order = sorted(range(len(lengths)), key=lambda number: lengths[number] / shares[number])
    for place, number in enumerate(order):
        own = shares[number] / sum(shares[other] for other in order[place:])
        kept[number] = min(lengths[number], int(room * own))
        room -= kept[number]
    return kept


def _parts(texts: Sequence[str], shares: TextShares) -> list[tuple[str, float]]:
    """The texts that there are, with their shares; at least one, which may be empty."""
    return [(text, share) for text, share in zip(texts, shares.of_texts) if text and share] or [("", 1.0)]


def _joined(tokenizer, texts: Sequence[str], hint: str) -> list[int]:
    if len(texts) > 1:
        return framed(tokenizer, [_bare(tokenizer, part) for part in (*texts, hint) if part])
    text = texts[0]
    if hint and not _separates(tokenizer):
        text, hint = f"{text} {tokenizer.sep_token or tokenizer.eos_token or ''} {hint}", ""
    return token_ids(tokenizer, text, hint)


def _cut(tokenizer, parts: Sequence[tuple[str, float]], hint: str, max_length: int) -> list[int]:
    """As [`_joined`], with no more of the texts than there is room for."""
    if len(parts) == 1 and not hint:
        return token_ids(tokenizer, parts[0][0], max_length=max_length)
    if len(parts) == 1 and not _separates(tokenizer):
        text = parts[0][0]
        # As one text, it would be cut at its end, where the hashtags are.
        lengths = bisect_right(
            range(len(text) + 1), max_length, key=lambda end: len(_joined(tokenizer, [text[:end]], hint))
        )
        return _joined(tokenizer, [text[: max(lengths - 1, 0)]], hint)
    pieces = [_bare(tokenizer, text) for text, _ in parts]
    lengths = [len(piece) for piece in pieces]
    hints = [_bare(tokenizer, hint)] if hint else []
    room = max_length - (len(framed(tokenizer, [*pieces, *hints])) - sum(lengths))
    kept = shared_room(lengths, [share for _, share in parts], room)
    from_left = tokenizer.truncation_side == "left"
    cut = [piece[len(piece) - count :] if from_left else piece[:count] for piece, count in zip(pieces, kept)]
    return framed(tokenizer, [*cut, *hints])


def framed(tokenizer, pieces: Sequence[Sequence[int]]) -> list[int]:
    """
    Token ids of pieces of text with the special tokens that the tokenizer puts before, between and after two texts.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Of the text backbone.
        pieces (`Sequence[Sequence[int]]`): Token ids of each piece, without special ones.
    """
    bare, pair = _bare(tokenizer, "a"), token_ids(tokenizer, "a", "a")
    first = _place(bare, pair, 0)
    second = _place(bare, pair, first + len(bare))
    between = pair[first + len(bare) : second]
    if not between:
        between = [token for token in (tokenizer.sep_token_id, tokenizer.eos_token_id) if token is not None][:1]
    joined = [token for piece in pieces for token in (*between, *piece)][len(between) :]
    return [*pair[:first], *joined, *pair[second + len(bare) :]]


def _place(piece: list[int], ids: list[int], start: int) -> int:
    return next(place for place in range(start, len(ids)) if ids[place : place + len(piece)] == piece)


def _bare(tokenizer, text: str) -> list[int]:
    return token_ids(tokenizer, text, add_special_tokens=False)


def _separates(tokenizer) -> bool:
    """Whether there is something between the two texts of a pair; mBART and bare fast tokenizers put nothing there."""
    return tokenizer.num_special_tokens_to_add(pair=True) > tokenizer.num_special_tokens_to_add(pair=False)
