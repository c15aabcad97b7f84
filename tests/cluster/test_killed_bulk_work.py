"""Bulk work that is killed at many points, and done again."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bulk_work_to_kill import BAD, NUM_ROWS

pytestmark = pytest.mark.slow


def test_every_row_is_there_once_wherever_it_was_killed():
    """Would fail if a row were lost, or were there twice, where the driver or an actor was killed at any of 20 points,
    by the signal that nothing can be done about."""
    # Paths of Unix sockets may have a hundred letters, so that pytest's folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    try:
        script = Path(__file__).with_name("bulk_work_to_kill.py")
        subprocess.run([sys.executable, script, folder, "0", "20"], check=True, timeout=1800)
        killed = json.loads((folder / "kills.json").read_text())
        assert len(killed) == 20 and {victim for victim, _ in killed} == {"driver", "first", "second"}
        parts = [pq.read_table(part).to_pylist() for part in (folder / "output").glob("part-*.parquet")]
        rows = [row for part in parts for row in part]
        rejects = pq.read_table(folder / "output" / "rejects.parquet")["id"].to_pylist()
        assert sorted(int(row["id"]) for row in rows) == [n for n in range(NUM_ROWS) if n % BAD]
        assert sorted(map(int, rejects)) == list(range(0, NUM_ROWS, BAD))
        assert all(row["twice"] == 2 * int(row["id"]) for row in rows)
    finally:
        shutil.rmtree(folder)
