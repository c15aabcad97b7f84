"""Clips and processors that the tests of this folder share."""

import pytest
from data_samples import make_processors, write_shorts

from transformers_ggm import load_shorts
from transformers_ggm.data import DecodedShorts, decode_split

# Doctest collection would import this file a second time, under the name that other folders' files have too.
collect_ignore = ["conftest.py"]


@pytest.fixture(scope="session")
def shorts(tmp_path_factory):
    """A split of four rows: a silent clip, words without a clip, and two clips with sound."""
    return load_shorts(write_shorts(tmp_path_factory.mktemp("shorts")))["train"]


@pytest.fixture(scope="session")
def processors():
    return make_processors()


@pytest.fixture(scope="session")
def decoded(shorts, processors, tmp_path_factory):
    """The split `shorts`, decoded."""
    return DecodedShorts(decode_split(shorts, tmp_path_factory.mktemp("decoded") / "train.arrow", *processors))
