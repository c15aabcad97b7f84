"""How Chinese characters sound: people write those that sound alike for each other, and pinyin for all of them."""

from functools import lru_cache
from pathlib import Path

from .packaged_table import packaged_rows

# Made of the data of pypinyin 0.55 (MIT licence): `lazy_pinyin` of each character of the two standards.
_FILE = Path(__file__).with_name("pinyin.tsv")
# Each syllable is one sign of Unicode's private use area.
_FIRST_SIGN = 0xE000
# Shorter pinyin has too many meanings. In nats: a term in pinyin, and a character by the first letter of it.
_SHORTEST_IN_PINYIN, _IN_PINYIN, _BY_INITIAL = 6, 1.5, 2.5


@lru_cache(maxsize=1)
def syllables() -> dict[str, str]:
    """
    The syllable of each Chinese character in pinyin, without its tone (of several its usual one): of GB 2312, and the
    traditional ones of Big5's first level.

    Raises:
        InputError: The table is missing, as where this code lies beside a checkpoint.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters.chinese_sounds import syllables

    >>> [syllables()[character] for character in "下雪"]
    ['xia', 'xue']

    ```
    """
    return {letter: row["syllable"] for row in packaged_rows(_FILE) for letter in row["characters"]}


@lru_cache(maxsize=1)
def _signs() -> dict[str, str]:
    numbers: dict[str, int] = {}
    return {
        letter: chr(_FIRST_SIGN + numbers.setdefault(_heard(syllable), len(numbers)))
        for letter, syllable in syllables().items()
    }


def _heard(syllable: str) -> str:
    """A syllable as in the South of China, where z and zh, c and ch, s and sh, and final n and ng sound alike."""
    begin = syllable[0] + syllable[1:].removeprefix("h") if syllable[0] in "zcs" else syllable
    return begin.removesuffix("g") if begin.endswith(("ing", "eng")) else begin


def sound_of(character: str) -> str | None:
    """The sign of all characters that sound like a Chinese one."""
    return None if character.isascii() else _signs().get(character)


def pinyin_spellings(term: str) -> dict[str, float]:
    """
    A Chinese term in pinyin, one of its characters in pinyin, or one by its first letter, with what each costs.

    Args:
        term (`str`): Folded.
    """
    table = syllables()
    if len(term) < 2 or not all(letter in table for letter in term):
        return {}
    read = [table[letter] for letter in term]
    found = {}
    if len("".join(read)) >= _SHORTEST_IN_PINYIN:
        found["".join(read)] = _IN_PINYIN
    for place, syllable in enumerate(read):
        found[term[:place] + syllable + term[place + 1 :]] = _IN_PINYIN
        if len(term) > 2:
            if place + 1 < len(term):
                found["".join(read[: place + 1]) + term[place + 1 :]] = _IN_PINYIN
            found[term[:place] + syllable[0] + term[place + 1 :]] = _BY_INITIAL
    return found


def weight_of(skeleton: str) -> int:
    """How much a skeleton says, in letters: a Chinese character as much as two."""
    return len(skeleton) + sum(sign >= chr(_FIRST_SIGN) for sign in skeleton)
