"""Hashtags whose words stand in the text."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ...processing.hashtags import is_valid_hashtag, normalize_hashtag, remove_hashtags
from ...processing.modalities import TEXTS
from ...retrieval.text_terms import joined_words
from ..candidates import Candidate, CandidateSource, best_candidates, register_source
from ..checkpoint_parts import CheckpointParts
from ..clues import Clues
from ..word_table import added, without

# As if each hashtag had stood in one text more, and had been used in a fifth of it.
PRIOR_USES, PRIOR_TEXTS = 0.2, 1.0


@register_source("words")
class WordsSource(CandidateSource):
    """
    Known hashtags whose words stand in the description, transcript or screen text (of scripts without spaces, whose
    characters do), scored by keyphraseness (Mihalcea and Csomai, CIKM 2007): how often those who wrote these words
    used them as a hashtag. It costs well under a millisecond a row.

    Evidence: `texts`, in how many texts the words stood; `length`, letters of the hashtag; `first`, whether the text
    begins with it; `uses`, how often it was used, wherever; `in_description`, `in_transcript` and `in_screen_text`, in
    which of the row's texts they stand.

    Made by [`~WordsSource.build`] from tagged posts, or from a pool's counts alone.

    Args:
        uses (`Mapping[str, int]`): How often each known hashtag was used.
        texts (`Mapping[str, int]`, *optional*): In how many texts its words stood.
        linked (`Mapping[str, int]`, *optional*): In how many of those it was used.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import Clues, WordsSource

    >>> posts = [{"description": "new york in snow", "hashtags": ["newyork", "ski"]}]
    >>> source = WordsSource.build(posts)
    >>> [candidate.hashtag for candidate in source.candidates([Clues("back in New York")], k=5)[0]]
    ['newyork']

    ```
    """

    evidence = ("texts", "length", "first", "uses", *(f"in_{name}" for name in TEXTS))

    def __init__(
        self,
        uses: Mapping[str, int],
        texts: Mapping[str, int] | None = None,
        linked: Mapping[str, int] | None = None,
    ):
        self.uses, self.texts, self.linked = uses, texts or {}, linked or {}

    @classmethod
    def build(cls, posts: Iterable[Mapping[str, Any]]) -> "WordsSource":
        """
        Args:
            posts (iterable of `dict`): Tagged posts with their words, as for [`PostIndex.build`]; gone through once.
        """
        uses, texts, linked = Counter(), Counter(), Counter()
        for post in posts:
            hashtags = {normalize_hashtag(tag) for tag in post.get("hashtags") or () if is_valid_hashtag(tag)}
            said = joined_words(remove_hashtags(str(post[field])) for field in TEXTS if post.get(field))
            uses.update(hashtags)
            texts.update(said)
            linked.update(hashtags & said)
        return cls(uses, {hashtag: texts[hashtag] for hashtag in uses if hashtag in texts}, linked)

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        return [self._of_row(row, k, 0) for row in rows]

    def training_candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        """With one text, and one use, less of each hashtag that stands in the row: those that may be its own."""
        return [self._of_row(row, k, 1) for row in rows]

    def _of_row(self, row: Clues, k: int, left_out: int) -> list[Candidate]:
        scores, evidence = {}, {}
        start = "".join(row.text.lower().split())
        said = {f"in_{name}": joined_words([getattr(row, name)]) for name in TEXTS}
        for hashtag in set().union(*said.values()):
            if self.uses.get(hashtag, 0) <= left_out:
                continue
            texts = max(self.texts.get(hashtag, 0) - left_out, 0)
            linked = max(self.linked.get(hashtag, 0) - left_out, 0)
            scores[hashtag] = (linked + PRIOR_USES) / (texts + PRIOR_TEXTS)
            evidence[hashtag] = {
                "texts": float(texts),
                "length": float(len(hashtag)),
                "first": float(start.startswith(hashtag)),
                "uses": float(self.uses[hashtag] - left_out),
                **{name: float(hashtag in words) for name, words in said.items()},
            }
        return best_candidates(scores, k, evidence)

    def add_hashtags(self, counts: Mapping[str, int]) -> None:
        """Proposes them too, from now on, where their words stand."""
        # Another mapping in the place of the one that other threads may be reading.
        self.uses = added(self.uses, counts)

    def remove_hashtags(self, hashtags: Collection[str]) -> None:
        """Does not propose them any more."""
        self.uses = without(self.uses, hashtags)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], parts: CheckpointParts) -> "WordsSource":
        """Of the checkpoint's `words/`, which its [`Recommender`] saves."""
        return cls(parts.words.uses, parts.words.texts, parts.words.linked, **settings)
