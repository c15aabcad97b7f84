"""
Hashtags as they stand in the tables and records of others: lists, printed lists, text between separators, objects.

In running text the rules of twitter-text hold ([`extract_hashtags`]). A field that is there for hashtags is read more
generously, and what of it is no hashtag is told, so that nobody loses labels without a word.
"""

import ast
import html
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import regex

from ..utils.file_names import whole_text
from .addresses import ADDRESS
from .hashtags import HASHTAG_CHARACTERS, is_valid_hashtag, normalize_hashtag

# Where objects have the hashtag itself, in the order of trial: records of TikTok and Twitter, and what people write.
_NAMES = ("hashtag", "hashtags", "hashtagName", "tag", "tags", "name", "names", "text", "title", "label", "value")
# What programs write in place of a value that is missing.
_MISSING = frozenset({"nan", "none", "null", "n/a", "<na>", "nat", "undefined"})
_NESTED_AT_MOST = 8
_EXAMPLE_LENGTH = 60
_DIFFERENT_AT_MOST = 10_000
_SHOWN_AT_MOST = 5

_ADDRESS = regex.compile(ADDRESS)
# What ends something in any script, but for dots and colons, which stand within words too; and signs of lists.
_SEPARATOR = regex.compile(r"[\p{Terminal_Punctuation}--[.:]]|[\n\r\t\v\f\u2028\u2029/／|｜¦•‣◦∙●▪▸►◆★]", regex.V1)
_BETWEEN_WORDS = regex.compile(r"[\s\u200b\u2060\ufeff]+")
# Generously: with a space behind it, too. Not in `&#39;`.
_SIGN = regex.compile(rf"(?<![&#＃])[#＃]++\s*+(?={HASHTAG_CHARACTERS})")
_CHARACTERS = regex.compile(HASHTAG_CHARACTERS)
# What may stand around a hashtag: quotes, brackets, dashes, dots, emoji. Not `@`, `#`, `+` and the like, with which it
# is another word. Middle dots and waves belong to words only within them.
_AROUND = regex.compile(r"[\s\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Pd}\p{So}\p{Emoji_Modifier}'\"`.:…*·・〜～\ufe0e\ufe0f\u200d]")
_WORD = regex.compile(r"[\p{L}\p{N}]")
# A character by its number in HTML; that of a control character stands for nothing.
_NUMBERED = regex.compile(r"&#(?:[0-9]++|[xX][0-9a-fA-F]++);?")
# An emoji by itself was meant for a label too.
_MEANT = regex.compile(r"[\p{L}\p{N}\p{So}]")
# Lists as Python, NumPy, Spark, Postgres and others print them, of which only some can be parsed.
_LISTED = regex.compile(
    r"(?:(?:array|list|tuple|set|frozenset|deque|dict_keys|dict_values)\s*(?=\())?([\[({].*[\])}])", regex.DOTALL
)
_LIST_TYPE = regex.compile(r"dtype=[^)\]]*")
_SIDE_BY_SIDE = regex.compile(r"""['"]\s+['"]""")
_QUOTED = regex.compile(r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\"""", regex.DOTALL)
_PARSE_ERRORS = (ValueError, SyntaxError, RecursionError, MemoryError)


@dataclass(frozen=True)
class ReadHashtags:
    """
    What a field has.

    Attributes:
        hashtags (`list[str]`): normalised, each once, in order.
        dropped (`list[str]`): what else was meant for one, as written, at most 60 characters of each.
        written (`list[str]`): `hashtags` in the spelling in which each stands there first.
    """

    hashtags: list[str]
    dropped: list[str]
    written: list[str] = field(default_factory=list, repr=False, compare=False)


def read_hashtags(value: Any) -> ReadHashtags:
    """
    Reads a field that is there for hashtags, in any of the forms in which people have them, each hashtag with or
    without `#`:

    - lists, arrays, sets and whatever else can be gone through, nested or not, of any of these forms. An entry is one
      hashtag, so that one of several words is no hashtag;
    - text: `"#snow #lake"`, `"#snow#lake"`, `"snow, lake"`, with any of the separators `,` `;` `|` `/` `、` `•`, ends
      of lines and of sentences, in any script and width. Words between mere spaces are hashtags where no `#` is in the
      text;
    - text that is a list: JSON, or as Python, NumPy, Spark or Postgres print one;
    - objects with the hashtag in `hashtag`, `name`, `text`, `title` or the like, as platforms' records are.

    `None` and NaN are no value at all. Addresses, numbers and whatever else is no hashtag are listed in `dropped`.

    Example:

    ```python
    >>> from transformers_ggm.processing.hashtag_fields import read_hashtags
    >>> read_hashtags("#lake;#sea|sun、雪").hashtags, read_hashtags("#a#b#c").hashtags
    (['lake', 'sea', 'sun', '雪'], ['a', 'b', 'c'])
    >>> read_hashtags(["#Snow", "two words", 2024, None])
    ReadHashtags(hashtags=['snow'], dropped=['two words', '2024'])

    ```
    """
    reader = _Reader()
    reader.read(value)
    dropped = [whole_text(text[:_EXAMPLE_LENGTH]) for text in reader.dropped]
    return ReadHashtags(list(reader.hashtags), dropped, list(reader.hashtags.values()))


class _Reader:
    """Gathers what is found in a value and all that is in it."""

    def __init__(self):
        # By each hashtag its first spelling.
        self.hashtags: dict[str, str] = {}
        self.dropped: list[str] = []

    def read(self, value: Any, depth: int = 0) -> None:
        if _is_missing(value):
            return
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            self.read_text(value, depth)
        elif depth == _NESTED_AT_MOST:
            self.dropped.append(str(value))
        elif isinstance(value, Mapping):
            self.read_object(value, depth)
        elif hasattr(value, "as_py"):  # pyarrow
            self.read(value.as_py(), depth)
        elif hasattr(value, "tolist"):  # numpy, pandas, torch
            self.read(value.tolist(), depth)
        elif isinstance(value, Iterable):
            # The order of a set is another one in every process.
            for entry in sorted(value, key=str) if isinstance(value, (set, frozenset)) else value:
                self.read(entry, depth + 1)
        else:
            self.dropped.append(str(value))

    def read_object(self, value: Mapping, depth: int) -> None:
        told = [value[name] for name in _NAMES if not _is_missing(value.get(name))]
        if not told and len(value) == 1:
            told = list(value.values())
        if told:
            self.read(told[0], depth + 1)
        elif not all(map(_is_missing, value.values())):
            self.dropped.append(str(dict(value)))

    def read_text(self, text: str, depth: int) -> None:
        text = html.unescape(_NUMBERED.sub(_kept_reference, text)).strip()
        if depth == 0 and text.casefold() in _MISSING:
            self.dropped.append(text)
            return
        if depth < _NESTED_AT_MOST and text[:1] and (entries := _listed(text)) is not None:
            self.read(entries, depth)
            return
        is_entry = depth > 0
        text = _ADDRESS.sub(self._drop, text)
        has_sign = _SIGN.search(text) is not None
        for part in _SEPARATOR.split(text):
            if _SIGN.search(part):
                self.read_signed(part)
            elif is_entry or has_sign:
                self.take(part)
            else:
                for word in _BETWEEN_WORDS.split(part):
                    self.take(word)

    def _drop(self, match: regex.Match) -> str:
        self.dropped.append(match[0])
        return "\n"

    def read_signed(self, part: str) -> None:
        """Reads what has hashtags with `#`: words that only stand beside them are none."""
        first, *others = _SIGN.split(part)
        is_one = first and _BETWEEN_WORDS.search(first) is None  # as in `snow#lake`
        self.take(first) if is_one else self.drop_words(first)
        for other in others:
            # As far as a platform would link it.
            run = _CHARACTERS.match(other)[0]
            word, *beside = _BETWEEN_WORDS.split(other, maxsplit=1)
            if is_valid_hashtag(run):
                self.hashtags.setdefault(normalize_hashtag(run), run)
            if not is_valid_hashtag(run) or _WORD.search(word[len(run) :]):
                self.dropped.append(f"#{word}")
            self.drop_words("".join(beside))

    def take(self, text: str) -> None:
        """Takes a text that is one hashtag or none."""
        bare = _without_edges(text)
        if is_valid_hashtag(bare):
            self.hashtags.setdefault(normalize_hashtag(bare), bare.lstrip("#＃"))
        elif _MEANT.search(text):
            self.dropped.append(text.strip())

    def drop_words(self, text: str) -> None:
        self.dropped += [word for word in _BETWEEN_WORDS.split(text) if _WORD.search(word)]


def _kept_reference(reference: regex.Match) -> str:
    """A reference that stands for a character as it is, another one so that it is read as the text that it is."""
    return reference[0] if html.unescape(reference[0]) else f"&amp;{reference[0][1:]}"


def _without_edges(text: str) -> str:
    start, end = 0, len(text)
    while start < end and _AROUND.match(text[start]):
        start += 1
    while start < end and _AROUND.match(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_missing(value: Any) -> bool:
    if value is None or (isinstance(value, float) and value != value):
        return True
    return type(value).__name__ in ("NAType", "NaTType")  # pandas, which is not imported for this


def _listed(text: str) -> Any:
    """The list or object that a text is, `None` for any other text."""
    if text[0] in '[{"':
        try:
            parsed = json.loads(text)
            return parsed if isinstance(parsed, (list, dict, str)) and parsed != text else None
        except _PARSE_ERRORS:
            pass
    if not (listed := _LISTED.fullmatch(text)):
        return None
    text = _LIST_TYPE.sub("", listed[1])
    # Python reads strings that stand side by side, as NumPy prints them, as one; and has no order of a set.
    if not _SIDE_BY_SIDE.search(text):
        try:
            parsed = ast.literal_eval(text)
            if isinstance(parsed, (list, tuple, dict)):
                return parsed
        except _PARSE_ERRORS:
            pass
    quoted = _QUOTED.findall(text)
    return [_unquoted(part) for part in quoted] if quoted else text[1:-1].strip("[](){}\n ")


def _unquoted(text: str) -> str:
    try:
        return ast.literal_eval(text)
    except _PARSE_ERRORS:
        return text[1:-1]


@dataclass
class DroppedHashtags:
    """
    Counts what was no hashtag in fields that are there for them. Memory is bounded: of more than 10,000 different
    ones, the number is known, but no longer how often each occurs.

    Args:
        count (`int`): how many there were in all rows.
        rows (`int`): in how many rows.
        examples (`Counter[str]`): how often each occurred.

    Example:

    ```python
    >>> from transformers_ggm.processing.hashtag_fields import DroppedHashtags
    >>> dropped = DroppedHashtags()
    >>> dropped.add(["two words", "2024"])
    >>> dropped.add(["2024"])
    >>> print(dropped)
    3 entries in the hashtags of 2 rows are no hashtags and were left out: '2024' (2 times), 'two words'

    ```
    """

    count: int = 0
    rows: int = 0
    examples: Counter[str] = field(default_factory=Counter)

    def add(self, dropped: Sequence[str]) -> None:
        """Counts those of one row."""
        self.count += len(dropped)
        self.rows += bool(dropped)
        for text in dropped:
            if text in self.examples or len(self.examples) < _DIFFERENT_AT_MOST:
                self.examples[text] += 1

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        shown = [
            repr(text) + (f" ({count} times)" if count > 1 else "")
            for text, count in self.examples.most_common(_SHOWN_AT_MOST)
        ]
        more = ", ..." if len(self.examples) > _SHOWN_AT_MOST else ""
        entries = "1 entry" if self.count == 1 else f"{self.count} entries"
        verb = "is no hashtag and was" if self.count == 1 else "are no hashtags and were"
        rows = "1 row" if self.rows == 1 else f"{self.rows} rows"
        return f"{entries} in the hashtags of {rows} {verb} left out: {', '.join(shown)}{more}"

    @classmethod
    def from_dict(cls, counts: Mapping[str, Any]) -> "DroppedHashtags":
        """What [`~DroppedHashtags.to_dict`] gave."""
        return cls(counts["count"], counts["rows"], Counter(counts["examples"]))

    def to_dict(self) -> dict[str, Any]:
        """The counts and the commonest examples, as JSON can hold them."""
        return {"count": self.count, "rows": self.rows, "examples": dict(self.examples.most_common(20))}
