"""The systems of many sources: fused guidance, GGM with it, all sources with a ranker, and RIGHT."""

import json

import pytest
import yaml
from recommender_samples import recommender_arguments, write_posts
from training_samples import ARGUMENTS, write_scratch_config

from transformers_ggm.experiments.grid import read_grid
from transformers_ggm.experiments.runner import CELLS
from transformers_ggm.experiments.runs import RUN_KIND

SYSTEMS = ["retriever", "ggm", "ggm_fused", "recommender", "right"]


@pytest.fixture(scope="module")
def grid_of(tmp_path_factory):
    """Reads a grid over posts of words, with further arguments of the corpus."""
    folder = tmp_path_factory.mktemp("grid")
    write_posts(folder / "posts")
    scratch = write_scratch_config(folder / "model.json")

    def read(systems=SYSTEMS, **arguments):
        chosen = {**ARGUMENTS, **recommender_arguments(), "scratch_config": str(scratch), **arguments}
        corpus = {"data_dir": str(folder / "posts"), "arguments": chosen}
        (folder / "grid.yaml").write_text(yaml.safe_dump({"corpora": {"mine": corpus}, "systems": systems}))
        return read_grid(folder / "grid.yaml")

    return read


def cells_of(grid):
    [corpus] = grid.corpora
    return {system.name: corpus.cell(system, 0) for system in corpus.systems}


def test_only_systems_of_many_sources_have_more_than_the_pool(grid_of):
    """Would fail if what tables call GGM were guided by more than the retriever, as the paper has it."""
    cells = cells_of(grid_of())
    assert "sources" not in cells["ggm"].arguments and cells["ggm"].needs["guidance"].kind == "retriever"
    fused = cells["ggm_fused"].needs["guidance"]
    assert fused.kind == "fused" and fused.needs["retriever"] == cells["retriever"]
    assert fused.arguments["sources"] == ["pool", "posts", "words", "history", "frequent", "trends"]


def test_the_recommender_ranks_the_same_generator(grid_of):
    """Would fail if a generator were trained twice, or another one were ranked than stands in the table."""
    cells = cells_of(grid_of())
    assert cells["recommender"].needs["generator"] == cells["ggm_fused"]
    assert cells["recommender"].needs["guidance"] == cells["ggm_fused"].needs["guidance"]
    assert "generator" in cells["recommender"].arguments["sources"]
    for of_ranker in ({"ranker_hidden_size": 4}, {"plausibility": "a model"}):
        other = cells_of(grid_of(**of_ranker))
        assert other["recommender"].key != cells["recommender"].key and other["ggm_fused"] == cells["ggm_fused"]


def test_right_has_posts_and_the_global_signal_alone(grid_of):
    """Would fail if RIGHT were shown what its retriever and selector do not have."""
    selector = cells_of(grid_of())["right"].needs["guidance"]
    assert selector.arguments["sources"] == ["posts", "frequent"] and "retriever" not in selector.needs


def test_a_classifier_is_refused(grid_of):
    """Would fail if a cell failed for want of a classifier that no other cell trains."""
    with pytest.raises(ValueError, match="no 'classifier' among the `sources`"):
        grid_of(sources=["posts", "classifier"]).cells()


@pytest.mark.slow
def test_cells_build_on_each_other(grid_of, tmp_path):
    """Would fail if a cell lacked what it needs of another one, or answered with something else than it ranked."""
    folders = {}
    grid = grid_of(systems=["ggm_fused", "recommender"])
    for cell in grid.cells():
        folders[cell.name] = tmp_path / CELLS / cell.name
        folders[cell.name].mkdir(parents=True)
        needs = {part: folders[needed.name] for part, needed in cell.needs.items()}
        result = RUN_KIND[cell.kind](folders[cell.name], cell.arguments, cell.seed, needs)
        if cell.kind == "recommender":
            found = result["recommender"]
    cells = cells_of(grid)
    fused, whole = folders[cells["ggm_fused"].needs["guidance"].name], folders[cells["recommender"].name]
    assert (whole / "guidance" / "test.json").samefile(fused / "guidance" / "test.json")
    predicted = [json.loads(line)["predicted"] for line in (whole / "predictions.jsonl").read_text().splitlines()]
    assert sum(map(len, predicted)) / len(predicted) == found["hashtags_shown"]
    assert list(found["sources"])[-1] == "generator"
    # The generator's folder and that of the guidance are as they were.
    assert not (fused / "checkpoint" / "ranker").exists()
