"""A folder of miniature shorts, and one training of all stages on it."""

import pytest
from backbone_folders import write_backbones
from trainer_samples import posts_of
from training_samples import command_line, write_scratch_config

from transformers_ggm.data.rendered_shorts import render_shorts
from transformers_ggm.hub_cards import training_curve
from transformers_ggm.training import main

# Doctest collection would import this file a second time, under the name that other folders' files have too.
collect_ignore = ["conftest.py"]


@pytest.fixture(scope="module", autouse=True)
def empty_training_curves():
    """The picture of a training is there and empty: what is drawn is what `hub_cards` tests, and takes its time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training_curve, "_draw", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def shorts_dir(tmp_path_factory):
    """24 rendered clips: 16 to train with, which is two batches of 8, and 4 each for validation and test."""
    folder = tmp_path_factory.mktemp("shorts")
    render_shorts(folder, 16, 4, 4, size=32, num_workers=1, progress_bar=False)
    return folder


@pytest.fixture(scope="session")
def backbones(tmp_path_factory):
    """Folders of tiny pretrained ViT, BART, CLAP and CLIP, as arguments of `train.py`. Read only."""
    return write_backbones(tmp_path_factory.mktemp("backbones"))


@pytest.fixture(scope="session")
def scratch_config(tmp_path_factory):
    return write_scratch_config(tmp_path_factory.mktemp("config") / "scratch.json")


@pytest.fixture(scope="session")
def finished(shorts_dir, scratch_config, tmp_path_factory):
    """Output folder of a finished training. Read only."""
    output_dir = tmp_path_factory.mktemp("finished")
    main(command_line(data_dir=shorts_dir, output_dir=output_dir, scratch_config=scratch_config))
    return output_dir


@pytest.fixture
def train(shorts_dir, scratch_config, tmp_path):
    """Runs a miniature training, in `tmp_path / "run"` unless told otherwise, and gives its output folder."""

    def run(output_dir=tmp_path / "run", **arguments):
        defaults = {"data_dir": shorts_dir, "output_dir": output_dir, "scratch_config": scratch_config}
        main(command_line(**{**defaults, **arguments}))
        return output_dir

    return run


@pytest.fixture(scope="module")
def posts(shorts_dir):
    """Clips as a notebook has them: a plain dataset."""
    return posts_of(shorts_dir)


@pytest.fixture(scope="module")
def validation(shorts_dir):
    return posts_of(shorts_dir, "validation")
