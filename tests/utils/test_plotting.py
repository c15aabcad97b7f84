"""Tests of how figures are made and saved."""

import sys

import pytest

from transformers_ggm.utils.plotting import new_figure, save_figure


def test_picture_has_the_size_asked_for(tmp_path):
    """Would fail if inches and dots were mixed up, or if a name without `.png` made another format."""
    image = pytest.importorskip("PIL.Image")
    figure = new_figure(3, 2)
    figure.add_subplot().plot([1, 2, 3])
    save_figure(figure, tmp_path / "curve", dots_per_inch=50)
    with image.open(tmp_path / "curve") as picture:
        assert picture.format == "PNG" and picture.size == (150, 100)


def test_a_figure_that_cannot_be_drawn_leaves_the_old_one(tmp_path):
    """Would fail if a plot that broke half-way destroyed the file that was there, or left its temporary one."""
    path = tmp_path / "curve.png"
    path.write_bytes(b"old")
    figure = new_figure(3, 2)
    figure.add_subplot().set_title("$\\nonsense$")
    with pytest.raises(ValueError):
        save_figure(figure, path, dots_per_inch=50)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_without_matplotlib(monkeypatch):
    """Would fail if the message did not say what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install transformers-ggm\[eval\]"):
        new_figure(3, 2)
