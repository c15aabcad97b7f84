"""Links among the Markdown files, as GitHub shows them."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]


def without_code(page: Path) -> str:
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    seen: dict[str, int] = {}
    found = set()
    for heading in re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE):
        heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")
        number = seen.get(anchor, 0)
        seen[anchor] = number + 1
        found.add(f"{anchor}-{number}" if number else anchor)
    return found


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_links_resolve(page):
    """Would fail if a link in the repository led to no file or no heading."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def test_readme_leads_to_every_page():
    """Would fail if a page of docs/ could not be found from the README."""
    named = set(re.findall(r"\]\(docs/([\w/]+\.md)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {page.name for page in DOCS.glob("*.md")} <= named


def test_every_page_is_in_the_navigation():
    """Would fail if a page could be reached on the site by searching alone."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2].partition("\n\n")[0]
    named = re.findall(r"[\w/]+\.md$", navigation, re.MULTILINE)
    assert sorted(named) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def test_picture_of_the_model_is_a_picture_for_all():
    """Would fail if the picture were broken, said nothing to who cannot see it, or fetched anything."""
    root = ElementTree.parse(DOCS / "images" / "model.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    labels = {child.get("id"): child.text for child in root if child.tag in (f"{space}title", f"{space}desc")}
    assert root.get("role") == "img"
    assert all(labels[name].strip() for name in root.get("aria-labelledby").split())
    assert "prefers-color-scheme: dark" in root.find(f"{space}style").text
    assert not [node for node in root.iter() for name in node.attrib if name.endswith("href")]
