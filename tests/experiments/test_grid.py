"""Which cells a configuration asks for, what they share, and when they are run anew."""

import json

import pytest
import yaml

from transformers_ggm.experiments.grid import read_grid
from transformers_ggm.experiments.systems import SYSTEMS, parse_system


@pytest.fixture
def data_dir(tmp_path):
    for split in ("train", "validation", "test"):
        folder = tmp_path / "shorts" / split
        folder.mkdir(parents=True)
        (folder / "metadata.jsonl").write_text(json.dumps({"description": split, "hashtags": ["a"]}))
    return tmp_path / "shorts"


@pytest.fixture
def grid(tmp_path, data_dir):
    """Reads a grid with one corpus, whose entries are given."""

    def read(corpus=None, **entries):
        corpus = {"data_dir": str(data_dir), **(corpus or {})}
        path = tmp_path / "grid.yaml"
        path.write_text(yaml.safe_dump({"corpora": {"mine": corpus}, **entries}))
        return read_grid(path)

    return read


def cells_of(grid, kind):
    return [cell for cell in grid.cells() if cell.kind == kind]


def test_all_systems_of_a_seed_share_decoding_and_retriever(grid):
    """Clips would be decoded, or the retriever trained, once per system."""
    cells = grid(seeds=[0, 1]).cells()
    kinds = [cell.kind for cell in cells]
    assert kinds.count("data") == 1
    assert kinds.count("retriever") == 2
    assert len({cell.name for cell in cells}) == len(cells)


def test_what_a_cell_needs_comes_before_it(grid):
    """A cell would start before the parts that it builds on are there."""
    before = set()
    for cell in grid(guidance_sizes=[0, 5]).cells():
        assert {needed.name for needed in cell.needs.values()} <= before
        before.add(cell.name)


def test_sweep_shares_the_cell_of_the_usual_size(grid):
    """GGM with its own number of guidance hashtags would be trained twice, in Table 2 and in Table 3."""
    corpus = {"arguments": {"num_guidance": 5}}
    without = len(cells_of(grid(corpus, systems=["ggm"]), "generator"))
    swept = cells_of(grid(corpus, systems=["ggm"], guidance_sizes=[0, 5, 10]), "generator")
    assert (without, len(swept)) == (1, 3)
    assert sorted(cell.arguments["num_guidance"] for cell in swept) == [0, 5, 10]


def test_guidance_comes_from_the_named_system(grid):
    """GGM guided by ViT would be guided by the retriever."""
    (corpus,) = grid().corpora
    cell = corpus.cell(SYSTEMS["ggm_guided_by_vit"], seed=3)
    assert cell.needs["guidance"].kind == "classifier"
    assert cell.needs["guidance"].arguments["classifier_modalities"] == ["video"]
    assert cell.needs["guidance"].seed == 3
    assert corpus.cell(SYSTEMS["ggm"], seed=3).needs["guidance"].kind == "retriever"


def test_systems_without_guidance_need_no_retriever(grid):
    """A corpus without clips could not have a text model."""
    (corpus,) = grid().corpora
    for name in ("bart", "vg_bart", "trocr_fid", "bert", "most_frequent"):
        assert set(corpus.cell(SYSTEMS[name], 0).needs) == {"data"}


def test_vision_from_the_retriever_needs_it_where_there_is_vision(grid):
    """The tower would be missing, or a text model would wait for it."""
    (corpus,) = grid({"arguments": {"vision_from_retriever": True}}).corpora
    needs = {name: corpus.cell(SYSTEMS[name], 0).needs.keys() for name in ("vg_bart", "bart", "vit", "bert")}
    assert needs == {
        "vg_bart": {"data", "retriever"}, "bart": {"data"}, "vit": {"data", "retriever"}, "bert": {"data"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "value", "retrains"),
    [("learning_rate", 0.1, False), ("retriever_learning_rate", 0.1, True), ("num_train_epochs", 3, False)],
)
def test_retriever_is_trained_anew_only_for_its_own_arguments(grid, argument, value, retrains):
    """A change of the generator would train the retriever anew, or one of the retriever would not."""
    (usual,), (changed,) = (cells_of(grid({"arguments": a}), "retriever") for a in ({}, {argument: value}))
    assert (usual.name != changed.name) is retrains


def test_changed_data_makes_new_cells(grid, data_dir):
    """Metrics of old data would be shown as those of new data."""
    before = {cell.name for cell in grid().cells()}
    (data_dir / "train" / "metadata.jsonl").write_text(json.dumps({"description": "x", "hashtags": ["b"]}))
    assert before.isdisjoint(cell.name for cell in grid().cells())


def test_changed_scratch_configuration_makes_new_cells(grid, tmp_path):
    """A model of other shapes would be taken for the same one, as its file has the same name."""
    scratch = tmp_path / "model.json"
    names = []
    for content in ("{}", '{"vocab_size": 9}'):
        scratch.write_text(content)
        names.append(
            {cell.name for cell in cells_of(grid({"arguments": {"scratch_config": str(scratch)}}), "generator")}
        )
    assert names[0].isdisjoint(names[1])


def test_arguments_of_a_system_override_those_of_the_corpus(grid, tmp_path):
    """Settings would be lost on the way: file, corpus, system, in this order."""
    (tmp_path / "train.yaml").write_text("learning_rate: 0.1\nwarmup_steps: 7\nnum_train_epochs: 2\nseed: 5\n")
    corpus = {"config": str(tmp_path / "train.yaml"), "arguments": {"num_train_epochs": 3, "warmup_steps": 8}}
    (cell,) = cells_of(grid(corpus, systems=[{"name": "ggm", "arguments": {"warmup_steps": 9}}]), "generator")
    chosen = {name: cell.arguments[name] for name in ("learning_rate", "num_train_epochs", "warmup_steps")}
    assert chosen == {"learning_rate": 0.1, "num_train_epochs": 3, "warmup_steps": 9}
    assert cell.seed == 0 and "seed" not in cell.arguments


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"corpus": {"colour": "red"}}, "unknown keys.*colour"),
        ({"systems": ["gmm"]}, "'gmm' is unknown"),
        ({"systems": [{"name": "ggm", "argument": {}}]}, "unknown keys.*argument"),
        ({"corpus": {"data_dir": "nowhere"}}, "nowhere is no folder"),
        ({"corpus": {"config": "nowhere.yaml"}}, "nowhere.yaml cannot be read"),
        ({"jobs": 2}, "unknown keys.*jobs"),
        ({"corpora": {"a b/c": {"data_dir": "x"}}}, "letters, digits"),
    ],
)
def test_mistakes_in_the_configuration_are_named(grid, entries, message):
    """A misspelt key would be ignored, and its metrics be those of another setting."""
    with pytest.raises(ValueError, match=message):
        grid(**entries)


@pytest.mark.parametrize(
    ("corpus", "systems", "texts"),
    [
        ({}, ["bart", "ggm"], None),
        ({"inputs": ["text", "screen_text"]}, ["most_frequent", "retriever", "bart", "fused", "ggm"], ["screen_text"]),
        ({"retriever_texts": "screen_text"}, ["tfidf_neighbours", "ggm"], ["screen_text"]),
        (
            {"inputs": "text"},
            ["bert", "ggm", {"name": "hears", "base": "ggm", "arguments": {"inputs": ["transcript"]}}],
            ["transcript"],
        ),
    ],
)
def test_all_systems_have_the_same_rows(grid, corpus, systems, texts):
    """Rows without a description were left out for some, so that guidance and tests were of other rows."""
    told = {
        cell.kind: cell.arguments.get("row_texts") for cell in grid({"arguments": corpus, "systems": systems}).cells()
    }
    assert len(told) >= 3 and set(map(str, told.values())) == {str(texts)}


def test_a_derived_system_keeps_its_base():
    """A second form of a system would lose what makes it that system."""
    system = parse_system({"name": "bart_long", "base": "bart", "arguments": {"max_target_length": 64}})
    assert (system.name, system.title, system.kind) == ("bart_long", "bart_long", "generator")
    assert dict(system.arguments) == {**SYSTEMS["bart"].arguments, "max_target_length": 64}
