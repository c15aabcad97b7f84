"""Splitting hashtags into words, which ROUGE is computed on (Yu et al., ACL 2023, section 4.2)."""

from functools import lru_cache


@lru_cache(maxsize=65_536)
def split_words(hashtag: str) -> tuple[str, ...]:
    """
    The words that a hashtag is made of, by wordninja. A hashtag outside ASCII is kept as one word: wordninja drops
    every other letter.

    Raises:
        ImportError: wordninja is not installed.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import split_words
    >>> split_words("bluesquare")
    ('blue', 'square')
    >>> split_words("münchen")
    ('münchen',)

    ```
    """
    if not hashtag.isascii():
        return (hashtag,)
    try:
        import wordninja
    except ImportError as error:
        raise ImportError("Splitting hashtags into words needs `pip install transformers-ggm[eval]`.") from error
    return tuple(wordninja.split(hashtag)) or (hashtag,)
