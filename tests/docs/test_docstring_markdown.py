"""Docstrings on their way to the reference."""

import doctest
import logging
import re
from collections import Counter
from pathlib import Path

import docstring_markdown
import griffe
import mathml
import pytest
from docstring_markdown import to_markdown
from transformers_docstrings import Linker, documented_names

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture(scope="module")
def package():
    return griffe.load("transformers_ggm", search_paths=[str(SOURCE)])


def docstrings(parent):
    if parent.docstring:
        yield parent.docstring.value
    for member in parent.members.values():
        if not member.is_alias:
            yield from docstrings(member)


def words(text: str) -> Counter:
    return Counter(re.findall(r"\w+", re.sub(r" *# doctest: .*", "", text)))


def test_examples_of_the_converter_hold():
    """Would fail if the converter did not do what its own docstrings show."""
    result = doctest.testmod(docstring_markdown)
    assert result.attempted and not result.failed


def test_no_word_of_any_docstring_is_lost(package):
    """Would fail if a part of a docstring, such as an argument without a description, were dropped on the way."""
    checked = 0
    for text in docstrings(package):
        before = words(re.sub(r"^Args:$", "Arguments:", text, flags=re.MULTILINE))
        markdown = to_markdown(text, link=lambda target: f"`{target.removeprefix('~')}`")
        after = words(markdown.replace("&#8203;", "").replace("{: .section }", ""))
        for counts in (before, after):
            counts.subtract({name: counts[name] for name in ("python", "pycon")})
        assert +before == +after, text
        checked += 1
    assert checked > 300


def test_sections_become_lists_and_text():
    """Would fail if types, several names of one entry, or the sections' bounds were read wrongly."""
    text = """Finds.

Args:
    queries (`Tensor` of shape `(q, d)`): Vectors,
        of any type:

        - one
    revision, token: As elsewhere.
    config ([`Thing`]).
    **kwargs: The rest.

Returns:
    `tuple`: scores and
    names.

Raises:
    PoolError: `k` is out of range.

Behind it."""
    assert to_markdown(text, link=lambda target: f"<{target}>") == (
        "Finds.\n\n**Arguments**{: .section }\n\n"
        "`queries` (`Tensor` of shape `(q, d)`)\n:   Vectors,\n    of any type:\n\n    - one\n\n"
        "`revision`, `token`\n:   As elsewhere.\n\n"
        "`config` (<Thing>)\n:   &#8203;\n\n"
        "`**kwargs`\n:   The rest.\n\n"
        "**Returns**{: .section }\n\n`tuple`: scores and\nnames.\n\n"
        "**Raises**{: .section }\n\n<PoolError>\n:   `k` is out of range.\n\nBehind it."
    )


def test_consoles_are_named_as_such():
    """Would fail if examples with prompts were coloured as plain Python, or showed directives of doctest."""
    text = "Example:\n\n```python\n>>> 1 + 1  # doctest: +SKIP\n2\n\n```"
    assert to_markdown(text, link=str) == "**Example**{: .section }\n\n```pycon\n>>> 1 + 1\n2\n```"
    assert "```python\nimport torch" in to_markdown("```python\nimport torch\n```", link=str)


def test_links_lead_to_entries(package, caplog):
    """Would fail if a link led to the wrong entry, or showed the wrong part of the name."""
    link = Linker(package, {"HashtagPool": "transformers_ggm.HashtagPool"})
    assert link("HashtagPool") == "[`HashtagPool`][transformers_ggm.HashtagPool]"
    assert link("~HashtagPool.build") == "[`build`][transformers_ggm.HashtagPool.build]"
    assert link("~transformers_ggm.retrieval.HashtagPool") == "[`HashtagPool`][transformers_ggm.HashtagPool]"
    assert link("ExactIndex") == "`ExactIndex`"
    assert link("~transformers.Pipeline") == "`Pipeline`"
    assert not caplog.records


def test_link_to_nowhere_warns(package, caplog):
    """Would fail if a misspelt link in a docstring went unnoticed by the strict build."""
    logging.getLogger("mkdocs").propagate = True
    assert Linker(package, {})("HashtagPoool") == "`HashtagPoool`"
    assert "HashtagPoool" in caplog.text


def test_documented_names_are_found():
    """Would fail if the converter did not see the pages of the reference."""
    assert documented_names()["HashtagPool"] == "transformers_ggm.HashtagPool"


def test_formulas_become_mathml():
    """Would fail if LaTeX reached the page, or text beside it changed."""
    content = mathml.on_page_content('<p>So <span class="arithmatex">\\(a &lt; b\\)</span>.</p>', None, None, None)
    assert content.startswith("<p>So <math") and content.endswith("</math>.</p>")
    assert "<mi>a</mi><mo>&#x0003C;</mo><mi>b</mi>" in content


def test_prime_is_not_an_exponent():
    """Would fail if t' were drawn with a sign too small and too high to be seen."""
    content = mathml.on_page_content('<div class="arithmatex">\\[t\' = t\\]</div>', None, None, None)
    assert '<mi>t</mi><mo lspace="0" rspace="0">&#x02032;</mo>' in content and "msup" not in content
