"""Words that others wrote, put into a card as they are: nothing in them may become markup, a link or a picture."""

import re

MOST_LETTERS = 160
_MARKUP = re.compile(r"[\\`*_{}\[\]<>|~&]")
# What GitHub and the Hub make links of without any markup.
_LINKS = re.compile(r"(?<=\w)://|(?<=www)\.|(?<=\w)@(?=\w)|(?<!\w)@(?=\w)", re.IGNORECASE)


def quoted(text: str, most: int | None = MOST_LETTERS) -> str:
    r"""
    A text as one line of a Markdown table that shows just this text.

    Args:
        text (`str`): any.
        most (`int`, *optional*, defaults to 160): letters to show of a longer text, which then ends with "...".

    Example:

    ```python
    >>> quoted("a|b\n *c* <d>")
    'a&#124;b &#42;c&#42; &#60;d&#62;'

    ```
    """
    text = " ".join(text.split())
    if most is not None and len(text) > most:
        text = f"{text[:most].rstrip()}..."
    text = _MARKUP.sub(lambda match: f"&#{ord(match[0])};", text)
    return _LINKS.sub(lambda match: "".join(f"&#{ord(letter)};" for letter in match[0]), text)


def quoted_hashtags(hashtags: list[str], marked: set[str] = frozenset()) -> str:
    """
    Hashtags as a cell of a Markdown table.

    Args:
        hashtags (`list[str]`): without '#'.
        marked (`set[str]`, *optional*): those to print in bold.
    """
    tags = ((tag, quoted(f"#{tag}", None)) for tag in hashtags)
    return " ".join(f"**{shown}**" if tag in marked else shown for tag, shown in tags)
