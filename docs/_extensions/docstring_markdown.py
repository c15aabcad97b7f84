"""
Docstrings in transformers' flavour as Markdown.

Sections (`Args:`, `Attributes:`, `Returns:`, `Raises:`, `Example:`) keep the types and links that stand in them, which
the usual parsers of Google's style take for code: arguments become definition lists, and what follows the others
becomes text under a heading in bold.
"""

import inspect
import re
from collections.abc import Callable, Iterator

SECTIONS = {
    "Args:": "Arguments",
    "Attributes:": "Attributes",
    "Returns:": "Returns",
    "Raises:": "Raises",
    "Example:": "Example",
}
ITEMISED = ("Args:", "Attributes:", "Raises:")
_LINK = re.compile(r"\[`(~?[\w.]+)`\](?![\[(])")
_FLAGS = re.compile(r"[ ]*# doctest: .*$", re.MULTILINE)
_DOCTEST = re.compile(r"^( *)```python\n(?=\1>>> )(.*?)\n*^\1```$", re.MULTILINE | re.DOTALL)


def to_markdown(docstring: str, link: Callable[[str], str]) -> str:
    r"""
    Args:
        docstring (`str`): without the indentation that it has in its file.
        link (`Callable[[str], str]`): from what stands in a link, such as `HashtagPool` or `~HashtagPool.build`, to
            the Markdown that it becomes.

    Example:

    ```python
    >>> print(to_markdown("Adds.\n\nArgs:\n    k (`int`, *optional*): how many.", link=str))
    Adds.
    <BLANKLINE>
    **Arguments**{: .section }
    <BLANKLINE>
    `k` (`int`, *optional*)
    :   how many.

    ```
    """
    parts = []
    for header, body in _sections(docstring):
        if header is None:
            parts.append(body)
        else:
            text = _definition_list(body, header) if header in ITEMISED else body
            parts.append(f"**{SECTIONS[header]}**{{: .section }}\n\n{text}")
    text = _DOCTEST.sub(_as_console, "\n\n".join(parts))
    return _LINK.sub(lambda match: link(match[1]), text)


def _sections(docstring: str) -> Iterator[tuple[str | None, str]]:
    """Pairs of a section's first line, `None` for text between sections, and its lines without their indentation."""
    header, lines = None, []
    for line in docstring.splitlines():
        starts = line in SECTIONS
        # What is indented belongs to its section; an example is not, and goes on to the end.
        ends = header is not None and header != "Example:" and line and not line.startswith(" ")
        if starts or ends:
            if any(lines):
                yield header, _dedented(lines)
            header, lines = (line if starts else None), ([] if starts else [line])
        else:
            lines.append(line)
    if any(lines):
        yield header, _dedented(lines)


def _dedented(lines: list[str]) -> str:
    # `cleandoc` leaves the first line out of account, so that it gets one to leave out.
    return inspect.cleandoc("\n" + "\n".join(lines)).strip()


def _definition_list(body: str, header: str) -> str:
    entries = []
    for item in re.split(r"\n+(?=\S)", body):
        head, description = split_item(item)
        names = _type_link(head) if header == "Raises:" else _names_as_code(head)
        indented = description.replace("\n", "\n    ").replace("\n    \n", "\n\n")
        entries.append(f"{names}\n:   {indented}" if description else f"{names}\n:   &#8203;")
    return "\n\n".join(entries)


def split_item(item: str) -> tuple[str, str]:
    """
    What is described, and its description: the two sides of the first colon outside of backticks and parentheses.

    ```python
    >>> split_item("frames (`dict` of `a: b`): the frames")
    ('frames (`dict` of `a: b`)', 'the frames')
    >>> split_item("config ([`GGMConfig`]).")
    ('config ([`GGMConfig`])', '')

    ```
    """
    first, *rest = item.split("\n")
    lines = [first, *inspect.cleandoc("\n" + "\n".join(rest)).splitlines()] if rest else [first]
    text = "\n".join(lines)
    for position, outside in _depths(text):
        if outside and text[position] == ":":
            return _one_line(text[:position]), text[position + 1 :].strip()
    return _one_line(text).removesuffix("."), ""


def _depths(text: str) -> Iterator[tuple[int, bool]]:
    """Every position, and whether it is outside of backticks and parentheses."""
    depth, code = 0, False
    for position, letter in enumerate(text):
        if letter == "`":
            code = not code
        elif not code:
            depth += {"(": 1, ")": -1}.get(letter, 0)
        yield position, depth == 0 and not code


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _names_as_code(head: str) -> str:
    """`head` with the names of the arguments, which are what stands outside of parentheses, as code."""
    outside = dict(_depths(head))
    return re.sub(
        r"\*{0,2}\w+",
        lambda match: f"`{match[0]}`" if outside[match.start()] and outside[match.end() - 1] else match[0],
        head,
    )


def _type_link(head: str) -> str:
    """The name of an exception as a link, be it in backticks or bare."""
    return f"[`{head}`]" if re.fullmatch(r"\w+", head) else re.sub(r"^`(\w+)`$", r"[`\1`]", head)


def _as_console(match: re.Match) -> str:
    indent, code = match.groups()
    return f"{indent}```pycon\n{_FLAGS.sub('', code)}\n{indent}```"
