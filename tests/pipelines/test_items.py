"""Several items in the forms in which libraries keep them, and clips that others have opened."""

import collections
import io
from contextlib import closing
from functools import partial
from pathlib import Path

import av
import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from datasets import Audio, Dataset, DatasetDict, Features, Value, Video
from transformers import pipeline
from transformers.pipelines.pt_utils import KeyDataset

from transformers_ggm import GGMProcessor
from transformers_ggm.errors import InputError, MediaError
from transformers_ggm.pipelines.inputs import load_item, read_fields
from transformers_ggm.pipelines.items import as_items
from transformers_ggm.pipelines.prefetching import ItemPreprocessor


@pytest.fixture(scope="module")
def decode(checkpoint):
    return partial(decoded, GGMProcessor.from_pretrained(checkpoint))


def decoded(processor, item):
    """The fields of a decoded item, and what is wrong with it."""
    preprocess = ItemPreprocessor(lambda item: load_item(read_fields(item), processor, processor.video_processor))
    found = preprocess(item)
    return {"error": found.error, **(found.inputs or {})}


@pytest.fixture(scope="module")
def expected_frames(decode, clips):
    return [decode(path)["frames"] for path in clips]


@pytest.fixture(scope="module")
def suggest(checkpoint):
    return pipeline("hashtag-generation", model=str(checkpoint), device="cpu", num_beams=1)


@pytest.fixture(scope="module")
def expected_hashtags(suggest, clips):
    return [[tag["hashtag"] for tag in tags] for tags in suggest([*clips])]


def video_dataset(paths, **further):
    return Dataset.from_dict({"video": list(paths), **further}).cast_column("video", Video())


class OldSequence:
    """Has numbers and a length, and nothing else."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        return self.items[number]


class Loader:
    """Goes through its items anew each time, and knows no length."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class Stream(torch.utils.data.IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


SEVERAL = {
    "list": list,
    "tuple": tuple,
    "array of text": np.array,
    "array of objects": lambda paths: np.array([Path(path) for path in paths], object),
    "Series": pd.Series,
    "Series of another index": lambda paths: pd.Series(paths, index=[7, 3, 9, 1]),
    "Series of strings": lambda paths: pd.Series(paths, dtype="string"),
    "Index": pd.Index,
    "extension array": lambda paths: pd.array(paths, dtype="string"),
    "categories": lambda paths: pd.Series(pd.Categorical(paths)),
    "DataFrame": lambda paths: pd.DataFrame({"video": paths, "description": ["words", None, pd.NA, float("nan")]}),
    "Arrow array": pa.array,
    "Arrow chunks": lambda paths: pa.chunked_array([paths[:1], paths[1:]]),
    "Arrow table": lambda paths: pa.table({"video": paths}),
    "Arrow values": lambda paths: list(pa.array(paths)),
    "values of a dict": lambda paths: dict(enumerate(paths)).values(),
    "keys of a dict": lambda paths: dict.fromkeys(paths).keys(),
    "deque": collections.deque,
    "generator": lambda paths: (path for path in paths),
    "map": lambda paths: map(Path, paths),
    "loader of its own": Loader,
    "sequence of the old kind": OldSequence,
    "dataset of torch": lambda paths: KeyDataset([{"video": path} for path in paths], "video"),
    "stream of torch": Stream,
    "data loader": lambda paths: torch.utils.data.DataLoader(paths, batch_size=3),
    "data loader of rows": lambda paths: torch.utils.data.DataLoader(
        [{"video": path, "description": "words"} for path in paths], batch_size=3
    ),
    "data loader without batches": lambda paths: torch.utils.data.DataLoader(paths, batch_size=None),
    "column of text": lambda paths: Dataset.from_dict({"clip": paths})["clip"],
    "dataset of videos": video_dataset,
    "column of videos": lambda paths: video_dataset(paths)["video"],
    "key of videos": lambda paths: KeyDataset(video_dataset(paths), "video"),
    "column within a column": lambda paths: Dataset.from_list([{"a": {"b": path}} for path in paths])["a"]["b"],
    "stream of videos": lambda paths: video_dataset(paths).to_iterable_dataset(),
    "column of a stream": lambda paths: video_dataset(paths).to_iterable_dataset()["video"],
    "stream without features": lambda paths: datasets.IterableDataset.from_generator(
        _rows, gen_kwargs={"paths": tuple(paths)}
    ),
    "rows of undecoded videos": lambda paths: list(video_dataset(paths).cast_column("video", Video(decode=False))),
    "bytes of videos": lambda paths: [{"path": None, "bytes": Path(path).read_bytes()} for path in paths],
}


def _rows(paths):
    for path in paths:
        yield {"video": path}


@pytest.mark.contract
@pytest.mark.parametrize("form", SEVERAL)
def test_several_items_are_gone_through(form, clips, decode, expected_frames):
    """
    Would fail if items in one of these forms were taken for one clip, came in another order, or were opened by
    `datasets`, which asks for torchcodec.
    """
    paths = list(clips)
    found = as_items(SEVERAL[form](paths))
    indexed = isinstance(found, torch.utils.data.Dataset)
    assert indexed or isinstance(found, list) or hasattr(found, "send")
    rows = [decode(found[number]) for number in range(len(found))] if indexed else [decode(item) for item in found]
    assert [row["error"] for row in rows] == [None] * len(paths)
    for row, frames in zip(rows, expected_frames):
        assert torch.equal(row["frames"], frames)


@pytest.mark.parametrize(
    "form", ["Series", "values of a dict", "column of videos", "array of text", "dataset of videos"]
)
def test_the_pipeline_gives_a_result_for_each(form, clips, suggest, expected_hashtags):
    """Would fail if the pipeline itself took such a form for one clip, or gave a list where others give one."""
    paths = list(clips)
    found = suggest(SEVERAL[form](paths), num_workers=2, batch_size=2)
    assert isinstance(found, list) == (form != "dataset of videos")
    assert [[tag["hashtag"] for tag in tags] for tags in found] == expected_hashtags
    assert len(suggest(SEVERAL[form](paths[:1]))) == 1


@pytest.mark.parametrize("empty", [[], (), np.array([], object), pd.Series([], dtype=object), {}.values(), set()])
def test_nothing_gives_nothing(empty, suggest):
    """Would fail if an empty form of items were taken for a clip."""
    assert suggest(empty) == []


def test_one_broken_row_costs_itself(clips, suggest):
    """Would fail if a missing value, or a file that `datasets` cannot open, ended a call that is to skip."""
    paths = [*clips][:2]
    column = video_dataset([paths[0], "missing.mp4", paths[1]])["video"]
    assert [bool(tags) for tags in suggest(column, on_error="skip")] == [True, False, True]
    assert [name for name, _ in suggest.skipped] == ["missing.mp4"]
    assert [bool(tags) for tags in suggest(pd.Series([paths[0], None]), on_error="skip")] == [True, False]

    class Dataset(torch.utils.data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, number):
            return paths[1] if number else {}["missing"]

    with closing(suggest(Dataset(), on_error="skip")) as found:
        assert [bool(tags) for tags in found] == [False, True]
    assert "item 0 of the dataset" in suggest.skipped[0][1] and "KeyError" in suggest.skipped[0][1]
    with pytest.raises(MediaError, match="item 0 of the dataset"):
        list(suggest(Dataset()))


def test_a_row_of_a_table_is_one_item(clips, suggest):
    """Would fail if a row of a DataFrame were taken for several clips, one of them its description."""
    frame = pd.DataFrame({"video": list(clips), "description": "words"})
    assert suggest(frame.iloc[0]) == suggest({"video": next(iter(clips)), "description": "words"})


REFUSED = {
    "splits": (lambda path: DatasetDict(test=Dataset.from_dict({"video": [path]})), r"data\['test'\]"),
    "array of bytes": (lambda path: np.array([path.encode()]), "loses zeros"),
    "table of paths": (lambda path: np.array([[path, path]]), r"shape \(1, 2\)"),
    "number": (lambda path: 7, "is a int"),
    "list in a list": (lambda path: [[path, path]], "is a list of str"),
    "paths as a video": (lambda path: {"video": [path]}, "is a list of str"),
    "array of paths as a video": (lambda path: {"video": np.array([path])}, "is a ndarray"),
    "batch of rows": (
        lambda path: {"video": [{"path": path, "bytes": None}], "description": ["a"]},
        "must be a string",
    ),
    "function": (lambda path: len, "is a builtin_function_or_method"),
    "items of a dict": (lambda path: {"a": path}.items(), "is a tuple of str"),
    "numbers": (lambda path: range(2), "is a int"),
    "image": (lambda path: [pytest.importorskip("PIL.Image").new("RGB", (8, 8))], "is a Image"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_told_is_refused(what, clips, suggest):
    """Would fail if something unknown were taken for a clip, or the error did not say what to pass instead."""
    make, message = REFUSED[what]
    with pytest.raises(InputError, match=message) as found:
        suggest(make(next(iter(clips))))
    assert "pass" in str(found.value) or "must be" in str(found.value)


def test_containers_of_pyav_are_read_from_their_file(clips, decode):
    """Would fail if an opened container were no clip, or one of unknown origin raised something else than ours."""
    path = next(iter(clips))
    with av.open(path) as container:
        assert torch.equal(decode(container)["frames"], decode(path)["frames"])
    with av.open(io.BytesIO(Path(path).read_bytes())) as container:
        assert "pass the path" in str(decode({"video": container})["error"])


@pytest.mark.contract
def test_a_decoder_that_knows_its_file_is_read_from_there(sounding, decode):
    """Would fail if what `datasets` notes on its decoders were not used (without torchcodec; with it, see below)."""
    for encoded in ({"path": sounding[0], "bytes": None}, {"path": None, "bytes": Path(sounding[0]).read_bytes()}):
        decoder = type("VideoDecoder", (), {"_hf_encoded": encoded, "__getitem__": lambda self, number: None})()
        for name, value in decode(sounding[0]).items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(decode({"video": decoder})[name], value)


@pytest.fixture
def torchcodec(sounding):
    """The decoders of torchcodec, where it is installed and finds the libraries of FFmpeg."""
    decoders = pytest.importorskip("torchcodec.decoders", reason="torchcodec is not installed")
    try:
        decoders.VideoDecoder(sounding[0])
    except RuntimeError:
        pytest.skip("torchcodec finds no FFmpeg libraries")
    return decoders


def test_decoders_of_datasets_are_read_from_their_own_file(torchcodec, sounding, decode):
    """Would fail if a decoded row gave other frames than its file, lost its sound, or could not be sent to workers."""
    path = sounding[0]
    for clip in (path, Path(path).read_bytes()):
        row = Dataset.from_dict({"video": [clip]}, features=Features({"video": Video()}))[0]
        assert isinstance(row["video"], torchcodec.VideoDecoder)
        for item in (row, row["video"]):
            for name, value in decode(path).items():
                if isinstance(value, torch.Tensor):
                    assert torch.equal(decode(item)[name], value)
    sound = Dataset.from_dict({"audio": [path]}, features=Features({"audio": Audio()}))[0]["audio"]
    heard = decode({"description": "words", "audio": sound})
    assert torch.equal(heard["input_features"], decode({"description": "words", "audio": path})["input_features"])


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
def test_other_decoders_give_their_own_frames(torchcodec, order, clips, decode, suggest):
    """Would fail if a decoder made by hand were taken for a list of frames, or gave frames of other times."""
    for path in clips:
        found = decode(torchcodec.VideoDecoder(path, dimension_order=order))
        expected = decode(path)["frames"]
        assert found["error"] is None and found["frames"].shape == expected.shape
        # Another library's colours, so not bit for bit.
        assert (found["frames"].float() - expected.float()).abs().mean() < 3
    decoders = [torchcodec.VideoDecoder(path) for path in clips]
    assert len(suggest(decoders, num_workers=2)) == len(clips)


def test_sound_of_a_decoder(torchcodec, sounding, decode):
    """Would fail if a decoder of sound were no sound."""
    heard = decode({"description": "words", "audio": torchcodec.AudioDecoder(sounding[0])})
    expected = decode({"description": "words", "audio": sounding[0]})
    assert heard["input_features"].shape == expected["input_features"].shape
    assert (heard["input_features"] - expected["input_features"]).abs().mean() < 0.1


def test_columns_without_features_stay(clips):
    """Would fail if words beside the videos were lost when files are left unopened."""
    paths = list(clips)
    data = video_dataset(paths, description=["words"] * len(paths))
    assert data.features["description"] == Value("string")
    assert as_items(data)[0]["description"] == "words"
