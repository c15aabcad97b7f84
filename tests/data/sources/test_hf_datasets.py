import pytest
from datasets import Features, IterableDataset, Value
from source_samples import (
    generate,
    make_dataset,
    make_rows,
    read_back,
)

from transformers_ggm.data.sources import open_shorts
from transformers_ggm.errors import DatasetError

READ = []


def _counting():
    for number in range(1000):
        READ.append(number)
        yield {"text": f"#tag{number}"}


@pytest.mark.parametrize(("features", "looked_at"), [(Features({"text": Value("string")}), 0), (None, 64)])
def test_streams_are_read_as_far_as_asked(features, looked_at):
    """Would fail if a stream were read ahead, which costs a clip's download per row."""
    READ.clear()
    source = open_shorts(IterableDataset.from_generator(_counting, features=features))[None]
    assert len(READ) == looked_at
    rows = source.rows()
    assert [next(rows)["hashtags"] for _ in range(3)] == [["tag0"], ["tag1"], ["tag2"]]
    assert len(READ) == looked_at + 3


def test_empty_stream_with_features():
    """Would fail if a stream without rows, which only reading tells, made an empty set."""
    features = Features({"text": Value("string"), "video": Value("string")})
    stream = IterableDataset.from_generator(generate, gen_kwargs={"rows": ()}, features=features)
    with pytest.raises(DatasetError, match="the dataset has no rows"):
        list(open_shorts(stream)[None].rows())


def test_selected_and_formatted_datasets():
    """Would fail if the order of a dataset, or the rows chosen from it, were not kept, or a format changed values."""
    rows = make_rows()
    numbers = [5, 0, 3, 3]
    dataset = make_dataset(rows).select(numbers).with_format("numpy")
    source = open_shorts(dataset)[None]
    for start in range(5):
        assert read_back(source, start) == [rows[number] for number in numbers[start:]]


def test_values_of_wrong_types_in_streams():
    """Would fail if a value of a wrong type in a later row came through, or its row were not named."""
    for name, value in (("video", 7), ("description", 7)):
        good = {"clip": "a.mp4", "description": "a", "hashtags": ["a"]}
        bad = {**good, "clip" if name == "video" else name: value}
        rows = (*[good] * 70, bad)
        source = open_shorts(IterableDataset.from_generator(generate, gen_kwargs={"rows": rows}))[None]
        with pytest.raises(DatasetError, match=f"row 70: '{name}' must be"):
            list(source.rows())
