"""How people write a term so that a list does not find it."""

import regex

# What each kind of disguise costs, in nats: how much rarer it is than the term itself.
PLURAL, SOUND, SHORTENED, VOWELS_LEFT_OUT, SWAPPED, LETTER_LEFT_OUT, BACKWARDS = 0.5, 2.0, 2.5, 3.0, 4.0, 4.5, 3.4
OTHER_SOUND, SHORT_BACKWARDS, OTHER_VOWEL = 3.0, 3.2, 3.8
_VOWELS = "aeiou"
_LATIN = regex.compile(r"[a-z]+")
# Spelled by sound, and by letters that together look like one. Single letters that sound alike are one sign of the
# skeleton anyway.
_BY_SOUND = (
    ("f", "ph"), ("ph", "f"), ("ck", "x"), ("cks", "x"), ("ks", "x"), ("x", "cks"), ("x", "ks"), ("o", "aw"),
    ("u", "oo"),
    ("oo", "u"), ("ee", "i"), ("ee", "ea"), ("ea", "ee"), ("ea", "i"), ("i", "ee"), ("ce", "se"), ("ci", "si"),
    ("cy", "sy"), ("ge", "je"), ("gi", "ji"), ("j", "g"), ("qu", "kw"), ("qu", "k"), ("th", "d"), ("th", "t"),
    ("th", "f"), ("s", "th"), ("sh", "ch"), ("ch", "sh"), ("sch", "sh"), ("ou", "u"),
    ("ai", "ay"), ("er", "or"), ("er", "ur"), ("v", "f"), ("v", "b"), ("b", "v"), ("d", "t"), ("t", "d"), ("g", "k"),
)  # fmt: skip
_BY_LOOKS = (("m", "rn"), ("m", "nn"), ("d", "cl"), ("w", "vv"), ("h", "li"), ("b", "lo"), ("k", "lc"))
_BY_DIGIT = (("for", "4"), ("ate", "8"), ("ait", "8"), ("too", "2"), ("to", "2"), ("one", "1"), ("won", "1"))
_BY_LETTER = (("your", "ur"), ("you", "u"), ("are", "r"), ("ease", "ez"), ("easy", "ez"), ("and", "n"), ("why", "y"))
# In long words alone: sounds that are less alike.
_BY_OTHER_SOUND = (
    ("o", "u"), ("u", "o"), ("i", "e"), ("e", "i"), ("a", "e"), ("e", "a"), ("l", "r"), ("r", "l"), ("s", "x"),
    ("p", "b"),
    ("o", "oa"), ("e", "ai"), ("e", "ey"), ("a", "ay"),
    ("ll", "y"), ("ie", "ei"), ("ei", "ie"), ("o", "oe"), ("er", "ah"), ("y", "ee"), ("y", "ie"),
)  # fmt: skip
_SHORTEST, _LONG = 3, 7


def spellings_of(letters: str) -> dict[str, float]:
    """
    The spellings of a term, with what each costs. Slips in long terms are found without them.

    Args:
        letters (`str`): Of a term, folded and without accents; of a term in other letters there is no other spelling.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters.term_spellings import spellings_of

    >>> spellings = spellings_of("moon")
    >>> spellings["moons"], spellings["mun"], spellings["noom"]
    (0.5, 2.0, 3.2)

    ```
    """
    found = {letters: 0.0}
    if not _LATIN.fullmatch(letters) or len(letters) < _SHORTEST:
        return found

    def add(spelling: str, cost: float) -> None:
        if len(spelling) >= _SHORTEST and cost < found.get(spelling, float("inf")):
            found[spelling] = cost

    add(letters + "s", PLURAL)
    if len(letters) > 3:
        for sound, other in (*_BY_SOUND, *_BY_LOOKS, *_BY_DIGIT, *_BY_LETTER):
            if sound in letters:
                add(letters.replace(sound, other), SOUND)
        if letters.endswith("er"):
            add(letters[:-2] + "a", SOUND)
            add(letters[:-2] + "uh", SOUND)
        for place in range(1, len(letters) - 1):
            if letters[place] in _VOWELS:
                add(letters[:place] + letters[place + 1 :], SHORTENED)
        add(letters[0] + regex.sub("[aeiou]", "", letters[1:-1]) + letters[-1], VOWELS_LEFT_OUT)
        add(letters[0] + regex.sub("[aeiou]", "", letters[1:]), VOWELS_LEFT_OUT)
    if len(letters) >= _LONG:
        for sound, other in _BY_OTHER_SOUND:
            if sound in letters:
                add(letters.replace(sound, other), OTHER_SOUND)
    if len(letters) > 4:
        for place in range(len(letters) - 1):
            first, second = letters[place : place + 2]
            add(letters[:place] + second + first + letters[place + 2 :], SWAPPED)
        add(letters[::-1], BACKWARDS)
    if len(letters) == 4:
        add(letters[::-1], SHORT_BACKWARDS)
    if 5 < len(letters) <= _LONG:
        for place in range(1, len(letters) - 1):
            for vowel in _VOWELS if letters[place] in _VOWELS else "":
                add(letters[:place] + vowel + letters[place + 1 :], OTHER_VOWEL)
    if len(letters) > 5:
        for place in range(1, len(letters)):
            add(letters[:place] + letters[place + 1 :], LETTER_LEFT_OUT)
    return found
