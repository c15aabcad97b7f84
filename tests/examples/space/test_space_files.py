"""The Space as a folder that is uploaded, and its options."""

import configparser
import re
import shutil
import subprocess
import sys

import app
import example_clips
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from space_server import REPOSITORY, SPACE

from transformers_ggm.data.rendered_shorts import sample_recipes
from transformers_ggm.processing import GGMVideoProcessor


@pytest.fixture(scope="module")
def front_matter():
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", (SPACE / "README.md").read_text(), re.DOTALL)[1])


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser()
    parser.read(REPOSITORY / "setup.cfg")
    return parser


def test_a_space_knows_what_to_start(front_matter, setup):
    """Would fail if the Hub started another file, or a Gradio that the app was not written for."""
    assert front_matter["sdk"] == "gradio" and (SPACE / front_matter["app_file"]).is_file()
    gradio, *_ = setup["options.extras_require"]["app"].split()
    assert Version(front_matter["sdk_version"]) in Requirement(gradio).specifier
    assert len(front_matter["short_description"]) <= 60


def test_a_space_installs_what_the_package_needs(setup):
    """Would fail if a requirement of the package or the app were missing in the Space, or another version of it."""
    lines = (SPACE / "requirements.txt").read_text().splitlines()
    needed = setup["options"]["install_requires"] + setup["options.extras_require"]["app"]
    assert {line for line in lines if not line.startswith("#")} == set(needed.split())


@pytest.mark.slow
def test_the_uploaded_folder_stands_alone(tmp_path):
    """Would fail if the app needed a file that is not uploaded, or the bundled model were found elsewhere only."""
    shutil.copytree(SPACE, tmp_path, dirs_exist_ok=True)
    shutil.copytree(REPOSITORY / "src" / "transformers_ggm", tmp_path / "transformers_ggm")
    code = "import app; print(app.FOLDER); print(len(app.Suggester().pool)); print(app.Suggester.__module__)"
    code += "; import transformers_ggm; print(transformers_ggm.__file__); print(transformers_ggm.DEMO_CHECKPOINT)"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    folder, pool, _, package, checkpoint = result.stdout.split()
    assert folder == str(tmp_path) and int(pool) > 100
    assert package.startswith(str(tmp_path)) and checkpoint.startswith(str(tmp_path))


def test_options_come_from_the_command_line_then_the_environment(monkeypatch):
    """Would fail if a Space's variables were not heeded, or a command line gave way to them."""
    monkeypatch.setenv("GGM_CHECKPOINT", "user/tags")
    monkeypatch.setenv("GGM_MAX_SECONDS", "30")
    monkeypatch.setattr(sys, "argv", ["app.py", "--max_upload_mb", "7"])
    options = app.read_options()
    assert (options.checkpoint, options.max_seconds, options.max_upload_mb) == ("user/tags", 30.0, 7.0)
    monkeypatch.setattr(sys, "argv", ["app.py", "--checkpoint", "folder"])
    assert app.read_options().checkpoint == "folder"
    monkeypatch.setenv("GGM_CHECKPOINT", "")
    monkeypatch.setattr(sys, "argv", ["app.py"])
    assert app.read_options().checkpoint is None


def test_a_checkpoint_that_is_not_there(monkeypatch, tmp_path, capsys):
    """Would fail if a wrong name ended in a stack of library internals."""
    monkeypatch.setattr(sys, "argv", ["app.py", "--checkpoint", str(tmp_path / "nothing")])
    assert app.main() == 1
    assert "nothing" in capsys.readouterr().err


def test_examples_are_clips_that_no_training_saw(tmp_path):
    """Would fail if an example were no clip, went without its words, or came from the training split."""
    rows = example_clips.render_examples(tmp_path)
    held_out = sample_recipes("test", max(example_clips.NUMBERS) + 1, example_clips.TRAINING_SEED)
    assert [row[1] for row in rows] == [held_out[number].description for number in example_clips.NUMBERS]
    assert all(row[1] for row in rows) and any(held_out[number].unseen_compound for number in example_clips.NUMBERS)
    for path, _ in rows:
        assert GGMVideoProcessor().decode(path).frames.shape[-1] == example_clips.SIZE
