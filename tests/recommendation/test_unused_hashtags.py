"""A ranker that is to know hashtags which nobody used."""

import pytest
import torch

from transformers_ggm.errors import RankerError
from transformers_ggm.recommendation import Candidate, Clues, FrequentSource, candidate_features, fit_ranker
from transformers_ggm.recommendation.unused_hashtags import as_if_unused


class Generator:
    """Stands for the source of that name, whose candidates are given."""

    name, evidence = "generator", ()


class Posts:
    """Another source, with evidence of its own."""

    name, evidence = "posts", ("posts",)


COUNTS = {f"t{number}": number + 1 for number in range(30)}
SOURCES = [Posts(), Generator(), FrequentSource(COUNTS)]


def drawn_rows(num_rows, seed=0, new=0):
    """
    Candidates of which the generator, more than the others, tells the true ones, and these. It also makes up one for
    each row, of which it is not sure, and which is wrong; or, in the first `new` rows, one that is true, and it is.
    """
    chance = torch.Generator().manual_seed(seed)
    found, true = {source.name: [] for source in SOURCES}, []
    for row in range(num_rows):
        tags = [f"t{number}" for number in torch.randperm(30, generator=chance)[:8].tolist()]
        truth = tags[:3]
        made_up = f"made{row}"
        if row < new:
            truth = [*truth, made_up]
        luck = torch.rand(7, generator=chance).tolist()
        sure = {tag: sure if tag in truth else sure / 3 for tag, sure in zip([made_up, *tags], luck)}
        written = [Candidate(tag, score) for tag, score in sorted(sure.items(), key=lambda pair: -pair[1])]
        found["generator"].append(written)
        found["posts"].append([Candidate(tag, 0.5, {"posts": 2.0}) for tag in tags[2:]])
        found["frequent"].append([Candidate(tag, 0.1) for tag in tags])
        true.append(truth)
    return candidate_features(SOURCES, found, [Clues() for _ in true], COUNTS), found, true


def test_what_nobody_used_is_what_the_generator_alone_proposes():
    """Would fail if a candidate that is shown as unused had features that a really unused one has not."""
    features, found, true = drawn_rows(5)
    values, remain = as_if_unused(features, 1.0, seed=0)
    alone = {name: rows if name == "generator" else [[] for _ in rows] for name, rows in found.items()}
    expected = candidate_features(SOURCES, alone, [Clues() for _ in true], {})
    # Best scores and the number of candidates tell of the row, which stays.
    same = [name for name in features.names if not name.endswith("best_score") and name != "candidates"]
    kept = dict(zip(_names(features, remain), values[remain]))
    assert list(kept) != list(_names(features)) and sorted(kept) == sorted(_names(expected))
    columns = [features.names.index(name) for name in same]
    for name, of_unused in zip(_names(expected), expected.named(same).values):
        torch.testing.assert_close(kept[name][columns], of_unused)


def _names(features, chosen=None):
    names = [(row, tag) for row, tags in enumerate(features.hashtags) for tag in tags]
    return names if chosen is None else [name for name, kept in zip(names, chosen.tolist()) if kept]


def test_a_share_is_changed_and_the_features_stay():
    """Would fail if other candidates changed than those drawn, or the features that were given."""
    features, _, _ = drawn_rows(300)
    before = features.values.clone()
    values, remain = as_if_unused(features, 0.2, seed=3)
    assert torch.equal(features.values, before)
    changed = (values != before).any(dim=1) | ~remain
    assert 0.15 < changed.float().mean() < 0.25
    again = as_if_unused(features, 0.2, seed=3)
    assert torch.equal(again[0], values) and torch.equal(again[1], remain)


@pytest.mark.parametrize("left", [["generator"], ["posts", "frequent"]])
def test_where_it_means_nothing_all_stay(left):
    """Would fail if candidates were changed though there is no generator, or nothing beside it."""
    _, found, true = drawn_rows(20)
    sources = [source for source in SOURCES if source.name in left]
    features = candidate_features(sources, found, [Clues() for _ in true], COUNTS)
    values, remain = as_if_unused(features, 0.5, seed=0)
    assert torch.equal(values, features.values) and remain.all()


def test_new_hashtags_are_believed():
    """
    Would fail if a hashtag that nobody used were thought wrong, though the generator is sure of it and right, because
    there was none in the rows of the fit.
    """
    fitted_on, _, true = drawn_rows(200)
    asked, _, _ = drawn_rows(50, seed=1, new=50)
    columns = [row.index(f"made{number}") for number, row in enumerate(asked.hashtags)]
    believed = {}
    for share in (0.0, 0.1):
        ranker = fit_ranker(fitted_on, true, unused_share=share)
        rows = asked.by_row(ranker.probabilities(asked.values))
        believed[share] = sum(row[column].item() for row, column in zip(rows, columns)) / 50
    assert believed[0.0] < 0.1 and believed[0.1] > 0.2


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_one(share):
    """Would fail if a share that is none were taken."""
    features, _, true = drawn_rows(60)
    with pytest.raises(RankerError, match="unused_share"):
        fit_ranker(features, true, unused_share=share)
