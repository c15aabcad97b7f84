"""The page about types and devices, whose lines people copy."""

import re
from pathlib import Path

import pytest

from transformers_ggm.pipelines import DEMO_CHECKPOINT

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "devices.md"


def run_block(number):
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    names = {}
    exec(compile(blocks[number].replace("user/tags", DEMO_CHECKPOINT), str(PAGE), "exec"), names)
    return names


def test_lines_of_the_page_run_as_written():
    """Would fail if an example on the page did not run, or named a file that is not there."""
    run_block(0)
    text = PAGE.read_text(encoding="utf-8")
    configurations = {file.name for file in (REPOSITORY / "examples" / "accelerate").glob("*.yaml")}
    assert set(re.findall(r"\w+\.yaml", text)) == configurations
    assert all((REPOSITORY / name).is_file() for name in re.findall(r"`(tests/\S+\.py)`", text))


def test_lines_about_eight_bits_run_as_written():
    """Would fail if the example did not run, or what it makes suggested nothing."""
    pytest.importorskip("torchao")
    assert run_block(1)["suggest"]({"description": "twelve hours on the highway"})
