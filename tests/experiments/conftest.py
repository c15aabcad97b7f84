"""The miniature trainings of tests/training, and the tiny vision-language model beside this folder, serve here too."""

import sys
from pathlib import Path

collect_ignore = ["conftest.py"]
sys.path += [str(Path(__file__).parents[2] / "training"), str(Path(__file__).parents[1])]
