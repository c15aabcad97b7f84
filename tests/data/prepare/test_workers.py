"""Worker processes that get stuck, crash, or fail in ways nobody thought of."""

import os
import time

from transformers_ggm.data.prepare import ClipOptions
from transformers_ggm.data.prepare.workers import ClipWorkers
from transformers_ggm.processing import MediaLimits
from transformers_ggm.processing.media import decoding_workers


def words(name):
    return {"video": None, "file_name": name, "description": "", "hashtags": []}


class Crash:
    """A file that ends the process that reads it."""

    def read(self, *_):
        os._exit(11)

    seek = read


class Stuck:
    """A file whose reading does not come back."""

    def read(self, *_):
        time.sleep(600)

    seek = read


def test_stuck_and_crashed_workers_cost_one_clip_each(monkeypatch):
    """Would fail if a decoder that hangs or crashes stopped the others, or its clip were not named."""
    monkeypatch.setattr(decoding_workers, "_GRACE_SECONDS", 0.5)
    rows = [
        words("first"),
        {**words("stuck.mp4"), "video": Stuck()},
        words("second"),
        {**words("crash.mp4"), "video": Crash()},
        {**words("odd.mp4"), "video": 7},
        words("last"),
    ]
    with ClipWorkers(1, ClipOptions(), MediaLimits(max_wall_seconds=0.5)) as workers:
        prepared = list(workers.prepare(rows))
    assert [row["file_name"] for row in prepared] == [row["file_name"] for row in rows]
    errors = {row["file_name"]: row["error"] for row in prepared if row["error"]}
    assert set(errors) == {"stuck.mp4", "crash.mp4", "odd.mp4"}
    assert "within 0.5 s" in errors["stuck.mp4"] and "max_wall_seconds" in errors["stuck.mp4"]
    assert "exit code 11" in errors["crash.mp4"]
    assert all("video" not in row and row["frames"] is None for row in prepared)


def test_rows_are_not_read_far_ahead():
    """Would fail if memory grew with the number of clips."""
    read = []

    def rows():
        for number in range(200):
            read.append(number)
            yield words(str(number))

    with ClipWorkers(2, ClipOptions(), MediaLimits()) as workers:
        for done, row in enumerate(workers.prepare(rows())):
            assert row["file_name"] == str(done)
            assert len(read) <= done + workers.num_ahead
    assert len(read) == 200
