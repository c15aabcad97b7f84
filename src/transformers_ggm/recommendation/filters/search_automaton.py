"""Finding all of some strings at once."""

from ...errors import InputError


def automaton_of(strings: list[str]):
    """
    Finds all of some strings at once (Aho and Corasick, Efficient string matching: an aid to bibliographic search,
    Communications of the ACM 18, 1975).

    Raises:
        InputError: ahocorasick-rs is not installed.
    """
    try:
        from ahocorasick_rs import AhoCorasick
    except ImportError as error:
        raise InputError("Looking for terms in hashtags needs `pip install transformers-ggm[safety]`.") from error
    return AhoCorasick(strings)
