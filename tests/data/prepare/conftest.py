"""A folder of clips as it is, and prepared."""

import pytest
from data_samples import write_shorts
from prepare_samples import prepare

# Doctest collection would import this file a second time, under the name that other folders' files have too.
collect_ignore = ["conftest.py"]


@pytest.fixture(scope="session")
def shorts_dir(tmp_path_factory):
    """A split `train` of eight rows, one of them words alone and one without sound."""
    return write_shorts(tmp_path_factory.mktemp("raw"), num_clips=7)


@pytest.fixture(scope="session")
def prepared_dir(shorts_dir, tmp_path_factory):
    """`shorts_dir` prepared as users would. Read only."""
    output_dir = tmp_path_factory.mktemp("prepared") / "set"
    prepare(shorts_dir, output_dir, clips_per_shard=3)
    return output_dir
