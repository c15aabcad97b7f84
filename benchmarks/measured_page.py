"""The pages of docs that benchmarks write their figures into, between marks, and the machine that they name there."""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import transformers

from transformers_ggm.errors import OutputError
from transformers_ggm.training.model_card_callback import cpu_name
from transformers_ggm.utils.files import check_output_file, write_text


def machine() -> str:
    """The processor, and what computes on it."""
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{cpu_name()}, {torch.get_num_threads()} threads, {versions}"


def with_section(page: str, name: str, lines: list[str]) -> str:
    """A page whose part between the marks `<!-- name -->` and `<!-- end of name -->` is replaced."""
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    part = "\n".join([marks[0], *lines, marks[1]])
    written, count = re.subn(f"{marks[0]}.*{marks[1]}", lambda _: part, page, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"The page has {count} parts between the marks {marks}: it needs one.")
    return written


def picture_of(page: Path, picture: str) -> Path:
    """Where a page has a picture."""
    return page.parent / "images" / picture


def check_page(
    parser: argparse.ArgumentParser, page: Path | None, sections: Sequence[str], picture: str = "performance.png"
) -> None:
    """
    Makes sure, before anything is measured, that a page has its marks, and that it and its picture can be written;
    ends the program with a message otherwise.

    Args:
        parser (`ArgumentParser`): of the program.
        page (`Path`, *optional*): its `--output`; without one nothing is written.
        sections (`Sequence[str]`): names of marks.
        picture (`str`): in `images/` beside the page.
    """
    if page is None:
        return
    try:
        if not page.exists():
            raise OutputError(
                f"`--output` {page} does not exist: give a page with the marks of {', '.join(sections)}."
            )
        check_output_file(page, "--output")
        check_output_file(picture_of(page, picture), "--output")
        text = page.read_text(encoding="utf-8")
        for name in sections:
            with_section(text, name, [])
    except (OSError, ValueError) as error:
        parser.error(str(error))


def write_sections(page: Path, sections: Mapping[str, list[str]]) -> None:
    """Puts lines between the marks of a page, by their names."""
    text = page.read_text(encoding="utf-8")
    for name, lines in sections.items():
        text = with_section(text, name, ["", *lines, ""])
    write_text(page, text)
