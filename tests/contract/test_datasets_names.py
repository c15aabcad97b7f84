"""What we rely on in datasets that it does not document."""

import inspect

import pytest
from datasets import Audio, Dataset, Features, IterableDataset, Value, Video
from datasets.arrow_writer import ArrowWriter

pytestmark = pytest.mark.contract


def test_fingerprints_follow_what_was_done():
    """Would fail if a preparation went on with rows of another data set."""
    rows = Dataset.from_dict({"description": ["snow", "lake"]})
    again = Dataset.from_dict({"description": ["snow", "lake"]})
    assert isinstance(rows._fingerprint, str)
    assert rows._fingerprint == again._fingerprint
    assert len({rows._fingerprint, rows.select([0])._fingerprint, rows.select([1])._fingerprint}) == 3


def test_arrow_files_are_written_row_by_row(tmp_path):
    """Would fail if decoded clips could not be written while they come, or not be mapped into memory after."""
    features = Features({"description": Value("string"), "frames": Value("binary")})
    path = str(tmp_path / "rows.arrow")
    with ArrowWriter(path=path, features=features, writer_batch_size=1) as writer:
        for word in ("snow", "lake"):
            writer.write({"description": word, "frames": word.encode()})
        writer.finalize()
    rows = Dataset.from_file(path)
    assert rows.features == features and rows[1] == {"description": "lake", "frames": b"lake"}


def test_streams_tell_what_they_are_and_leave_media_encoded():
    """Would fail if a stream could not be told from another, or its clips were decoded to be copied."""
    stream = IterableDataset.from_generator(
        lambda: iter([{"description": "snow"}]), features=Features({"description": Value("string")})
    )
    info = stream.info
    assert {"builder_name", "dataset_name", "config_name", "version"} <= set(vars(info))
    assert stream.num_shards == 1
    assert list(stream.with_format(None).decode(False)) == [{"description": "snow"}]


@pytest.mark.parametrize("feature", [Video, Audio])
def test_decoders_note_what_they_decode(feature):
    """
    Would fail if a clip that was opened to be decoded could not be read from its file any more. By the text of the
    code: making a decoder takes torchcodec, which need not be there.
    """
    assert "._hf_encoded = " in inspect.getsource(feature.decode_example)
