"""What counts of what RapidOCR reads, with a stand-in for it, and with itself where it is installed."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from transformers_ggm.errors import InputError, MediaError
from transformers_ggm.processing.reading import ScreenOptions, ScreenReader

BLANK, WHITE = torch.zeros(3, 32, 32, dtype=torch.uint8), torch.full((3, 32, 32), 255, dtype=torch.uint8)


@pytest.fixture
def engine(monkeypatch):
    """Stands in for RapidOCR: what is read of each frame, and the pictures that it was given."""
    stand_in = SimpleNamespace(answers=[], pictures=[])

    class RapidOCR:
        def __init__(self, params):
            stand_in.params = params

        def __call__(self, picture):
            stand_in.pictures.append(picture)
            found = stand_in.answers.pop(0)
            if isinstance(found, Exception):
                raise found
            return SimpleNamespace(txts=tuple(found) or None, scores=tuple(found.values()) or None)

    module = ModuleType("rapidocr")
    module.RapidOCR = RapidOCR
    monkeypatch.setitem(sys.modules, "rapidocr", module)
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    return stand_in


def test_what_counts(engine):
    """Would fail if unsure lines, names or watermarks stayed, a line counted twice, or its order were lost."""
    engine.answers = [
        {"First  snow": 0.9, "@anna": 0.99, "TikTok": 0.99, "blur": 0.5, "...": 0.9},
        {"FIRST SNOW": 0.8, "in Rome": 0.9},
    ]
    assert ScreenReader().read(torch.stack([BLANK, BLANK, WHITE])) == "First snow\nin Rome"
    assert len(engine.pictures) == 2
    engine.answers = [{"@anna": 0.9, "TikTok": 0.9, "blur": 0.5}]
    everything = ScreenReader(ScreenOptions(1, 0.0, keep_user_names=True, keep_watermarks=True))
    assert everything.read(torch.stack([BLANK, WHITE])) == "@anna\nTikTok\nblur"


def test_colours_are_in_the_engines_order(engine):
    """Would fail if RapidOCR were given red for blue."""
    engine.answers = [{}]
    frame = torch.zeros(1, 3, 4, 6, dtype=torch.uint8)
    frame[:, 0] = 200
    assert ScreenReader(engine={"Global.text_score": 0.1}).read(frame) == ""
    assert engine.pictures[0].shape == (4, 6, 3) and engine.pictures[0][0, 0].tolist() == [0, 0, 200]
    assert engine.params["Global.text_score"] == 0.1


def test_faults_of_the_engine(engine):
    """Would fail if a fault of the library came through as it is."""
    engine.answers = [RuntimeError("onnx")]
    with pytest.raises(MediaError, match="onnx"):
        ScreenReader().read(BLANK[None])


@pytest.mark.parametrize("wrong", [{"num_frames": 0}, {"min_confidence": 1.5}])
def test_options_out_of_range(wrong):
    """Would fail if options that read nothing were taken."""
    with pytest.raises(InputError):
        ScreenOptions(**wrong)


@pytest.mark.parametrize("missing", ["rapidocr", "onnxruntime"])
def test_without_the_extra(engine, monkeypatch, missing):
    """Would fail if a missing package ended in a message that does not say what to install."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"pip install 'transformers-ggm\[ocr\]'"):
        ScreenReader()


def test_real_models():
    """Would fail if RapidOCR itself were called in a way in which it reads nothing."""
    pytest.importorskip("rapidocr", reason="rapidocr is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    picture = Image.new("RGB", (320, 240), (70, 90, 120))
    font = ImageFont.load_default(26)
    ImageDraw.Draw(picture).text((20, 60), "winter in Toronto\n@anna.b", font=font, fill="white")
    frame = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    assert ScreenReader().read(torch.stack([frame, frame])).lower().replace(" ", "") == "winterintoronto"
    assert ScreenReader().read(torch.zeros(1, 3, 24, 24, dtype=torch.uint8)) == ""
