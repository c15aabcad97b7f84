"""The picture of a training's course."""

import logging
import sys

import numpy as np
import pytest
from PIL import Image

from transformers_ggm.hub_cards import training_curve
from transformers_ggm.hub_cards.training_curve import TRAINING_CURVE, training_panels, write_training_curve

LOSSES = {step: 5 / step for step in (1, 2, 3, 4)}
METRICS = {2: 30.0, 4: 41.5}
HISTORY = [
    *({"step": step, "loss": loss} for step, loss in LOSSES.items()),
    *({"step": step, "eval_loss": 2 / step, "eval_rouge1": metric} for step, metric in METRICS.items()),
    {"step": 4, "train_runtime": 9.0, "train_loss": 2.6},
]
PAGES = ("#ffffff", "#0b0f19", "#000000")


def luminance(colour):
    """Relative luminance by WCAG 2."""
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("colour", ["INK", "TRAINING_COLOUR", "VALIDATION_COLOUR"])
def test_readable_on_white_and_on_black(colour, page):
    """Would fail if a line or letter could not be told from a light page or from a dark one (WCAG: 3 to 1)."""
    brighter, darker = sorted((luminance(getattr(training_curve, colour)), luminance(page)), reverse=True)
    assert (brighter + 0.05) / (darker + 0.05) >= 3


def test_panels_show_what_was_logged():
    """Would fail if a curve had other values than the log, or the run's mean loss were taken for a step's."""
    panels = training_panels(HISTORY, "eval_rouge1")
    assert panels == {
        "loss": {"training": LOSSES, "validation": {2: 1.0, 4: 0.5}},
        "ROUGE-1": {"validation": METRICS},
    }


@pytest.mark.parametrize(
    ("history", "metric", "panels"),
    [
        ([{"step": 3, "loss": 1.0}], "rouge1", {"loss": {"training": {3: 1.0}}}),
        ([{"step": 3, "eval_f1": 1.0}], "f1", {"F1": {"validation": {3: 1.0}}}),
        ([{"step": 3, "eval_mine": 1.0}], "mine", {"mine": {"validation": {3: 1.0}}}),
        ([{"step": 3, "eval_loss": 1.0}], "loss", {"loss": {"validation": {3: 1.0}}}),
        ([{"step": 9, "loss": 1.0}, {"step": 3, "loss": 2.0}, {"step": 9, "loss": 4.0}], "f1",
         {"loss": {"training": {3: 2.0, 9: 4.0}}}),
    ],
    ids=["no metrics", "no losses", "own metric", "loss decides", "logged twice"],
)  # fmt: skip
def test_panels_without_what_was_not_logged(history, metric, panels):
    """Would fail if an empty panel were drawn, or a step twice."""
    assert training_panels(history, metric) == panels


def test_picture(tmp_path):
    """Would fail if there were no picture, one with a ground of its own, a heavy one, or one without both curves."""
    path = write_training_curve(HISTORY, tmp_path, "rouge1", 4)
    assert path == tmp_path / TRAINING_CURVE and list(tmp_path.iterdir()) == [path]
    assert path.stat().st_size < 60_000
    pixels = np.asarray(Image.open(path).convert("RGBA"))
    assert (pixels[0, :, 3] == 0).all() and (pixels[..., 3] == 0).mean() > 0.7
    colours = {tuple(pixel) for pixel in pixels[pixels[..., 3] == 255][:, :3].tolist()}
    for colour in (training_curve.TRAINING_COLOUR, training_curve.VALIDATION_COLOUR):
        assert tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5)) in colours


@pytest.fixture
def log(monkeypatch):
    """What transformers' logger was given."""
    lines = []
    monkeypatch.setattr(training_curve.logger, "handle", lambda record: lines.append(record.getMessage()))
    monkeypatch.setattr(training_curve.logger, "disabled", False)
    training_curve.logger.setLevel(logging.WARNING)
    return lines


def test_without_matplotlib(tmp_path, monkeypatch, log):
    """Would fail if a training without matplotlib broke at its end, or left the picture out without a word."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert write_training_curve(HISTORY, tmp_path, "rouge1") is None
    assert not list(tmp_path.iterdir())
    (line,) = log
    assert "left out" in line and "pip install 'transformers-ggm[eval]'" in line


def test_nothing_logged(tmp_path, log):
    """Would fail if a training that logged nothing had an empty picture."""
    assert write_training_curve([{"step": 4, "train_runtime": 9.0}], tmp_path, "rouge1") is None
    assert not list(tmp_path.iterdir()) and "neither losses nor" in log[0]
