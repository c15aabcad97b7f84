"""The site that `make docs` builds."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import transformers_ggm

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


class Links(HTMLParser):
    """Anchors of a page, what it links to, and what a browser fetches to show it."""

    def __init__(self, page: Path):
        super().__init__()
        self.ids, self.targets, self.fetched = [], [], []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "a" and attributes.get("href"):
            self.targets.append(attributes["href"])
        if tag == "link" and attributes.get("rel") != "canonical" and attributes.get("href"):
            self.fetched.append(attributes["href"])
        if attributes.get("src"):
            self.fetched.append(attributes["src"])


@pytest.fixture(scope="module")
def pages(site):
    return {path: Links(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}


def test_site_builds_without_warnings(site):
    """Would fail if `make docs` warned of anything: a broken link, a wrong name, an unreadable docstring."""
    assert (site / "index.html").is_file()


def test_every_public_name_has_one_entry(pages):
    """Would fail if a public name were missing from the reference, or stood there twice."""
    anchors = Counter(anchor for links in pages.values() for anchor in links.ids)
    assert {name: anchors[f"transformers_ggm.{name}"] for name in transformers_ggm.__all__} == dict.fromkeys(
        transformers_ggm.__all__, 1
    )


def test_links_lead_somewhere(pages, site):
    """Would fail if a link of the built site led to no page, no file or no heading."""
    broken = []
    for page, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme:
                continue
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            file = file / "index.html" if file.is_dir() else file
            anchors = pages[file].ids if file in pages else []
            if not file.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                broken.append((page.relative_to(site).as_posix(), target))
    assert not broken


def test_nothing_is_fetched_from_elsewhere(pages, site):
    """Would fail if reading the site needed a network: a font, script or picture of another server."""
    assert not [(page.name, url) for page, links in pages.items() for url in links.fetched if urlsplit(url).netloc]
    assert any(links.fetched for links in pages.values())
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)]*", styles)


def test_docstrings_are_rendered(site):
    """Would fail if arguments lost their types, links of docstrings led nowhere, or help of arguments were missing."""
    pool = (site / "api" / "retrieval.html").read_text(encoding="utf-8")
    assert re.search(
        r"<dt><code>embeddings</code> \(<code>torch.Tensor</code> of shape <code>\(n, d\)</code>\)</dt>", pool
    )
    assert re.search(r'href="modeling.html#transformers_ggm.HashtagRetriever"><code>HashtagRetriever</code></a>', pool)
    assert re.search(r'href="errors.html#transformers_ggm.errors.PoolError"><code>PoolError</code></a>', pool)
    training = (site / "api" / "training.html").read_text(encoding="utf-8")
    assert "Hashtags retrieved as guidance; 0 for none." in training


def test_formulas_are_drawn_without_scripts(site):
    """Would fail if a formula reached the reader as LaTeX."""
    model = (site / "model.html").read_text(encoding="utf-8")
    assert model.count('<div class="formula"><math') == 6
    assert "arithmatex" not in model


def test_files_of_the_repository_are_on_the_site(site):
    """
    Would fail if a file outside of docs/ could not be read on the site, or pages were called by their files' names.
    """
    configuration = "examples/configs/rendered_shorts_model.json"
    training = (site / "training.html").read_text(encoding="utf-8")
    assert f'href="{configuration}"' in training
    assert (site / configuration).read_bytes() == (ROOT / configuration).read_bytes()
    assert '<a href="results.html#initialisation">Results</a>' in training
