"""Hashtags that a row's retriever is to tell from its own: any, those it takes for near, or those of like words."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..utils.hashtag_words import split_hashtag


class RandomNegatives:
    """
    Any hashtags, each as likely as every other (as in DPR; Karpukhin et al., EMNLP 2020). Those of a batch are as
    frequent as they are used: rare ones are seldom among them. Other kinds draw some before any others.

    Args:
        hashtags (`Sequence[str]`): all that there are, each one once.

    Example:

    ```python
    >>> import random
    >>> from transformers_ggm.data.negative_hashtags import RandomNegatives

    >>> RandomNegatives(["snow", "lake"]).draw({"hashtags": ["snow"]}, random.Random(0), 1)
    ['lake']

    ```
    """

    def __init__(self, hashtags: Sequence[str]):
        self.hashtags = list(hashtags)

    def wanted(self, row: Mapping[str, Any]) -> list[str]:
        """Those that are drawn for a row before any others."""
        return []

    def draw(self, row: Mapping[str, Any], generator: random.Random, count: int) -> list[str]:
        """
        Some hashtags that are not a row's own: of those that are wanted for it, and where these are too few, any.

        Args:
            row (`Mapping[str, Any]`): with `hashtags`.
            generator (`random.Random`), count (`int`).
        """
        return drawn(self.wanted(row), self.hashtags, row["hashtags"], generator, count)


class MinedNegatives(RandomNegatives):
    """
    The hashtags that a retriever found nearest to each row, mined anew for each epoch. Processes of a data loader see
    what is mined later, too. Rows have an `index`.

    Args:
        hashtags (`Sequence[str]`): all that there are, each one once.
        num_rows (`int`): of the dataset.
        k (`int`, *optional*, defaults to 50): how many are kept of a row.

    Example:

    ```python
    >>> import random
    >>> from transformers_ggm.data.negative_hashtags import MinedNegatives

    >>> negatives = MinedNegatives(["snow", "ski", "lake"], num_rows=1, k=2)
    >>> negatives.mined([["snow", "ski"]])
    >>> negatives.draw({"index": 0, "hashtags": ["snow"]}, random.Random(0), 1)
    ['ski']

    ```
    """

    def __init__(self, hashtags: Sequence[str], num_rows: int, k: int = 50):
        super().__init__(hashtags)
        self._places = {tag: place for place, tag in enumerate(self.hashtags)}
        self._table = torch.full((num_rows, k), -1, dtype=torch.int64).share_memory_()

    def mined(self, found: Sequence[Sequence[str]]) -> None:
        """Takes in what was found for each row, nearest first."""
        places = torch.full_like(self._table, -1)
        for row, tags in enumerate(found):
            known = [self._places[tag] for tag in tags[: places.shape[1]]]
            places[row, : len(known)] = torch.tensor(known, dtype=torch.int64)
        self._table.copy_(places)

    def wanted(self, row: Mapping[str, Any]) -> list[str]:
        return [self.hashtags[place] for place in self._table[row["index"]].tolist() if place >= 0]


class CompositionalNegatives(RandomNegatives):
    """
    Hashtags that share a word with one of the row's: "bluesquare" for "redsquare" (after Yuksekgonul et al., ICLR
    2023).

    Args:
        hashtags (`Sequence[str]`): all that there are, each one once.

    Example:

    ```python
    >>> import random
    >>> from transformers_ggm.data.negative_hashtags import CompositionalNegatives

    >>> negatives = CompositionalNegatives(["redsquare", "bluesquare", "lake"])
    >>> negatives.draw({"hashtags": ["redsquare"]}, random.Random(0), 1)
    ['bluesquare']

    ```
    """

    def __init__(self, hashtags: Sequence[str]):
        super().__init__(hashtags)
        self._words = {tag: split_hashtag(tag) for tag in self.hashtags}
        self._of_word = defaultdict(list)
        for tag, words in self._words.items():
            for word in dict.fromkeys(words):
                self._of_word[word].append(tag)

    def wanted(self, row: Mapping[str, Any]) -> list[str]:
        words = {word for tag in row["hashtags"] for word in self._words.get(tag) or split_hashtag(tag)}
        return list(dict.fromkeys(tag for word in sorted(words) for tag in self._of_word.get(word, ())))


def drawn(
    wanted: Sequence[str], others: Sequence[str], own: Sequence[str], generator: random.Random, count: int
) -> list[str]:
    """
    `count` of the `wanted` hashtags, each one once, and where there are too few of them of the `others`, without a
    row's own; fewer where there are not so many at all.
    """
    left_out = set(own)
    wanted = [tag for tag in wanted if tag not in left_out]
    chosen = generator.sample(wanted, min(count, len(wanted)))
    left_out.update(chosen)
    # So many more as may have to be left out: going through all others would take long where these are a large pool.
    missing = count - len(chosen)
    more = generator.sample(others, min(missing + len(left_out), len(others))) if missing > 0 else []
    return chosen + [tag for tag in more if tag not in left_out][:missing]
