"""A folder of clips as it is, and prepared."""

from pathlib import Path

import pytest
from data_samples import write_shorts
from prepare_samples import prepare

from transformers_ggm.data import plots

# Doctest collection would import this file a second time, under the name that other folders' files have too.
collect_ignore = ["conftest.py"]


@pytest.fixture(scope="module", autouse=True)
def empty_plots():
    """Plots are there and empty, but for those of `prepared_dir`: drawing takes longest, and has tests of its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plots, "save_figure", lambda figure, path, *_: Path(path).touch())
        yield


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
