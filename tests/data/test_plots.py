import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from transformers_ggm.data.plots import plot_hashtag_frequency, plot_words_per_hashtag

COUNTS = {"snow": 900, "firstsnow": 40, "lake": 7, "first_day_of_the_year_at_the_lake": 3, "münchen": 1}
CORPORA = {
    "some": COUNTS,
    "one": {"snow": 1},
    "equal": {"snow": 8, "lake": 8},
    "many": {f"tag{index}": 60_000 // (index + 1) for index in range(6_000)},
}


@pytest.fixture
def figures(monkeypatch):
    """The figures that were saved."""
    saved = []
    save = Figure.savefig

    def remember(self, *args, **kwargs):
        saved.append(self)
        return save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", remember)
    return saved


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize("min_count", [None, 5])
def test_labels_of_frequencies_lie_on_the_picture_and_not_on_one_another(name, min_count, figures, tmp_path):
    """Text would be cut off or written over other text."""
    plot_hashtag_frequency(CORPORA[name], tmp_path / "frequency.png", min_count)
    _assert_labels_stand_apart(figures[0])


@pytest.mark.parametrize("name", CORPORA)
def test_labels_of_words_lie_on_the_picture_and_not_on_one_another(name, figures, tmp_path):
    """Text would be cut off or written over other text."""
    plot_words_per_hashtag(dict(list(CORPORA[name].items())[:200]), tmp_path / "words.png")
    _assert_labels_stand_apart(figures[0])


def _assert_labels_stand_apart(figure):
    figure.draw_without_rendering()  # saving lays the text out for another resolution
    (axes,) = figure.axes
    renderer = figure.canvas.get_renderer()
    ticks = [*axes.get_xticklabels(which="both"), *axes.get_yticklabels(which="both")]
    # Ticks beyond the limits of an axis have labels too, which are not drawn.
    drawn = [text for text in ticks if _is_within(text, axes)]
    texts = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts, *drawn]
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    if axes.get_legend():
        boxes += [text.get_window_extent(renderer) for text in axes.get_legend().get_texts()]
    assert len(boxes) >= 6
    for index, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:index])


def _is_within(text, axes):
    for axis, limits in zip((0, 1), (axes.get_xlim(), axes.get_ylim())):
        labels = (axes.get_xticklabels, axes.get_yticklabels)[axis](which="both")
        if any(text is label for label in labels):
            return limits[0] <= text.get_position()[axis] <= limits[1]
    raise AssertionError("no tick label")


def test_the_frequency_plot_shows_the_counts(figures, tmp_path):
    """The curve would be of something else than rank and count on log axes."""
    plot_hashtag_frequency(COUNTS, tmp_path / "plot.png", min_count=5)
    (axes,) = figures[0].axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.lines[0].get_xydata().tolist() == [[1, 900], [2, 40], [3, 7], [4, 3], [5, 1]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["fewer than 5: 2 dropped"]
    lower, upper = axes.get_ylim()
    assert lower < 1 and upper > 900
    # The shade begins below the lowest kept count, 5, and above the highest dropped one, 4.
    assert 4 < axes.patches[-1].get_y() + axes.patches[-1].get_height() < 5


def test_the_word_plot_counts_distinct_hashtags(figures, tmp_path):
    """The bars would count uses, or have long hashtags in no bar."""
    plot_words_per_hashtag(COUNTS, tmp_path / "plot.png")
    (axes,) = figures[0].axes
    # One word: snow, lake, münchen; two: firstsnow; six and more: the longest.
    assert [bar.get_height() for bar in axes.patches] == [3, 1, 0, 0, 0, 1]
    assert [text.get_text() for text in axes.texts] == ["60.0%", "20.0%", "0.0%", "0.0%", "0.0%", "20.0%"]


@pytest.mark.parametrize("plot", [plot_hashtag_frequency, plot_words_per_hashtag])
def test_files_are_pictures_and_appear_whole(plot, tmp_path, monkeypatch):
    """A plot would be no PNG, or an old one be spoiled when a new one fails."""
    path = tmp_path / "plot.png"
    plot(COUNTS, path)
    with Image.open(path) as picture:
        assert picture.format == "PNG" and min(picture.size) > 400
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10
    before = path.read_bytes()

    def fail(self, file, **kwargs):
        file.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="no space left"):
        plot(COUNTS, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("plot", [plot_hashtag_frequency, plot_words_per_hashtag])
def test_nothing_to_plot(plot, tmp_path):
    """An empty corpus would end in an error of matplotlib's."""
    with pytest.raises(ValueError, match="`counts` is empty"):
        plot({}, tmp_path / "plot.png")


@pytest.mark.parametrize("plot", [plot_hashtag_frequency, plot_words_per_hashtag])
def test_without_matplotlib(plot, tmp_path, monkeypatch):
    """A missing package would end in a message that does not say what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"transformers-ggm\[eval\]"):
        plot(COUNTS, tmp_path / "plot.png")


def test_no_global_state(tmp_path):
    """Plotting in a process would disturb the figures of whoever else plots in it, or look for a screen."""
    from matplotlib import pyplot

    plot_hashtag_frequency(COUNTS, tmp_path / "plot.png")
    assert pyplot.get_fignums() == []
