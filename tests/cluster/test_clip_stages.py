"""The stages that clips go through, one after the other in this process."""

import os

import pyarrow as pa
import pytest
from transformers import pipeline

from transformers_ggm import MediaError
from transformers_ggm.cluster.bulk_rows import blocks_of
from transformers_ggm.cluster.clip_stages import ClipReader, Decoder, Tagger
from transformers_ggm.cluster.sent_rows import unpacked_rows
from transformers_ggm.pipelines import clip_reading
from transformers_ggm.pipelines.compose import CheckpointComposition, compose_checkpoint
from transformers_ggm.processing.reading import SpeechReader, SpeechThresholds
from transformers_ggm.processing.reading.speech_reader import Heard

BlockAccessor = pytest.importorskip("ray.data.block").BlockAccessor


class Speech(SpeechReader):
    """Hears the same words in every clip."""

    def __init__(self):
        super().__init__(SpeechThresholds(-1.0), voice_activity=False)

    def hear(self, pieces, languages):
        return [Heard("we are on a road trip", -0.1) for _ in pieces]


def through(stages, rows):
    """What comes out of the last stage for one block, handed on as Ray does."""
    tables = blocks_of(rows, num_actors=1)
    for stage in stages:
        found = [stage(table) for table in tables]
        made = [each for some in found for each in ([some] if isinstance(some, (pa.Table, dict)) else some)]
        tables = [BlockAccessor.batch_to_block(each) for each in made]
    return pa.concat_tables(tables).to_pylist()


def test_what_is_said_is_read_on_the_way(rendered, tmp_path, monkeypatch):
    """Would fail if actors that read speech did not get the sound, or what they read did not come to the model."""
    (tmp_path / "tags.txt").write_text("roadtrip\nbirthday\nsnow\n")
    checkpoint = str(tmp_path / "checkpoint")
    compose_checkpoint(CheckpointComposition(hashtags=str(tmp_path / "tags.txt")), checkpoint)
    monkeypatch.setattr(clip_reading, "load_speech_reader", lambda *_, **__: Speech())
    whole = pipeline("hashtag-generation", model=checkpoint, device="cpu", speech="a model")
    decoder = Decoder(whole.without_models().preprocess, num_rows=1)
    reader = ClipReader("a model", False, whole.used_clues, None)
    rows = [{"id": name, "video": str(rendered / name)} for name in ("more/broken.mp4", "0.mp4")]
    broken, tagged = through([decoder, reader, Tagger(checkpoint, False, {"top_n": 1, "batch_size": 2})], rows)
    assert broken["hashtags"] == [] and "cannot be read" in broken["error"]
    assert tagged["error"] is None and [tag["hashtag"] for tag in tagged["hashtags"]] == ["#roadtrip"]
    assert tagged["hashtags"][0]["sources"] == whole({"video": rows[1]["video"]}, top_n=1)[0]["sources"]


def told(block):
    """A stage: the error of each clip, or its words."""
    return pa.table({"told": [str(item.error or item.inputs["description"]) for _, item in unpacked_rows(block)]})


def crash_or_pass(item):
    """What a decoder with a fault does, and one without."""
    if item.get("description") == "crash":
        os._exit(7)
    if item.get("description") == "refuse":
        raise MediaError("a.mp4 is none")
    return {"description": item["description"]}


def test_a_clip_that_crashes_its_process_is_a_reject():
    """Would fail if a clip ended its actor, which would begin with it anew, time and again."""
    rows = [{"id": word, "video": None, "description": word} for word in ("first", "crash", "refuse", "last")]

    reasons = [row["told"] for row in through([Decoder(crash_or_pass, num_rows=2), told], rows)]
    assert reasons[0] == "first" and reasons[2:] == ["a.mp4 is none", "last"]
    assert reasons[1].startswith("crash crashed the process that decoded it (exit code 7)")


def test_a_tar_that_is_gone_is_told(tmp_path):
    """Would fail if a tar that went away between listing and decoding ended the work, and not its clips alone."""
    clip = {"path": "a.mp4", "tar": str(tmp_path / "gone.tar"), "offset": 512, "size": 10}
    (row,) = through([Decoder(crash_or_pass, num_rows=1), told], [{"id": "gone/a", "video": clip}])
    assert "gone.tar' does not exist" in row["told"]
