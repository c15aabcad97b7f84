"""LaTeX between dollars, as GitHub shows it, becomes MathML, which browsers draw without any script."""

import html
import re

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

# What pymdownx.arithmatex leaves of $...$ and $$...$$.
_PRIME = re.compile(r"<msup>(<mi>\w</mi>)<mi>&#x02032;</mi></msup>")
_MATH = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replaces the formulas of a page."""
    return _MATH.sub(_as_mathml, content)


def _as_mathml(match: re.Match) -> str:
    tag, latex = match.groups()
    mathml = convert(html.unescape(latex), display="block" if tag == "div" else "inline")
    # The sign is a raised one in most fonts: as an exponent it would be raised twice.
    mathml = _PRIME.sub(r'\1<mo lspace="0" rspace="0">&#x02032;</mo>', mathml)
    return f'<div class="formula">{mathml}</div>' if tag == "div" else mathml
