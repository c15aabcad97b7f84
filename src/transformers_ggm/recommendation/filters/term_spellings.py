"""How people write a term so that a list does not find it."""

import regex

# What each kind of disguise costs, in nats: how much rarer it is than the term itself.
PLURAL, SOUND, SHORTENED, VOWELS_LEFT_OUT, SWAPPED, LETTER_LEFT_OUT, BACKWARDS = 0.5, 1.5, 2.5, 3.0, 4.0, 4.5, 4.5
_VOWELS = "aeiou"
_LATIN = regex.compile(r"[a-z]+")
# Spelled by sound.
_BY_SOUND = (("f", "ph"), ("ph", "f"), ("ck", "x"), ("cks", "x"), ("ks", "x"), ("x", "cks"), ("o", "aw"))
_SHORTEST = 3


def spellings_of(letters: str) -> dict[str, float]:
    """
    The spellings of a term, with what each costs.

    Args:
        letters (`str`): Of a term, folded and without accents; of a term in other letters there is no other spelling.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters.term_spellings import spellings_of

    >>> spellings_of("snow")
    {'snow': 0.0, 'snows': 0.5, 'snaww': 1.5, 'snw': 2.5}

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
        for sound, other in _BY_SOUND:
            if sound in letters:
                add(letters.replace(sound, other), SOUND)
        if letters.endswith("er"):
            add(letters[:-2] + "a", SOUND)
        for place in range(1, len(letters) - 1):
            if letters[place] in _VOWELS:
                add(letters[:place] + letters[place + 1 :], SHORTENED)
        add(letters[0] + regex.sub("[aeiou]", "", letters[1:-1]) + letters[-1], VOWELS_LEFT_OUT)
    if len(letters) > 4:
        for place in range(len(letters) - 1):
            first, second = letters[place : place + 2]
            add(letters[:place] + second + first + letters[place + 2 :], SWAPPED)
        add(letters[::-1], BACKWARDS)
    if len(letters) > 5:
        for place in range(1, len(letters)):
            add(letters[:place] + letters[place + 1 :], LETTER_LEFT_OUT)
    return found
