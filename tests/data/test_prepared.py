"""Reading prepared sets: the tensors are those of the clips themselves."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from data_samples import make_processors, write_metadata, write_shorts
from datasets import load_dataset
from prepare_samples import prepare
from torch.utils.data import DataLoader

from transformers_ggm import DataCollatorForHashtagGeneration, load_shorts
from transformers_ggm.data import (
    DataCollatorForHashtagRetrieval,
    DecodedShorts,
    PreparedShorts,
    decode_split,
    load_prepared,
    prepared,
)
from transformers_ggm.errors import DatasetError

GUIDANCE = [["rain"], [], ["bluesquare", "rain"], ["lakelife"]]


@pytest.fixture(scope="module")
def shorts_dir(tmp_path_factory):
    return write_shorts(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def lossless(shorts_dir, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("prepared") / "lossless"
    prepare(shorts_dir, output_dir, clip={"lossless": True})
    return load_prepared(output_dir)["train"]


@pytest.fixture(scope="module")
def jpeg(shorts_dir, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("prepared") / "jpeg"
    prepare(shorts_dir, output_dir)
    return load_prepared(output_dir)["train"]


@pytest.fixture(scope="module")
def raw(shorts_dir, processors, tmp_path_factory):
    path = tmp_path_factory.mktemp("decoded") / "train.arrow"
    return DecodedShorts(decode_split(load_shorts(shorts_dir)["train"], path, *processors), GUIDANCE)


def rows_of(shorts):
    return [shorts[index] for index in range(len(shorts))]


def test_lossless_rows_are_those_of_the_clips(raw, lossless, processors):
    """Would fail if training on a lossless set differed by one bit from training on the clips."""
    shorts = PreparedShorts(lossless, *processors, guidance=GUIDANCE)
    for found, expected in zip(rows_of(shorts), rows_of(raw)):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            found[name] = found[name][:] if name == "retriever_frames" and value is not None else found[name]
            same = torch.equal(found[name], value) if torch.is_tensor(value) else found[name] == value
            assert same, name
    collator = DataCollatorForHashtagGeneration(processors[0])
    collator.set_epoch(0)
    batch, expected = collator(rows_of(shorts)), collator(rows_of(raw))
    assert batch.keys() == expected.keys()
    assert all(torch.equal(batch[name], expected[name]) for name in batch)


def test_jpeg_rows_are_near_those_of_the_clips(raw, jpeg, processors):
    """Would fail if a default set lost more than JPEG and 16 bits of sound cost."""
    for found, expected in zip(rows_of(PreparedShorts(jpeg, *processors)), rows_of(raw)):
        for name in ("frames", "retriever_frames"):
            if expected[name] is None:
                assert found[name] is None
            else:
                frames = found[name][:]
                assert frames.shape == expected[name].shape
                difference = frames.float() - expected[name].float()
                assert difference.abs().mean() < 4 and difference.mean().abs() < 1
        if expected["input_features"] is not None:
            assert torch.allclose(found["input_features"], expected["input_features"], atol=0.1)


def test_each_encoder_gets_frames_of_its_size(lossless, processors):
    """
    Would fail if a retriever of another frame size were trained on the generator's frames, or unused frames made.
    """
    other = make_processors(retriever_size=16)[1]
    row = PreparedShorts(lossless, processors[0], other)[0]
    assert row["frames"].shape[-1] == 32 and row["retriever_frames"][:].shape[-1] == 16
    only = PreparedShorts(lossless, retriever_processor=other)[0]
    assert only["frames"] is None and only["input_features"] is None
    assert torch.equal(only["retriever_frames"][:], row["retriever_frames"][:])
    batch = DataCollatorForHashtagRetrieval(other)([only])
    assert batch["pixel_values_videos"].shape[-2:] == (16, 16)


def test_only_drawn_frames_are_decoded(lossless, processors, monkeypatch):
    """Would fail if training a retriever on one frame a clip decoded all of them."""
    shorts = PreparedShorts(lossless, retriever_processor=processors[1])
    everything = shorts[0]["retriever_frames"][:]
    decoded = []
    decode = prepared.decode_frame
    monkeypatch.setattr(prepared, "decode_frame", lambda file: decoded.append(file) or decode(file))
    collator = DataCollatorForHashtagRetrieval(processors[1], frames_per_clip=2)
    batch = collator([shorts[0]])
    assert len(decoded) == 2 and len(everything) > 2
    expected = processors[1](videos=[everything])["pixel_values_videos"][0]
    assert all(any(torch.equal(frame, other) for other in expected) for frame in batch["pixel_values_videos"][0])


def test_frame_counts(lossless, raw, processors):
    """Would fail if batches of like length were made by other lengths than those of the rows."""
    shorts = PreparedShorts(lossless, *processors)
    expected = [0 if row["frames"] is None else len(row["frames"]) for row in rows_of(shorts)]
    assert shorts.frame_counts() == raw.frame_counts() == expected
    chosen = PreparedShorts(lossless.select([3, 1]), *processors)
    assert chosen.frame_counts() == [expected[3], expected[1]]


def test_worker_processes_read_the_same(lossless, processors):
    """Would fail if a data loader's workers could not read a set, or read it in another order."""
    shorts = PreparedShorts(lossless, *processors)
    collator = DataCollatorForHashtagGeneration(processors[0])
    collator.set_epoch(0)
    loaders = [DataLoader(shorts, batch_size=2, collate_fn=collator, num_workers=number) for number in (0, 2)]
    for here, there in zip(*loaders):
        assert all(torch.equal(here[name], there[name]) for name in here)


def test_unfinished_sets_are_refused(tmp_path, shorts_dir):
    """Would fail if a set whose preparation was cut off, or one with a missing shard, passed for whole."""
    with pytest.raises(DatasetError, match=r"no prepared\.json"):
        load_prepared(tmp_path)
    write_metadata(tmp_path / "words" / "train", [{"description": "words", "hashtags": ["rain"]}] * 5)
    prepare(tmp_path / "words", tmp_path / "set")
    next((tmp_path / "set" / "data").glob("train-00001-of-00003-*.parquet")).unlink()
    with pytest.raises(DatasetError, match="2 of 3 shards"):
        load_prepared(tmp_path / "set")


def test_sets_of_earlier_versions_have_the_spellings_of_now(tmp_path):
    """
    Would fail if hashtags of an older set were others than a model trained now writes, or the rest of a row changed.
    """
    rows = [{"description": f"{number}", "hashtags": ["rain", "x"]} for number in range(5)]
    write_metadata(tmp_path / "words" / "train", rows)
    prepare(tmp_path / "words", tmp_path / "set")
    expected = load_prepared(tmp_path / "set")["train"].to_list()
    for shard in (tmp_path / "set" / "data").iterdir():
        table = pq.read_table(shard)
        old = pa.array([["i\u0307zmir", "rain", "izmir", "straße"]] * len(table), table.schema.field("hashtags").type)
        pq.write_table(table.set_column(table.column_names.index("hashtags"), "hashtags", old), shard)
    loaded = load_prepared(tmp_path / "set")["train"]
    assert loaded.to_list() == [{**row, "hashtags": ["izmir", "rain", "strasse"]} for row in expected]
    assert loaded.features == load_dataset(str(tmp_path / "set"))["train"].features
