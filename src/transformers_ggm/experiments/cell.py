"""
Runs one cell of the grid in a process of its own, so that its memory can be measured and a crash ends nothing else:

    python -m transformers_ggm.experiments.cell FOLDER

`FOLDER/settings.json` says what to do; `result.json`, or `failed.json` with the reason, is written last.
"""

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from ..utils.files import write_json
from .costs import machine_facts, peak_memory
from .folders import FAILED, RESULT, SETTINGS
from .runs import RUN_KIND


def run_cell(folder: Path) -> dict[str, Any]:
    """Runs the cell in a folder and gives the result that it wrote."""
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    needs = {part: Path(path) for part, path in settings["needs"].items()}
    is_resumed = (folder / "runs").is_dir()
    begin = time.monotonic()
    result = RUN_KIND[settings["kind"]](folder, settings["arguments"], settings["seed"], needs)
    result["costs"] |= peak_memory() | machine_facts()
    result["costs"] |= {"seconds": time.monotonic() - begin, "is_resumed": is_resumed}
    write_json(folder / RESULT, result)
    return result


def main() -> None:
    folder = Path(sys.argv[1])
    try:
        run_cell(folder)
    except Exception as error:
        write_json(folder / FAILED, {"error": f"{type(error).__name__}: {error}"})
        traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
