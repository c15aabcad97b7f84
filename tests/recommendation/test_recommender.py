"""The ranker: fitted, calibrated, saved, explained; and the whole from clues to hashtags."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from transformers_ggm.errors import CheckpointError, InputError, RankerError, SourceError
from transformers_ggm.evaluation import best_of_rows, expected_calibration_error
from transformers_ggm.recommendation import (
    CandidateFeatures,
    Clues,
    FrequentSource,
    HashtagRanker,
    HashtagRankerConfig,
    HistorySource,
    PostsSource,
    Recommender,
    WordsSource,
    clues_of,
    fit_ranker,
)


@pytest.fixture
def recommender(index, posts):
    counts = index.hashtag_counts()
    sources = [PostsSource(index, by="sparse"), WordsSource.build(posts), HistorySource(), FrequentSource(counts)]
    return Recommender(sources, counts=counts)


@pytest.fixture
def fitted(recommender, posts, new_posts):
    recommender.fit(clues_of(new_posts, posts), [row["hashtags"] for row in new_posts])
    return recommender


def drawn_features(rows=400, candidates=10, seed=0):
    """Candidates whose chance to be right follows from their features, and which ones came true."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(rows * candidates, 2, generator=generator)
    chances = (4 * values[:, 0] - 2 * values[:, 1] - 2).sigmoid()
    truth = torch.rand(len(chances), generator=generator) < chances
    hashtags = [[f"t{number}" for number in range(candidates)] for _ in range(rows)]
    true = [[f"t{n}" for n in range(candidates) if truth[row * candidates + n]] for row in range(rows)]
    sources = [[["s"]] * candidates for _ in range(rows)]
    return CandidateFeatures(["good", "bad"], values, hashtags, sources), true, chances


def with_nan(features):
    values = features.values.clone()
    values[3, 1] = torch.nan
    return replace(features, values=values)


@pytest.mark.parametrize("hidden_size", [0, 8])
def test_probabilities_are_those_that_were_drawn(hidden_size):
    """Would fail if what the ranker calls likely were not as likely as it says, on rows that it never saw."""
    features, true, _ = drawn_features()
    ranker = fit_ranker(features, true, hidden_size=hidden_size)
    new, new_true, chances = drawn_features(rows=1000, seed=1)
    found = ranker.probabilities(new.values)
    assert (found - chances).abs().mean() < 0.04
    rows = [[part.numpy() for part in new.by_row(numbers)] for numbers in (found, new.truth(new_true))]
    assert expected_calibration_error(*best_of_rows(*rows)) < 0.05
    assert abs(ranker.config.calibration_error) < 0.06


def test_missing_hashtags_are_counted():
    """Would fail if the expected F1 took the candidates for all there is."""
    features, true, _ = drawn_features(rows=60)
    ranker = fit_ranker(features, [[*row, "elsewhere"] for row in true])
    assert ranker.config.missing_hashtags == 1


def test_fit_is_deterministic():
    """Would fail if two fits on the same rows gave two rankers."""
    features, true, _ = drawn_features(rows=80)
    first, second = (fit_ranker(features, true, hidden_size=4).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_monotone_ranker_never_falls():
    """Would fail if a better score could make a hashtag less likely though that was ruled out."""
    features, true, _ = drawn_features()
    ranker = fit_ranker(features, true, monotone=True)
    steps = torch.linspace(0, 1, 20)
    for column in range(2):
        values = torch.full((20, 2), 0.5)
        values[:, column] = steps
        assert (ranker(values).diff() >= -1e-6).all()
    assert (ranker(torch.tensor([[0.0, 0.5], [1.0, 0.5]])).diff() > 1).all()


def test_ranker_is_saved_whole(tmp_path):
    """Would fail if a ranker answered otherwise after saving, or its weights were drawn anew while loading."""
    features, true, _ = drawn_features(rows=80)
    for hidden_size in (0, 4):
        ranker = fit_ranker(features, true, hidden_size=hidden_size)
        ranker.save_pretrained(tmp_path / "ranker")
        loaded = HashtagRanker.from_pretrained(tmp_path / "ranker")
        assert torch.equal(loaded.probabilities(features.values), ranker.probabilities(features.values))
        assert loaded.config.features == ["good", "bad"]
    assert {file.name for file in (tmp_path / "ranker").iterdir()} == {"config.json", "model.safetensors"}


def test_missing_weights_are_told_and_start_afresh(tmp_path):
    """Would fail if a checkpoint without a part of the ranker left that part as memory happened to be."""
    HashtagRanker(HashtagRankerConfig(features=["a"])).save_pretrained(tmp_path)
    config = HashtagRankerConfig(features=["a"], hidden_size=3)
    loaded, told = HashtagRanker.from_pretrained(
        tmp_path, config=config, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert {"hidden.weight", "hidden.bias"} <= set(told["missing_keys"])
    assert loaded(torch.ones(2, 1)).isfinite().all() and not loaded.output.bias.any()


def truncate(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])


def spoil_weights(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["output.bias"].fill_(torch.nan)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def other_features(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "features": ["a", "b", "c"]}))


def spoil_calibration(folder):
    config = json.loads((folder / "config.json").read_text())
    changed = {**config, "calibration_logits": [0.0], "calibration_probabilities": ["a"]}
    (folder / "config.json").write_text(json.dumps(changed))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        spoil_weights,
        other_features,
        spoil_calibration,
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "model.safetensors").unlink(),
    ],
)
def test_damaged_rankers_are_refused(tmp_path, damage):
    """Would fail if half a download, or files of two rankers, gave probabilities or a library's own error."""
    HashtagRanker(HashtagRankerConfig(features=["a", "b"])).save_pretrained(tmp_path / "ranker")
    damage(tmp_path / "ranker")
    with pytest.raises(CheckpointError, match="ranker"):
        HashtagRanker.from_pretrained(tmp_path / "ranker")


def test_features_of_another_width_are_refused():
    """Would fail if one number a candidate were taken for all of its features."""
    ranker = HashtagRanker(HashtagRankerConfig(features=["a", "b"]))
    for features in (torch.ones(3, 1), torch.ones(2), torch.ones(3, 6)):
        with pytest.raises(RankerError, match="give"):
            ranker(features)


def test_true_hashtags_in_any_spelling():
    """Would fail if a ranker learned that nothing is ever right, since the true ones are written otherwise."""
    features, true, _ = drawn_features(rows=60)
    spelt = [[f"#{hashtag.upper()}" for hashtag in row] for row in true]
    assert torch.equal(features.truth(spelt), features.truth(true))
    plain, other = (fit_ranker(features, rows, l2=1.0) for rows in (true, spelt))
    assert torch.equal(plain.output.weight, other.output.weight)
    assert plain.config.missing_hashtags == other.config.missing_hashtags == 0


def test_explanations_add_up():
    """Would fail if what the features are said to have added were not what made the score."""
    features, true, _ = drawn_features()
    average = torch.zeros(1, 6)
    for options, tolerance in (({}, 1e-4), ({"monotone": True}, 1e-4), ({"hidden_size": 8}, 0.05)):
        ranker = fit_ranker(features, true, **options)
        added = ranker.explain(features.values[:50])
        base = ranker._logits(average).detach()
        expected = ranker(features.values[:50]).detach() - base
        torch.testing.assert_close(added.sum(1), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda features, true: (features, true[:49]), "49 rows: give 50 or more"),
        (lambda features, true: (features, true[:55]), "features of 60 rows"),
        (lambda features, true: (features, [["none"]] * 60), "no candidate is a true hashtag"),
        (lambda features, true: (features, [*true[:59], ["two words"]]), "row 59 has the true hashtags"),
        (lambda features, true: (features, [None, *true[1:]]), "row 0 has the true hashtags None"),
        (lambda features, true: (with_nan(features), true), "'bad' is not finite"),
    ],
)
def test_what_cannot_be_fitted(change, message):
    """Would fail if a ranker were fitted on too little to learn from, or on rows of something else."""
    features, true, _ = drawn_features(rows=60)
    with pytest.raises(RankerError, match=message):
        fit_ranker(*change(features, true))


@pytest.mark.parametrize(
    "arguments",
    [
        {"features": ["a", "a"]},
        {"hidden_size": 2, "monotone": True},
        {"calibration_logits": [0.0, 1.0], "calibration_probabilities": [0.5]},
        {"calibration_logits": [1.0, 0.0], "calibration_probabilities": [0.1, 0.5]},
        {"calibration_logits": [0.0, 1.0], "calibration_probabilities": [0.5, 1.5]},
        {"calibration_logits": [float("nan")], "calibration_probabilities": [0.5]},
        {"features": "sources"},
        {"features": [3]},
        {"hidden_size": -1},
        {"hidden_size": 0.5},
        {"missing_hashtags": -1.0},
        {"missing_hashtags": float("nan")},
    ],
)
def test_configurations_that_mean_nothing(arguments):
    """Would fail if a damaged configuration gave probabilities."""
    with pytest.raises(RankerError):
        HashtagRankerConfig(**arguments)


def test_recommends_what_is_known(fitted):
    """Would fail if the whole chain did not find what all its parts point to."""
    found = fitted.recommend([Clues("guitar verse and chorus tonight", history=[["song"], ["song", "music"]])])[0]
    assert {recommendation.hashtag for recommendation in found} == {"song", "music"}
    assert all(0.5 < recommendation.score <= 1 and not recommendation.novel for recommendation in found)
    assert set(found[0].sources) <= {"posts_sparse", "words", "history", "frequent"}
    assert {"posts_sparse", "history"} <= set(found[0].sources)


def test_batch_gives_what_rows_alone_give(fitted, new_posts):
    """Would fail if a row's answer depended on the others of its batch."""
    rows = [*clues_of(new_posts[:5]), Clues()]
    assert fitted.recommend(rows) == [fitted.recommend([row])[0] for row in rows]


def test_top_n_and_min_score(fitted, new_posts):
    """Would fail if users got more than they asked for, or less likely ones."""
    row = clues_of(new_posts[:1])
    everything = fitted.recommend(row, min_score=0.0)[0]
    scores = [found.score for found in everything]
    assert scores == sorted(scores, reverse=True) and len(everything) == 5
    assert fitted.recommend(row, top_n=2)[0] == everything[:2]
    assert fitted.recommend(row, min_score=0.5)[0] == [found for found in everything if found.score >= 0.5]
    assert len(fitted.recommend(row, min_score=0.0, top_n=1)[0]) == 1
    for options in ({"top_n": 0}, {"top_n": 1.5}, {"min_score": 2}, {"min_score": float("nan")}):
        with pytest.raises(InputError):
            fitted.recommend(row, **options)


def test_explained_recommendations(fitted, new_posts):
    """Would fail if the reasons of one hashtag were shown with another."""
    found = fitted.recommend(clues_of(new_posts[:1]), explain=True, top_n=2)[0]
    features = fitted.features(clues_of(new_posts[:1]))
    for recommendation in found:
        place = features.hashtags[0].index(recommendation.hashtag)
        values = [value for value, _ in recommendation.explanation.values()]
        assert values == features.values[place].tolist()
        assert list(recommendation.explanation) == fitted.ranker.config.features


def test_rankers_of_other_sources_are_refused(fitted, index):
    """Would fail if scores of one source were read as those of another."""
    with pytest.raises(RankerError, match=r"needs the features .*'words"):
        Recommender([source for source in fitted.sources if source.name != "words"], fitted.ranker)
    with pytest.raises(RankerError, match="another order"):
        Recommender(fitted.sources[::-1], fitted.ranker)
    alone = Recommender(fitted.sources[3:]).features([Clues()])
    with pytest.raises(RankerError, match="not those of the ranker"):
        fitted.rank(alone)
    for wrong in ({"k": 0}, {"counts": {"snow": -1}}):
        with pytest.raises(InputError):
            Recommender(fitted.sources, **wrong)
    with pytest.raises(RankerError, match="there is no ranker"):
        Recommender(fitted.sources).recommend([Clues()])
    with pytest.raises(RankerError, match="50 or more"):
        fitted.fit([Clues()] * 3, [["x"]] * 3)
    assert fitted.ranker is not None


def test_rankers_of_before_answer_as_before(recommender, posts, new_posts, tmp_path):
    """Would fail if evidence that a source has had since its ranker was fitted made the ranker useless, or changed
    its answers; or if a ranker that knows nothing of a source passed for one of these."""
    rows, truth = clues_of(new_posts, posts), [row["hashtags"] for row in new_posts]
    features = recommender.features(rows)
    before = features.named([name for name in features.names if not name.startswith("words.in_")])
    fit_ranker(before, truth).save_pretrained(tmp_path)
    ranker = HashtagRanker.from_pretrained(tmp_path)
    assert len(ranker.config.features) == len(features.names) - 3
    found = Recommender(recommender.sources, ranker, recommender.counts).recommend(rows, explain=True)
    scores = before.by_row(ranker.probabilities(before.values))
    for row, of_row, hashtags in zip(found, scores, before.hashtags):
        expected = dict(zip(hashtags, of_row.tolist()))
        assert row and all(one.score == pytest.approx(expected[one.hashtag], abs=1e-6) for one in row)
        assert all(list(one.explanation) == before.names for one in row)
    fewer = features.named([name for name in features.names if not name.startswith("words.")])
    with pytest.raises(RankerError, match=r"does not know \['words.score'"):
        Recommender(recommender.sources, fit_ranker(fewer, truth), recommender.counts)


def test_a_failing_source_is_named_or_skipped(fitted, monkeypatch, new_posts):
    """Would fail if one source that fails took the answers with it, or nobody could tell which it was."""
    expected = fitted.recommend(clues_of(new_posts[:1]))[0]

    def fail(rows, k):
        raise OSError("disk")

    monkeypatch.setattr(fitted.sources[1], "candidates", fail)
    with pytest.raises(SourceError, match="'words' failed"):
        fitted.recommend([Clues("x")])
    skipped = fitted.recommend(clues_of(new_posts[:1]), on_error="skip")[0]
    assert {found.hashtag for found in skipped} == {found.hashtag for found in expected}


def test_features_by_hand(index):
    """Would fail if a feature were another number than its name says."""
    counts = {"snow": 3}
    recommender = Recommender([HistorySource(), FrequentSource({"snow": 3, "ski": 1})], counts=counts)
    features = recommender.features([Clues("snow today", history=["snow", "new"])])
    assert features.hashtags == [["snow", "new", "ski"]]
    table = {name: features.values[:, number].tolist() for number, name in enumerate(features.names)}
    assert table["sources"] == [2, 1, 1] and table["novel"] == [0, 1, 1] and table["in_text"] == [1, 0, 0]
    assert table["mean_reciprocal_rank"] == pytest.approx([1.0, 0.25, 0.25])
    assert table["count"] == pytest.approx([np.log(4), 0, 0]) and table["letters"] == [4, 3, 3]
    assert table["history.reciprocal_rank"] == [1, 0.5, 0]
    assert table["history.relative_score"] == pytest.approx([1, 0.8, 0])
    assert len(set(table["history.best_score"])) == 1
