"""The extensions of the documentation as modules, and the site, built once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

collect_ignore = ["conftest.py"]

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "_extensions"))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site; any warning fails the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
