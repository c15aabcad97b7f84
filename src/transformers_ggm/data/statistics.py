"""Statistics of a corpus, like Table 1 of Yu et al., ACL 2023."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import regex

from ..processing.hashtags import remove_hashtags
from ..processing.spelling import fold_spelling
from ..utils.word_splitter import split_words

_WORD = regex.compile(r"[\p{L}\p{M}\p{Nd}]+")
# Scripts that are written without spaces between words.
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
# Columns of words that are read in clips.
_READ = ("transcript", "screen_text")


@dataclass(frozen=True)
class CorpusStatistics:
    """
    Statistics of the rows of a split. A share of nothing is `None`, as is a mean over nothing.

    Args:
        videos (`int`): rows with a clip.
        rows_without_video (`int`): rows of words alone.
        hashtags (`int`): distinct hashtags.
        hashtag_uses (`int`): hashtags of all rows together.
        hashtags_per_video (`float` or `None`): mean over all rows, with and without a clip.
        seconds_per_video (`float` or `None`): mean duration of the clips in seconds.
        share_without_sound (`float` or `None`): share of the clips, in [0, 1].
        share_in_description (`float` or `None`): share of the hashtag uses that appear in the description of their
            row, see [`appears_in`].
        share_multi_word (`float` or `None`): share of the distinct hashtags that are made of several words, by
            [`~evaluation.split_words`].
        share_with_transcript, share_with_screen_text (`float` or `None`): share of the clips in which words are
            spoken, or stand on the screen; `None` where that is not known of any.
    """

    videos: int
    rows_without_video: int
    hashtags: int
    hashtag_uses: int
    hashtags_per_video: float | None
    seconds_per_video: float | None
    share_without_sound: float | None
    share_in_description: float | None
    share_multi_word: float | None
    share_with_transcript: float | None = None
    share_with_screen_text: float | None = None

    def to_dict(self) -> dict[str, int | float | None]:
        """The statistics by name, as JSON can hold them."""
        return asdict(self)


class StatisticsCounter:
    """
    Counts rows one by one; its memory grows with the distinct hashtags only.

    Example:

    ```python
    >>> from transformers_ggm.data.statistics import StatisticsCounter
    >>> counter = StatisticsCounter()
    >>> counter.add({"hashtags": ["snow"], "description": "First snow!", "duration": 4.0, "has_sound": True})
    >>> counter.add({"hashtags": ["snow", "lake"], "description": "", "duration": 8.0, "has_sound": False})
    >>> statistics = counter.statistics()
    >>> statistics.seconds_per_video, statistics.share_without_sound, statistics.hashtags_per_video
    (6.0, 0.5, 1.5)

    ```
    """

    def __init__(self):
        self.hashtag_counts: Counter[str] = Counter()
        self._videos = 0
        self._rows_without_video = 0
        self._seconds = 0.0
        self._without_sound = 0
        self._in_description = 0
        self._read: dict[str, Counter[bool]] = {name: Counter() for name in _READ}

    def add(self, row: Mapping[str, Any]) -> None:
        """
        Counts a row.

        Args:
            row (`Mapping`): has `hashtags` (`list[str]`, normalised, each once), `description` (`str`), `duration`
                (`float`, seconds, or `None` for a row without a clip) and `has_sound` (`bool`); `transcript` and
                `screen_text` (`str`) where they are known.
        """
        hashtags = row["hashtags"]
        self.hashtag_counts.update(hashtags)
        text = _DescriptionText(row["description"])
        self._in_description += sum(tag in text for tag in hashtags)
        if row["duration"] is None:
            self._rows_without_video += 1
        else:
            self._videos += 1
            self._seconds += row["duration"]
            self._without_sound += not row["has_sound"]
            for name, counts in self._read.items():
                if row.get(name) is not None:
                    counts[bool(row[name])] += 1

    def merge(self, other: "StatisticsCounter") -> None:
        """Adds what another counter has counted, for instance of another split."""
        self.hashtag_counts.update(other.hashtag_counts)
        self._videos += other._videos
        self._rows_without_video += other._rows_without_video
        self._seconds += other._seconds
        self._without_sound += other._without_sound
        self._in_description += other._in_description
        for name, counts in self._read.items():
            counts.update(other._read[name])

    def statistics(self) -> CorpusStatistics:
        """
        The statistics of the rows so far.

        Raises:
            ImportError: wordninja, which splits hashtags into words, is not installed.
        """
        uses = self.hashtag_counts.total()
        multi_word = sum(len(split_words(tag)) > 1 for tag in self.hashtag_counts)
        return CorpusStatistics(
            videos=self._videos,
            rows_without_video=self._rows_without_video,
            hashtags=len(self.hashtag_counts),
            hashtag_uses=uses,
            hashtags_per_video=_ratio(uses, self._videos + self._rows_without_video),
            seconds_per_video=_ratio(self._seconds, self._videos),
            share_without_sound=_ratio(self._without_sound, self._videos),
            share_in_description=_ratio(self._in_description, uses),
            share_multi_word=_ratio(multi_word, len(self.hashtag_counts)),
            **{f"share_with_{name}": _ratio(counts[True], counts.total()) for name, counts in self._read.items()},
        )


def _ratio(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def corpus_statistics(rows: Iterable[Mapping[str, Any]]) -> CorpusStatistics:
    """
    The statistics of rows as [`StatisticsCounter.add`] takes them, read once.

    Raises:
        ImportError: wordninja, which splits hashtags into words, is not installed.
    """
    counter = StatisticsCounter()
    for row in rows:
        counter.add(row)
    return counter.statistics()


def statistics_by_split(counters: Mapping[str, StatisticsCounter]) -> dict[str, CorpusStatistics]:
    """
    The statistics of each split, and of all together under the name `all`, which comes last.

    Args:
        counters (`dict[str, StatisticsCounter]`): by split.
    """
    together = StatisticsCounter()
    for counter in counters.values():
        together.merge(counter)
    return {name: counter.statistics() for name, counter in [*counters.items(), ("all", together)]}


def appears_in(hashtag: str, description: str) -> bool:
    """
    Whether a hashtag could be copied from its description: whole words of it, written one after another without
    spaces, are the hashtag. Case, punctuation and underscores do not matter; `#words` of the description do not
    count, since the model is not shown them. In scripts without spaces between words (Han, kana, Thai, Lao, Khmer,
    Burmese), any part of the description will do.

    Example:

    ```python
    >>> from transformers_ggm.data.statistics import appears_in
    >>> appears_in("bluesquare", "A blue square, turning"), appears_in("art", "party time")
    (True, False)

    ```
    """
    return hashtag in _DescriptionText(description)


class _DescriptionText:
    """The words of a description without the spaces between them, and where words begin and end in it."""

    def __init__(self, description: str):
        words = _words(remove_hashtags(description))
        self.text = "".join(words)
        self.borders = {0}
        end = 0
        for word in words:
            end += len(word)
            self.borders.add(end)

    def __contains__(self, hashtag: str) -> bool:
        letters = "".join(_words(hashtag))
        needs_borders = _UNSPACED.search(letters) is None
        start = self.text.find(letters)
        while start >= 0:
            if not needs_borders or (start in self.borders and start + len(letters) in self.borders):
                return True
            start = self.text.find(letters, start + 1)
        return False


def _words(text: str) -> list[str]:
    # A word that ends in ς has σ there when others follow it in a hashtag.
    return _WORD.findall(fold_spelling(text).replace("ς", "σ"))


_TABLE_ROWS = {
    "Videos": ("videos", "{:,d}"),
    "Rows without a video": ("rows_without_video", "{:,d}"),
    "Distinct hashtags": ("hashtags", "{:,d}"),
    "Hashtags per video (mean)": ("hashtags_per_video", "{:.2f}"),
    "Duration in seconds (mean)": ("seconds_per_video", "{:.1f}"),
    "Videos without sound": ("share_without_sound", "{:.1%}"),
    "Videos with speech": ("share_with_transcript", "{:.1%}"),
    "Videos with words on the screen": ("share_with_screen_text", "{:.1%}"),
    "Hashtags that appear in the description": ("share_in_description", "{:.1%}"),
    "Hashtags of several words": ("share_multi_word", "{:.1%}"),
}


def statistics_table(statistics: Mapping[str, CorpusStatistics]) -> str:
    """
    A Markdown table with a column for each split; what is unknown is a dash, and speech and screens have no row where
    they are unknown in all.

    Args:
        statistics (`dict[str, CorpusStatistics]`): by the name of the column, see [`statistics_by_split`].

    Returns:
        `str`: ends with a line break.

    Raises:
        ValueError: there is no column.
    """
    if not statistics:
        raise ValueError("`statistics` is empty: a table needs at least one split.")
    lines = [["", *statistics], ["---", *("---:" for _ in statistics)]]
    for label, (field, form) in _TABLE_ROWS.items():
        values = [getattr(column, field) for column in statistics.values()]
        if field.startswith("share_with_") and set(values) == {None}:
            continue
        lines.append([label, *("–" if value is None else form.format(value) for value in values)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
