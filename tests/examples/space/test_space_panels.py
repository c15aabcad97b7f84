"""What the app shows of an answer."""

import base64
import doctest
import io
import re

import numpy as np
import panels
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from transformers_ggm import HashtagPool
from transformers_ggm.processing import Media

TAG = {"hashtag": "#snow", "score": 0.5, "novel": False, "guided": False}


def media(frames=None, timestamps=(), audio=None):
    return Media(frames, torch.tensor(timestamps, dtype=torch.float64), audio, None if audio is None else 10, 2.0)


def shown_hashtags(html):
    return re.findall(r'data-hashtag="([^"]*)"', html)


def test_chips_tell_kind_and_score():
    """Would fail if a colour meant something else than its legend says, or scores were lost or in another order."""
    html = panels.chips(
        [
            {**TAG, "score": 0.917, "guided": True},
            {**TAG, "hashtag": "#brandnew", "novel": True},
            {**TAG, "hashtag": "#東京", "novel": None},
        ]
    )
    assert shown_hashtags(html) == ["#snow", "#brandnew", "#東京"]
    assert re.findall(r'class="chip (\w+)"', html) == ["guided", "novel", "known"]
    assert re.findall(r'class="score">([^<]*)<', html) == ["0.92", "0.50", "0.50"]
    assert all(meaning in html for meaning in panels.KINDS.values())


def test_the_legend_names_what_is_there():
    """Would fail if the legend explained colours that nobody sees."""
    html = panels.chips([TAG])
    assert panels.KINDS["known"] in html and "<b>novel</b>" not in html and "<b>guided</b>" not in html


def test_chips_tell_what_proposed_a_hashtag():
    """Would fail if nobody saw where a recommended hashtag came from, or it were taken for the model's own."""
    html = panels.chips(
        [
            {**TAG, "sources": ["posts_sparse", "words"]},
            {**TAG, "hashtag": "#new", "novel": True, "sources": ["generator"]},
        ]
    )
    assert re.findall(r'class="chip (\w+)"', html) == ["found", "novel"]
    assert re.findall(r'class="sources">([^<]*)<', html) == ["posts_sparse, words", "generator"]
    assert panels.MEANINGS["found"] in html and 'class="sources"' not in panels.chips([TAG])
    fused = panels.guidance_rows(
        [{"hashtag": "#a", "score": 0.04}, {"hashtag": "#b", "score": 0.01}], set(), set(), True
    )
    assert re.findall(r"width:([\d.]+)%", fused) == ["100.0", "25.0"]


def test_text_is_never_taken_for_html():
    """Would fail if a file name or hashtag could put elements on the page."""
    evil = '#<img src=x onerror="alert(1)">'
    for html in (
        panels.chips([{**TAG, "hashtag": evil}]),
        panels.chips([{**TAG, "sources": [evil]}]),
        panels.guidance_rows([{"hashtag": evil, "score": 0.1}], set(), set()),
        panels.notice(evil, is_error=True),
        panels.quiet(evil),
    ):
        assert "<img" not in html and "&lt;img" in html


def test_nothing_written_and_nothing_retrieved_are_said():
    """Would fail if an empty answer left an empty page."""
    assert "no hashtag" in panels.chips([])
    assert "Nothing was retrieved" in panels.guidance_rows([], set(), set())


def test_guidance_marks_and_bars():
    """Would fail if a bar were wider than its space, or marks were on other hashtags."""
    rows = [{"hashtag": f"#{name}", "score": score} for name, score in (("a", 1.2), ("b", 0.25), ("c", -0.3))]
    html = panels.guidance_rows(rows, written={"#b"}, added={"#b", "#c"})
    assert re.findall(r"width:([\d.]+)%", html) == ["100.0", "25.0", "0.0"]
    assert [re.findall(r'class="mark">(\w+)<', row) for row in html.split("<li")[1:]] == [
        [],
        ["suggested", "yours"],
        ["yours"],
    ]


def test_pools_are_summed_up(monkeypatch):
    """Would fail if changes were not shown, or a pool of millions were sent to every visitor."""
    own = HashtagPool(["snow", "ski", "lake"], torch.eye(3))
    pool = HashtagPool(["snow", "lake", "trend"], torch.eye(3))
    html = panels.pool_summary(pool, own)
    assert re.search(r'Added by you: <span class="tag">#trend</span></p>', html)
    assert re.search(r'Removed by you: <span class="tag">#ski</span></p>', html)
    assert "by you" not in panels.pool_summary(own.copy(), own)
    monkeypatch.setattr(panels, "LISTED_HASHTAGS", 2)
    assert re.findall(r"#\w+", panels.pool_summary(own, own)) == ["#lake", "#ski"]
    assert "and 1 more" in panels.pool_summary(own, own)


def test_the_gallery_shows_the_sampled_frames():
    """
    Would fail if frames were cropped, mixed up, turned or shown in other colours, or large ones sent as they are.
    """
    frames = torch.zeros(3, 3, 400, 800, dtype=torch.uint8)
    frames[0, 0], frames[1, 1], frames[2, 2, :, :400] = 255, 255, 255
    html = panels.gallery(media(frames, (0.25, 1.0, 12.5)))
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), dtype=float)
        for data in re.findall(r"base64,([^\"]*)", html)
    ]
    assert [picture.shape for picture in pictures] == [(160, 320, 3)] * 3
    for picture, colour in zip(pictures, ([255, 0, 0], [0, 255, 0], [0, 0, 255])):
        assert np.abs(picture[:, :150] - colour).max() < 8
    assert np.abs(pictures[2][:, 170:]).max() < 8
    assert re.findall(r"<figcaption>([^<]*)<", html) == ["0.2 s", "1.0 s", "12.5 s"]


@pytest.mark.parametrize("nothing", [None, media(audio=np.ones(10, np.float32))])
def test_no_picture_is_said(nothing):
    """Would fail if words or sound alone left an empty panel."""
    assert "No picture" in panels.gallery(nothing)


def test_sound_and_its_absence():
    """Would fail if silence, no sound and a model that does not hear ended in an error or in one another's words."""
    html = panels.sound(media(audio=np.sin(np.arange(25, dtype=np.float32))), hears=True)
    assert html.count("<rect") == panels.BARS and "2.5 s" in html
    assert panels.sound(media(audio=np.zeros(25, np.float32)), hears=True).count("<rect") == panels.BARS
    for without in (None, media(), media(audio=np.zeros(0, np.float32))):
        assert "No sound" in panels.sound(without, hears=True)
    assert "does not hear" in panels.sound(media(audio=np.ones(9, np.float32)), hears=False)


@settings(deadline=None, max_examples=50)
@given(arrays(np.float32, st.integers(1, 300), elements=st.floats(-1, 1, width=32)), st.integers(1, 40))
def test_peaks_are_of_equal_parts(waveform, count):
    """Would fail if parts overlapped or samples were left out, or short sounds had holes."""
    found = panels.peaks(waveform, count)
    assert found.shape == (count,) and found.min() >= 0 and found.max() <= 1
    loudest = np.abs(waveform).max()
    if loudest > 1e-30:
        assert found.max() == 1
        starts = [len(waveform) * place // count for place in range(count)] + [len(waveform)]
        for a, b, peak in zip(starts, starts[1:], found):
            assert peak * loudest == pytest.approx(np.abs(waveform[a : max(b, a + 1)]).max(), abs=1e-6)
    else:
        assert found.max() <= 1


def test_examples_in_docstrings():
    """Would fail if an example in a docstring did not give what it says."""
    assert doctest.testmod(panels).failed == 0
