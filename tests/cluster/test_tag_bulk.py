"""Clips tagged on a cluster, with the bundled model, as without one."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import pipeline

from transformers_ggm.cluster.tag_bulk import ActorCounts, BulkModel, tag_bulk
from transformers_ggm.errors import ClusterError, OutputError

# Each starts actors anew, which import PyTorch.
pytestmark = pytest.mark.slow

NAMES = ["0.mp4", "1.mp4", "2.mp4", "more/3.mp4", "more/4.mp4"]
ONE_EACH = ActorCounts(decoders=1)
OPTIONS = {"num_beams": 1, "safe": True, "platform": "x", "blocked": ["*beach*"], "min_score": 0.1, "top_n": 2}


def tags_in(folder):
    parts = [pq.read_table(part) for part in sorted(folder.glob("part-*.parquet"))]
    rows = pa.concat_tables(parts).to_pylist()
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["hashtags"] for row in rows}


def test_the_answers_are_those_of_the_pipeline(cluster, rendered, tmp_path):
    """Would fail if a clip were lost or doubled, an option did not reach the actors, or scores came out otherwise."""
    report = tag_bulk(rendered, tmp_path / "tags", BulkModel(options=OPTIONS), actors=ONE_EACH, batch_size=2)
    assert (report.tagged, list(report.skipped), report.before) == (5, ["more/broken.mp4"], 0)
    (reject,) = pq.read_table(tmp_path / "tags" / "rejects.parquet").to_pylist()
    suggest = pipeline("hashtag-generation", device="cpu")
    items = [{"video": str(rendered / name)} for name in [*NAMES, "more/broken.mp4"]]
    items[0]["description"] = (rendered / "metadata.jsonl").read_text().split('"')[-2]
    *expected, nothing = suggest(items, batch_size=2, on_error="skip", **OPTIONS)
    assert nothing == [] and reject == {"id": "more/broken.mp4", "error": suggest.skipped[0][1]}
    found = tags_in(tmp_path / "tags")
    assert sorted(found) == NAMES
    for name, hashtags in zip(NAMES, expected):
        assert [tag["hashtag"] for tag in found[name]] == [tag["hashtag"] for tag in hashtags]
        assert [tag["score"] for tag in found[name]] == pytest.approx([tag["score"] for tag in hashtags], abs=1e-5)
        assert [(tag["novel"], tag["guided"]) for tag in found[name]] == [
            (tag["novel"], tag["guided"]) for tag in hashtags
        ]


def test_what_is_done_is_not_done_again(cluster, rendered, tmp_path):
    """Would fail if a second call tagged a clip anew, left out a new one, or could not retry rejects alone."""
    clips, output, model = shutil.copytree(rendered, tmp_path / "clips"), tmp_path / "tags", BulkModel()
    (clips / "1.mp4").rename(tmp_path / "later.mp4")
    assert tag_bulk(clips, output, model, actors=ONE_EACH).tagged == 4
    first = tags_in(output)
    (tmp_path / "later.mp4").rename(clips / "1.mp4")
    shutil.copy(clips / "1.mp4", clips / "more" / "broken.mp4")
    retried = tag_bulk(clips, output, model, actors=ONE_EACH, retry_rejected=True)
    assert (retried.tagged, retried.skipped, retried.before) == (1, {}, 4)
    assert tags_in(output).keys() == first.keys() | {"more/broken.mp4"}
    assert pq.read_table(output / "rejects.parquet").num_rows == 0
    assert tag_bulk(clips, output, model, actors=ONE_EACH).tagged == 1
    assert tags_in(output)["1.mp4"] == tags_in(output)["more/broken.mp4"]
    assert {name: tags_in(output)[name] for name in first} == first
    with pytest.raises(OutputError, match="top_n null, and not 3"):
        tag_bulk(clips, output, BulkModel(options={"top_n": 3}))


def test_gpus_that_are_not_there_are_told(cluster, rendered, tmp_path):
    """Would fail if actors waited for ever for what the cluster has not."""
    with pytest.raises(ClusterError, match="need 1 GPUs, and the cluster has 0"):
        tag_bulk(rendered, tmp_path / "tags", actors=ActorCounts(models=2, gpus_per_model=0.5))
