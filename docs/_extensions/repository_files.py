"""The hook of MkDocs that makes links work on the site as they do in the repository, those that leave docs/ too."""

import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_OUTSIDE = re.compile(r"\]\((?:\.\./)+([^)#\s]+)\)")
_FILE_NAME = re.compile(r"\[(\w+\.md)\](?=\(\1[)#])")


def on_files(files: Files, config: MkDocsConfig) -> None:
    """
    Puts every file that a page links to outside of docs/ on the site, where it has the path it has in the repository.
    """
    repository = Path(config.config_file_path).parent
    for page in files.documentation_pages():
        for name in _OUTSIDE.findall(page.content_string):
            if (repository / name).is_file() and files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, abs_src_path=str(repository / name)))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """
    Makes such links point to there. Those to what is no file stay as they are, and MkDocs warns of them. A page that
    is linked to by its file's name is called by its title.
    """
    up = "../" * (len(PurePosixPath(page.file.src_uri).parts) - 1)

    def inside(match: re.Match) -> str:
        return f"]({up}{match[1]})" if files.get_file_from_path(match[1]) else match[0]

    def title(match: re.Match) -> str:
        file = files.get_file_from_path(match[1])
        return f"[{file.page.title}]" if file and file.page else match[0]

    return _FILE_NAME.sub(title, _OUTSIDE.sub(inside, markdown))
