"""`ggm demo`: what a newcomer sees first."""

import subprocess
import sys

import pytest
from transformers.utils import logging

from transformers_ggm.cli import main
from transformers_ggm.pipelines.demo import demo_clips


def test_clips_were_never_trained_on(tmp_path):
    """Would fail if the demonstration showed clips of the training split, or none with a held-out compound."""
    recipes = demo_clips(tmp_path).values()
    assert all(recipe.id.startswith("test-") for recipe in recipes)
    assert any(recipe.unseen_compound for recipe in recipes)


@pytest.fixture
def talkative():
    """The demonstration silences transformers, which other tests listen to."""
    verbosity = logging.get_verbosity()
    yield
    logging.set_verbosity(verbosity)
    logging.enable_progress_bar()


def assert_suggestions_beside_the_authors(told):
    assert told.startswith("This is a demonstration model")
    assert told.count("author ") == told.count("suggested ") == 5
    hits = [line for line in told.splitlines() if " * " in f"{line} "]
    assert len(hits) > 5


def test_prints_suggestions_beside_the_authors(talkative, capsys):
    """Would fail if the demonstration broke, or the bundled model knew nothing."""
    assert main(["demo"]) == 0
    assert_suggestions_beside_the_authors(capsys.readouterr().out)


@pytest.mark.slow
def test_prints_nothing_else():
    """Would fail if a newcomer's first command printed warnings of libraries, which come when a process begins."""
    demo = subprocess.run(
        [sys.executable, "-m", "transformers_ggm", "demo"], capture_output=True, text=True, timeout=300
    )
    assert demo.returncode == 0, demo.stderr
    # Where torchao is installed, transformers imports it, and PyTorch has a word to say about that.
    assert not [line for line in demo.stderr.splitlines() if "torch/utils/_pytree.py" not in line]
    assert_suggestions_beside_the_authors(demo.stdout)


def test_file_that_is_no_clip(talkative, tmp_path, capsys):
    """Would fail if a user's broken file ended in a stack of library internals."""
    path = tmp_path / "notes.mp4"
    path.write_text("not a clip")
    assert main(["demo", str(path)]) == 1
    told = capsys.readouterr().err
    assert str(path) in told and "Traceback" not in told
