"""Stages of actors, with work that needs no model."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from transformers_ggm.cluster.actor_stages import ActorStage, stream_through
from transformers_ggm.cluster.sent_rows import packed_rows, unpacked_rows
from transformers_ggm.errors import ClusterError


def blocks(count):
    return [pa.table({"id": [f"{number}a", f"{number}b"]}) for number in range(count)]


# Classes within functions travel to actors as they are: these do not have the tests on their path.
def halves_and_doubles(folder):
    class Halves:
        def __call__(self, block):
            yield block.slice(0, 1)
            yield block.slice(1)

    class Doubles:
        def __init__(self, word):
            self.word = word
            Path(folder, str(os.getpid())).touch()

        def __call__(self, block):
            # One that starts late would find nothing left to do.
            for _ in range(600):
                if len(os.listdir(folder)) == 2:
                    break
                time.sleep(0.1)
            return block.append_column("word", [[2 * self.word] * block.num_rows])

    return [ActorStage(Halves), ActorStage(Doubles, {"word": "ho"}, num_actors=2)]


@pytest.mark.contract
def test_every_row_goes_through_all_stages_once(cluster, tmp_path):
    """Would fail if blocks were lost, doubled or joined to others, an argument did not come, or all cores were taken
    by the actors of one stage."""
    stages = halves_and_doubles(tmp_path)
    tables = list(stream_through(stages, blocks(20)))
    rows = [row for table in tables for row in table.to_pylist()]
    assert sorted(row["id"] for row in rows) == sorted(
        name for block in blocks(20) for name in block["id"].to_pylist()
    )
    assert {row["word"] for row in rows} == {"hoho"} and len(os.listdir(tmp_path)) == 2
    assert list(stream_through(stages, [])) == []


@pytest.mark.contract
def test_rows_in_order(cluster):
    """Would fail if a block overtook one before it, blocks were joined, or what a row holds came through otherwise."""
    sent = [{"clip": b"bytes", "sound": None, "frames": [number]} for number in range(6)]

    class Packs:
        def __call__(self, block):
            numbers = block["number"].to_pylist()
            time.sleep(1 if numbers[0] == 0 else 0)
            return packed_rows(numbers, [sent[number] for number in numbers])

    blocks = [pa.table({"number": [number, number + 1]}) for number in (0, 2, 4)]
    found = [list(unpacked_rows(block)) for block in stream_through([ActorStage(Packs, {}, 2)], blocks, in_order=True)]
    assert found == [[(number, sent[number]), (number + 1, sent[number + 1])] for number in (0, 2, 4)]


@pytest.mark.slow
def test_what_an_actor_raises_is_told(cluster):
    """Would fail if an error in a stage came out as one of Ray's, or what went through before it did not come out."""

    class Fails:
        def __call__(self, block):
            if block["id"][0].as_py() == "3a":
                raise ValueError("the model is ill")
            return block

    with pytest.raises(ClusterError, match=r"the model is ill.*goes on from there"):
        list(stream_through([ActorStage(Fails)], blocks(5)))
    assert len(list(stream_through([ActorStage(Fails)], blocks(2)))) == 2
