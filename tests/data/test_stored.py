"""Clips that were decoded before, in whichever form they are stored."""

import pytest
from datasets import Dataset

from transformers_ggm.data import DecodedShorts, PreparedShorts
from transformers_ggm.data.decoded import FRAME_FEATURES
from transformers_ggm.data.prepared import clip_features
from transformers_ggm.data.stored import clip_column, stored_shorts

WORDS = {"description": ["first snow"], "hashtags": [["snow"]]}
FORMS = {
    "decoded": (FRAME_FEATURES, DecodedShorts, "frames_shape"),
    "prepared": (clip_features(16_000), PreparedShorts, "duration"),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_is_known_by_its_columns(form):
    """Would fail if one form were read as the other, or guidance did not reach its rows."""
    features, kind, column = FORMS[form]
    dataset = Dataset.from_dict({**WORDS, **{name: [None] for name in features}})
    shorts = stored_shorts(dataset, guidance=[["lake"]])
    assert type(shorts) is kind and clip_column(dataset) == column
    assert (shorts[0]["guidance"], shorts[0]["hashtags"], shorts[0]["frames"]) == (["lake"], ["snow"], None)


def test_files_are_no_stored_clips():
    """Would fail if a user's own column `frames` were taken for ours."""
    dataset = Dataset.from_dict({**WORDS, "video": ["clip.mp4"], "frames": [3], "duration": [1.0]})
    assert stored_shorts(dataset) is None and clip_column(dataset) == "video"
