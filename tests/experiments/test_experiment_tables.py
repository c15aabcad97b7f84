"""The paper's tables, made of cells that were written by hand."""

import pytest
from experiment_samples import COSTS, COUNTS, REFERENCES, write_cell, write_failure, write_grid

from transformers_ggm.evaluation import hashtag_metrics, novelty_metrics, recall_at_k, unseen_recalled
from transformers_ggm.experiments.claims import claims_table
from transformers_ggm.experiments.results import CorpusResults
from transformers_ggm.experiments.tables import (
    costs_table,
    frequency_table,
    novelty_table,
    parameters_table,
    recall_table,
    sweep_table,
    systems_table,
    unseen_table,
)

PERFECT = [list(tags) for tags in REFERENCES]
RANKED = [["c", "a", "b"] for _ in REFERENCES]
UNSEEN_ROWS = [i for i, tags in enumerate(REFERENCES) if "new" in tags]


@pytest.fixture
def finished(tmp_path):
    """A grid of which all has finished but ViT: GGM is perfect, BERT says `a` always."""
    systems = ["bert", "vit", "retriever", "ggm", "ggm_without_guidance"]
    _, grid = write_grid(tmp_path, systems=systems, guidance_sizes=[0, 2])
    unseen = {
        "unseen": ["new"],
        "references": [REFERENCES[i] for i in UNSEEN_ROWS],
        "pool_without": [["a"] for _ in UNSEEN_ROWS],
        "pool_with": [["new"] for _ in UNSEEN_ROWS],
    }
    for cell in grid.cells():
        if cell.kind == "data":
            write_cell(tmp_path, cell)
        elif cell.kind == "retriever":
            write_cell(
                tmp_path, cell, ranked=RANKED, trainable_parameters=7, train_seconds=30.0, inference_seconds=4.0
            )
        elif cell.kind == "classifier" and cell.arguments["classifier_modalities"] == ["video"]:
            write_failure(tmp_path, cell, "no memory")
        elif cell.kind == "classifier":
            write_cell(tmp_path, cell, ranked=RANKED)
        elif cell.arguments.get("num_guidance") == 0:
            write_cell(tmp_path, cell, [["b"] for _ in REFERENCES])
        else:
            write_cell(tmp_path, cell, PERFECT, unseen=unseen)
    return CorpusResults(grid.corpora[0], tmp_path)


def rows_of(table):
    """Rows by system, each a mapping of header to value."""
    return {row[0]: dict(zip(table.headers, row)) for row in table.rows}


def test_table_2_has_each_system_and_shows_the_failed_one(finished):
    """A metric would stand in another system's row, or a failed system be left out."""
    table = systems_table(finished)
    rows = rows_of(table)
    assert list(rows) == ["BERT", "ViT", "VLM (the retriever's nearest)", "GGM", "GGM without guidance"]
    expected = hashtag_metrics([["a"] for _ in REFERENCES], REFERENCES)
    for title, name in (
        ("F1", "f1"),
        ("ROUGE-1", "rouge1"),
        ("precision", "precision"),
        ("F1 of means", "f1_of_means"),
    ):
        assert rows["BERT"][title].mean == pytest.approx(expected[name])
    assert rows["GGM"]["F1"].mean == 100
    assert rows["ViT"]["ROUGE-1"] == "failed"
    assert any("no memory" in note for note in table.notes)
    assert all(len(row) <= len(table.headers) for row in table.rows)


def test_table_3_goes_over_the_sizes_of_the_guidance(finished):
    """The sweep would show another size's metrics."""
    rows = rows_of(sweep_table(finished))
    assert rows["GGM, k = 2"]["F1"].mean == 100
    assert rows["GGM, k = 0"]["F1"].mean == pytest.approx(
        hashtag_metrics([["b"] for _ in REFERENCES], REFERENCES)["f1"]
    )


def test_table_4_is_recall_of_what_ranks(finished):
    """Recall would be that of the answers instead of the ranking, or of generators, which rank nothing."""
    rows = rows_of(recall_table(finished))
    assert list(rows) == ["BERT", "VLM (the retriever's nearest)"]
    assert rows["BERT"]["recall@1"].mean == pytest.approx(recall_at_k(RANKED, REFERENCES, [1])[1])
    assert "recall@5" not in rows["BERT"]  # of three hashtags


def test_table_5_compares_both_pools_on_the_clips_with_unseen_hashtags(finished):
    """Pools would be swapped, or clips counted that have no unseen hashtag."""
    without, with_them = unseen_table(finished).rows
    truth = [REFERENCES[i] for i in UNSEEN_ROWS]
    assert (without[1], without[2], without[3], without[4]) == ("without them", 0.0, 1, len(UNSEEN_ROWS))
    recalled = unseen_recalled([["new"] for _ in truth], truth, ["new"])["unseen_recalled"]
    assert (with_them[1], with_them[2]) == ("with them", recalled)
    assert with_them[6].mean == pytest.approx(hashtag_metrics([["new"] for _ in truth], truth)["f1"])


def test_table_7_and_costs_add_what_guides(finished):
    """The retriever, without which GGM cannot work, would look free."""
    parameters = rows_of(parameters_table(finished))["GGM"]
    assert (parameters["trained parameters"], parameters["of its guidance, trained"]) == (60, 7)
    costs = rows_of(costs_table(finished))
    assert costs["GGM"]["training, minutes"] == pytest.approx(1.0)
    assert costs["GGM"]["of its guidance, minutes"] == pytest.approx(0.5)
    assert costs["GGM"]["videos per second"] == pytest.approx(len(REFERENCES) / (COSTS["inference_seconds"] + 4.0))
    assert costs["BERT"]["of its guidance, minutes"] == 0


def test_novelty_is_measured_against_training_hashtags(finished):
    """Hashtags that GGM made up would be judged by another list."""
    rows = rows_of(novelty_table(finished))
    assert list(rows) == ["GGM", "GGM without guidance"]
    expected = novelty_metrics(PERFECT, REFERENCES, COUNTS)
    assert rows["GGM"]["uses"] == expected["novel_uses"] > 0
    assert rows["GGM"]["novelty gain"] == pytest.approx(expected["novelty_gain"])


def test_frequency_has_the_unseen_bucket(finished):
    """Hashtags that training lacks would be counted as rare ones."""
    rows = rows_of(frequency_table(finished))
    assert rows["GGM"]["unseen"].mean == 100
    assert rows["BERT"]["head"].mean > rows["BERT"]["tail"].mean == 0


def test_claims_are_tested_in_the_right_direction(finished):
    """A claim would be said to hold when the reverse is true."""
    table = claims_table(finished)
    rows = {(row[0], row[2]): dict(zip(table.headers, row)) for row in table.rows}
    guidance = rows["guidance beats none", "GGM without guidance"]
    assert guidance["here"] == "holds" and guidance["ROUGE-1"].startswith("+")
    assert rows["unseen hashtags in the pool are recalled", "without them"]["here"] == "holds"
    assert not any("vit" in str(row).lower() for row in table.rows)  # which failed


def test_interrupted_trainings_are_marked(finished):
    """Minutes since the last start would be taken for the whole training."""
    assert not any("interrupted" in note for note in costs_table(finished).notes)
    finished.systems["ggm"].finished[0].result["costs"]["is_resumed"] = True
    # The result is read once per cell object.
    assert any("interrupted" in note for note in costs_table(finished).notes)
