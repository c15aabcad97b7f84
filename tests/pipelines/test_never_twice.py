"""Nothing is done twice: the calls that suggesting hashtags for a batch makes are counted."""

import itertools
import json
import shutil

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import pipeline

from transformers_ggm import GGMForHashtagGeneration, GGMVideoProcessor, HashtagRetriever
from transformers_ggm.modeling.backbones import tower_of
from transformers_ggm.pipelines import inputs
from transformers_ggm.processing import video_processing_ggm

WORDS = "twelve hours on the highway"
BEAMS = 5


@pytest.fixture
def suggest(checkpoint):
    return pipeline("hashtag-generation", model=str(checkpoint), device="cpu")


@pytest.fixture
def sharing(checkpoint, tmp_path):
    """The same checkpoint, but that the generator shares the retriever's vision encoder."""
    folder = shutil.copytree(checkpoint, tmp_path / "sharing")
    model = GGMForHashtagGeneration.from_pretrained(folder)
    tower = tower_of(HashtagRetriever.from_pretrained(folder / "retriever"), "vision")
    model.get_encoder("video").load_state_dict(tower.state_dict())
    model.config.vision_source = "retriever"
    model.save_pretrained(folder)
    return pipeline("hashtag-generation", model=str(folder), device="cpu")


@pytest.fixture
def items(clips):
    """Four clips, three of them with sound, and words alone."""
    return [{"video": path, "description": WORDS} for path in clips] + [{"description": WORDS}]


@pytest.fixture
def counts(monkeypatch):
    """What is counted, by name: how many calls, or how many rows each call was given."""
    return Counts(monkeypatch)


class Counts(dict):
    def __init__(self, monkeypatch):
        super().__init__()
        self.monkeypatch = monkeypatch

    def calls(self, name, owner, attribute):
        original, self[name] = getattr(owner, attribute), 0

        def call(*args, **kwargs):
            self[name] += 1
            return original(*args, **kwargs)

        self.monkeypatch.setattr(owner, attribute, call)

    def frames(self, name, owner, attribute):
        original, self[name] = getattr(owner, attribute), 0

        def call(processor, frames, **kwargs):
            self[name] += len(frames)
            return original(processor, frames, **kwargs)

        self.monkeypatch.setattr(owner, attribute, call)

    def rows(self, name, module):
        self[name] = []
        module.register_forward_pre_hook(
            lambda _, args, kwargs: self[name].append(len(next(filter(torch.is_tensor, (*args, *kwargs.values()))))),
            with_kwargs=True,
        )

    def of_pipeline(self, suggest):
        """Counts all that can be done twice in one call of a pipeline."""
        encoder = suggest.model.get_encoder()
        self.calls("decoded", video_processing_ggm, "decode_media")
        self.frames("resized", GGMVideoProcessor, "resize")
        self.calls("normalised", GGMVideoProcessor, "_normalize_in_place")
        self.calls("sounds", inputs, "sound_features")
        self.calls("searches", suggest.hashtag_pool, "search")
        self.rows("retriever", tower_of(suggest.retriever, "vision"))
        for name in ("vision", "audio", "text"):
            self.rows(name, getattr(encoder, f"{name}_encoder"))
        return self


# In inference mode, products come as they were called.
PRODUCTS = tuple(getattr(torch.ops.aten, name) for name in ("mm", "bmm", "addmm", "matmul", "linear"))


class Products(TorchDispatchMode):
    """Keeps the shapes of all matrix products' results."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function.overloadpacket in PRODUCTS:
            self.shapes.append(tuple(result.shape))
        return result


def num_frames(suggest, items):
    """How many frames the clips have."""
    clips = [suggest.processor.video_processor([item["video"]])["pixel_values_videos"][0] for item in items[:4]]
    return sum(map(len, clips))


def pictures(suggest, items):
    """How many frames of the clips are not the one before them."""
    clips = [suggest.processor.video_processor([item["video"]])["pixel_values_videos"][0] for item in items[:4]]
    return sum(1 + sum(not torch.equal(*pair) for pair in itertools.pairwise(frames)) for frames in clips)


def test_two_towers(suggest, items, counts):
    """Would fail if a clip were decoded or resized for each of the two that see it, or an encoder ran per beam."""
    shown, frames = pictures(suggest, items), num_frames(suggest, items)
    counts.of_pipeline(suggest)
    suggest(items, batch_size=len(items), num_beams=BEAMS)
    assert counts == {
        "decoded": 4, "resized": frames, "sounds": 3, "searches": 1, "vision": [shown], "retriever": [shown],
        "audio": [5], "text": [5],
        # The two towers may want other means and deviations.
        "normalised": 8,
    }  # fmt: skip


def test_one_tower(sharing, items, counts):
    """Would fail if what the retriever saw were prepared or encoded once more for the generator."""
    shown, frames = pictures(sharing, items), num_frames(sharing, items)
    counts.of_pipeline(sharing)
    sharing(items, batch_size=len(items), num_beams=BEAMS)
    assert counts == {
        "decoded": 4, "resized": frames, "normalised": 4, "sounds": 3, "searches": 1, "vision": [],
        "retriever": [shown], "audio": [5], "text": [5],
    }  # fmt: skip


def test_several_batches(sharing, items, counts):
    """Would fail if a stream's rows were read once to see what they are and again to go by them."""
    frames = num_frames(sharing, items)
    counts.of_pipeline(sharing)
    list(sharing((item for item in items), batch_size=2, num_beams=1))
    assert (counts["decoded"], counts["resized"], counts["normalised"]) == (4, frames, 4)
    assert (counts["searches"], counts["text"], len(counts["retriever"])) == (2, [2, 2, 1], 2)


def test_two_sizes_of_frames(checkpoint, tmp_path, items, counts):
    """Would fail if a clip were decoded again for a retriever that sees smaller frames."""
    folder = shutil.copytree(checkpoint, tmp_path / "small")
    settings = folder / "retriever" / "processor_config.json"
    values = json.loads(settings.read_text())
    values["video_processor"]["resample"] = 0
    settings.write_text(json.dumps(values))
    suggest = pipeline("hashtag-generation", model=str(folder), device="cpu")
    frames = num_frames(suggest, items)
    counts.of_pipeline(suggest)
    suggest(items, batch_size=len(items))
    assert (counts["decoded"], counts["resized"]) == (4, 2 * frames)


def test_guidance_of_a_batch_is_one_product(suggest, items):
    """Would fail if every row were compared with the pool by itself."""
    size = len(suggest.hashtag_pool)
    with Products() as products:
        suggest(items, batch_size=len(items))
    assert [shape for shape in products.shapes if shape[-1] == size] == [(4, size)]


@pytest.mark.parametrize("num_beams", [1, BEAMS])
def test_beams_share_the_states_of_the_encoder(suggest, items, counts, monkeypatch, num_beams):
    """Would fail if the decoder made keys and values of the encoder's states anew at every step."""
    attention = suggest.model.get_decoder().layers[0].encoder_attn
    for name in ("k_proj", "v_proj", "q_proj"):
        counts.rows(name, getattr(attention, name))
    generated, generate = {}, suggest.model.generate

    def counting(**kwargs):
        sequences = generate(**kwargs)
        generated.update({name: len(rows) for name, rows in counts.items()})
        return sequences

    monkeypatch.setattr(suggest.model, "generate", counting)
    suggest(items[0], num_beams=num_beams)
    assert generated["k_proj"] == generated["v_proj"] == 1
    assert generated["q_proj"] > 1


def test_a_still_is_seen_once(suggest, sharing, counts):
    """Would fail if a picture with sound cost as much as a film, or gave other hashtags than its frames one by one."""
    picture = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    still = {"video": np.repeat(picture, 4, axis=0), "description": WORDS}
    counts.of_pipeline(suggest)
    assert suggest(still)[0]["hashtag"]
    assert (counts["vision"], counts["retriever"]) == ([1], [1])
    counts.rows("shared", tower_of(sharing.retriever, "vision"))
    sharing(still)
    assert counts["shared"] == [1]
