"""The page about types and devices, whose lines people copy."""

import re
from pathlib import Path

from transformers_ggm.pipelines import DEMO_CHECKPOINT

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "devices.md"


def test_lines_of_the_page_run_as_written():
    """Would fail if an example on the page did not run, or named a file that is not there."""
    text = PAGE.read_text(encoding="utf-8")
    [block] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(block.replace("user/tags", DEMO_CHECKPOINT), str(PAGE), "exec"), {})
    configurations = {file.name for file in (REPOSITORY / "examples" / "accelerate").iterdir()}
    assert set(re.findall(r"\w+\.yaml", text)) == configurations
    assert all((REPOSITORY / name).is_file() for name in re.findall(r"`(tests/\S+\.py)`", text))
