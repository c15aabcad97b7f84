"""Pipelines derived from ours: what they override is what runs, in whatever way they are called."""

import os
import pickle
from contextlib import closing

import pytest
import torch
from datasets import Dataset
from transformers import pipeline

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.errors import InputError, MediaError

WORDS = "twelve hours on the highway"


class Numbers(torch.utils.data.Dataset):
    """Items by number, as a dataset of torch."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        return self.items[number]


# How several items are passed.
CONTAINERS = {
    "list": list,
    "generator": lambda items: (item for item in items),
    "torch dataset": Numbers,
    "datasets": lambda items: Dataset.from_list([{"description": "", "video": None, **item} for item in items]),
}
WORK = [{}, {"batch_size": 3}, {"num_workers": 2, "batch_size": 3}]


class Signed(HashtagGenerationPipeline):
    """Overrides every step, and says so: with a `mark`, which `preprocess` puts beside the words."""

    def _sanitize_parameters(self, mark=None, **kwargs):
        preprocess, forward, postprocess = super()._sanitize_parameters(**kwargs)
        return (preprocess if mark is None else {**preprocess, "mark": mark}), forward, postprocess

    def preprocess(self, input_, mark="unmarked", **params):
        return {**super().preprocess(input_, **params), "mark": mark, "process": os.getpid()}

    def _forward(self, model_inputs, **params):
        outputs = super()._forward(model_inputs, **params)
        return {**outputs, "signed": [f"{mark}!" for mark in model_inputs["mark"]], "at": model_inputs["process"]}

    def postprocess(self, model_outputs, **params):
        hashtags = super().postprocess(model_outputs, **params)
        return {"hashtags": hashtags, "signed": model_outputs["signed"], "process": model_outputs["at"]}


class Catalogue(HashtagGenerationPipeline):
    """Takes numbers of clips, and tells only the names of the hashtags: overrides without arguments."""

    clips: list[str] = []

    def preprocess(self, input_):
        if input_ < 0:
            raise MediaError(f"clip {input_} is not in the catalogue")
        return super().preprocess({"video": self.clips[input_], "description": WORDS})

    def postprocess(self, model_outputs):
        return [found["hashtag"] for found in super().postprocess(model_outputs)]


@pytest.fixture(scope="module")
def load(checkpoint):
    def load(kind):
        return pipeline("hashtag-generation", model=str(checkpoint), pipeline_class=kind, device="cpu", num_beams=1)

    return load


@pytest.fixture(scope="module")
def plain(load):
    return load(HashtagGenerationPipeline)


@pytest.fixture(scope="module")
def signed(load):
    return load(Signed)


@pytest.fixture(scope="module")
def items(clips):
    return [{"video": path, "description": WORDS} for path in clips] + [{"description": WORDS}]


@pytest.fixture(scope="module")
def expected(plain, items):
    """The names of the hashtags that our own pipeline gives for each item."""
    return [by_name(plain(item)) for item in items]


def by_name(hashtags):
    return [found["hashtag"] for found in hashtags]


@pytest.mark.contract
@pytest.mark.parametrize("work", WORK, ids=str)
@pytest.mark.parametrize("container", CONTAINERS)
def test_all_steps_of_several_items(signed, expected, items, container, work):
    """Would fail if a way of calling passed over an overridden step, or mixed the items' values up."""
    found = list(signed(CONTAINERS[container](items), mark="x", **work))
    assert [row["signed"] for row in found] == ["x!"] * len(items)
    assert [by_name(row["hashtags"]) for row in found] == expected
    here = [row["process"] == os.getpid() for row in found]
    if not work.get("num_workers"):
        assert all(here)
    elif "data" in container:
        assert not any(here)
    else:
        # Words alone are not worth sending.
        assert here == [False] * (len(items) - 1) + [True]


def test_all_steps_of_one_item(signed, expected, items):
    """Would fail if one item took another way than several."""
    for item, names in zip(items, expected):
        found = signed(item)
        assert found["signed"] == "unmarked!" and by_name(found["hashtags"]) == names
    assert signed(items[0]["video"], mark="y", num_workers=1)["signed"] == "y!"


@pytest.mark.parametrize("work", WORK, ids=str)
def test_items_of_another_kind(load, expected, clips, work):
    """Would fail if items had to be those of our own `preprocess`, or overrides needed arguments they do not want."""
    catalogue = load(Catalogue)
    catalogue.clips = list(clips)
    assert catalogue([0, 1, 2, 3], **work) == expected[:4]
    assert catalogue(0, **work) == expected[0]
    with closing(catalogue(iter([3, -1, 0]), on_error="skip", **work)) as found:
        assert list(found) == [expected[3], [], expected[0]]
    assert catalogue.skipped == [("item 1", "item 1: clip -1 is not in the catalogue")]
    with pytest.raises(MediaError, match="clip -1 is not in the catalogue"):
        catalogue([0, -1], **work)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_faults_of_a_derived_pipeline_are_raised(load, clips, num_workers):
    """Would fail if a fault in an overridden step were taken for a bad clip."""

    class Faulty(HashtagGenerationPipeline):
        def preprocess(self, input_, **params):
            raise KeyError("a fault")

    with pytest.raises(KeyError, match="a fault"):
        load(Faulty)(list(clips), num_workers=num_workers, on_error="skip")


@pytest.mark.parametrize("num_workers", [0, 2])
def test_items_that_are_not_read_are_not_seen_by_later_steps(load, clips, num_workers):
    """Would fail if overridden steps had to know of items that cannot be read."""

    class Counting(HashtagGenerationPipeline):
        rows = 0

        def _forward(self, model_inputs, **params):
            Counting.rows += len(model_inputs["description"])
            return super()._forward(model_inputs, **params)

        def postprocess(self, model_outputs, **params):
            assert len(model_outputs["sequences"])
            return super().postprocess(model_outputs, **params)

    suggest = load(Counting)
    paths = ["missing.mp4", *clips, "missing.mp4"]
    found = suggest(paths, num_workers=num_workers, batch_size=3, on_error="skip", return_guidance=True)
    assert [row == {"hashtags": [], "guidance": []} for row in found] == [path == "missing.mp4" for path in paths]
    assert Counting.rows == len(clips)


def test_steps_by_hand(plain, expected, items):
    """Would fail if the steps could not be called one by one."""
    rows = [plain.preprocess(item) for item in items]
    assert rows[0]["frames"].dtype == torch.uint8 and rows[-1]["frames"] is None
    outputs = plain.forward({name: [row[name] for row in rows] for name in rows[0]}, num_beams=1)
    for number, names in enumerate(expected):
        output = {name: values[number] for name, values in outputs.items()}
        assert by_name(plain.postprocess(output)) == names
    with pytest.raises(InputError, match="needs a `video` or a `description`"):
        plain.preprocess({"clip": "a.mp4"})


def test_what_workers_get_has_no_weights(signed, items):
    """Would fail if models and pool were sent to every worker where processes are not forked (macOS, Windows)."""
    copied = signed.without_models()
    sent = pickle.dumps(copied.preprocess)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in signed.model.state_dict().values())
    assert len(sent) < weights
    assert signed.model.training is False and signed.hashtag_pool is not None
    again = pickle.loads(sent)
    assert (
        again.__func__ is Signed.preprocess and again.__self__.model.config.to_dict() == signed.model.config.to_dict()
    )
    found, expected = again(items[0]), signed.preprocess(items[0])
    assert torch.equal(found["frames"], expected["frames"]) and found["mark"] == "unmarked"
