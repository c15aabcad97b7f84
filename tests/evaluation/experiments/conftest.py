"""The miniature trainings of tests/training serve here too."""

import sys
from pathlib import Path

collect_ignore = ["conftest.py"]
sys.path.append(str(Path(__file__).parents[2] / "training"))
