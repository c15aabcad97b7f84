"""The lines of the pages that people copy."""

import doctest
import re
import shutil
from pathlib import Path

import pytest

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.pipelines import DEMO_CHECKPOINT

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FLAGS = doctest.NORMALIZE_WHITESPACE


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A small clip with sound."""
    recipe = next(recipe for recipe in sample_recipes("test", 60) if recipe.sound is not None)
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    render_clip(recipe, str(path), size=32)
    return path


@pytest.fixture
def desk(tmp_path, clip, monkeypatch):
    """A folder that has the files that the pages name."""
    shutil.copytree(DEMO_CHECKPOINT, tmp_path / "outputs" / "ggm" / "checkpoint")
    for name in ("clip.mp4", "a.mp4", "b.mp4"):
        shutil.copy(clip, tmp_path / name)
    (tmp_path / "broken.mp4").write_text("<html>not found</html>")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_blocks(page: Path, names: dict, most: int | None = None) -> None:
    """Runs the blocks of a page one after the other, in one namespace; consoles must print what the page says."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))[:most]
    assert blocks
    for language, code in blocks:
        if language == "python":
            exec(compile(code, str(page), "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(code, names, page.name, str(page), 0)
        report = []
        result = doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(
            test, out=report.append, clear_globs=False
        )
        assert result.attempted and not result.failed, "".join(report)
        names.update(test.globs)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_first_lines_run_as_written(page, desk, capsys):
    """Would fail if the first example that people see did not run."""
    run_blocks(ROOT / page, {}, most=1)
    assert "#" in capsys.readouterr().out


def test_quick_start_runs_as_written(desk):
    """Would fail if an example of the quick start did not run, or a clip that is broken were not left out."""
    names = {}
    run_blocks(ROOT / "docs" / "quickstart.md", names)
    assert names["found"][0] and names["found"][1] and names["found"][2] == []


def test_pool_page_runs_as_written(desk, hub, monkeypatch):
    """Would fail if an example about the pool did not run, or trends were not in the pool as the page says."""
    monkeypatch.setenv("HF_TOKEN", "hf_user")
    names = {}
    run_blocks(ROOT / "docs" / "pool.md", names)
    trending = set(names["pool"]) - set(names["evergreen"])
    assert trending == {"heatwave", "firstsnow"}
    assert set(names["evergreen"]) < set(names["suggest"].hashtag_pool)


def test_recommendation_page_runs_as_written(desk, capsys):
    """Would fail if the example did not run, or did not recommend what posts, words and history all point to."""
    run_blocks(ROOT / "docs" / "recommendation.md", {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("#lake ") and any("posts_sparse" in line for line in lines if "[" in line)


def test_model_page_runs_as_written(desk):
    """Would fail if a shape on the page were wrong, or the equations were not what the encoder computes."""
    run_blocks(ROOT / "docs" / "model.md", {})


def test_training_in_a_notebook_runs_as_written(desk):
    """Would fail if what the page on training shows for a notebook did not run, or gave clips no guidance."""
    names = {"__name__": "notebook"}
    run_blocks(ROOT / "docs" / "training.md", names, most=2)
    assert len(names["tags"]) == 2 and names["trainer"].state.global_step == 1
    assert all(set(tags) == {"snow", "winter", "lake", "sunset"} for tags in names["posts"]["guidance"])
