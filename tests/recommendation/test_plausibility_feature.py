"""Plausibility as a feature of the ranker: told by a masked language model that a checkpoint keeps."""

import json
import shutil

import pytest
import torch
from small_masked_model import config_of, make_tokenizer, one_after_another
from transformers import (
    BertForMaskedLM,
    BertForTokenClassification,
    BertModel,
    RobertaConfig,
    RobertaForMaskedLM,
)

from transformers_ggm.errors import CheckpointError, RankerError
from transformers_ggm.recommendation import (
    Clues,
    FrequentSource,
    HistorySource,
    Recommender,
    candidate_features,
    feature_names,
    gather_candidates,
)
from transformers_ggm.recommendation.features import SHORTLIST
from transformers_ggm.recommendation.plausibility import (
    DistilledPlausibilityScorer,
    PlausibilityScorer,
    load_scorer,
)
from transformers_ggm.recommendation.recommender_files import check_recommendation

pytest.importorskip("wordfreq")
pytest.importorskip("sklearn")

OFTEN = [f"{first}{second}" for first in ("snow", "lake", "dog") for second in ("time", "life", "day", "love")]
SELDOM = ["winter", "toronto", "christmas", "wonderland", "went", "ran", "first", "the", "my", "we", "to"]
COUNTS = {**dict.fromkeys(OFTEN, 9), **dict.fromkeys(SELDOM, 2)}
ROWS = [Clues("the first snow in toronto", history=["christmas"]), Clues("we went to the lake"), Clues()]


@pytest.fixture(scope="module")
def scorer():
    tokenizer = make_tokenizer("word pieces")
    torch.manual_seed(0)
    return PlausibilityScorer(BertForMaskedLM(config_of(tokenizer)), tokenizer, max_length=32)


class Saying:
    """Finds hashtags with some letters plausible, and notes what it is asked."""

    def __init__(self, letters):
        self.letters, self.asked = letters, []

    def score(self, descriptions, hashtags):
        self.asked.append((list(descriptions), [list(row) for row in hashtags]))
        return [[-0.5 if self.letters in tag else -20.0 for tag in row] for row in hashtags]


def sources():
    return [HistorySource(), FrequentSource(COUNTS)]


def features_of(rows, scorer):
    return candidate_features(sources(), gather_candidates(sources(), rows), rows, COUNTS, scorer)


def test_feature_is_the_likelihood_of_the_shortlist(scorer):
    """Would fail if others than the candidates that stand highest were asked for, or behind another row's words."""
    features = features_of(ROWS, scorer)
    assert features.names == [*feature_names(sources()), "plausibility"]
    rank, told = features.names.index("mean_reciprocal_rank"), features.names.index("plausibility")
    for row, values, hashtags in zip(ROWS, features.by_row(features.values), features.hashtags):
        order = sorted(range(len(hashtags)), key=lambda place: -values[place, rank])
        assert len(order) > SHORTLIST and not values[order[SHORTLIST:], told].any()
        for place in order[:3] + order[SHORTLIST - 2 : SHORTLIST]:
            expected = 1 / (1 - one_after_another(scorer, row.description, hashtags[place]))
            assert values[place, told].item() == pytest.approx(expected, rel=1e-4)


def test_asked_once_for_all_rows():
    """Would fail if each row or source took a call of its own, or a row's feature depended on the rows beside it."""
    saying = Saying("day")
    together = features_of(ROWS, saying)
    ((descriptions, hashtags),) = saying.asked
    assert descriptions == [row.text for row in ROWS] and {len(row) for row in hashtags} == {SHORTLIST}
    alone = torch.cat([features_of([row], saying).values for row in ROWS])
    assert torch.equal(alone, together.values)


def test_other_features_stay_as_they_are(scorer):
    """Would fail if a scorer changed what a ranker that does not know of it goes by."""
    without, with_it = features_of(ROWS, None), features_of(ROWS, scorer)
    assert torch.equal(with_it.named(without.names).values, without.values) and with_it.hashtags == without.hashtags
    assert features_of([], Saying("")).values.shape == (0, len(without.names) + 1)


def fitted(scorer, letters):
    """A recommender whose authors use the one hashtag of each row that has some letters."""
    recommender = Recommender(sources(), counts=COUNTS, plausibility=scorer)
    rows = [Clues(f"day {number}") for number in range(60)]
    recommender.fit(rows, [[tag for tag in COUNTS if letters in tag] for _ in rows])
    return recommender


def test_moves_scores():
    """Would fail if the ranker learned nothing from the feature, or scores stayed when the scorer says otherwise."""
    recommender = fitted(Saying("time"), "time")
    first = recommender.recommend([Clues("a day")], top_n=3)[0]
    assert {found.hashtag for found in first} == {"snowtime", "laketime", "dogtime"}
    recommender.plausibility = Saying("love")
    second = recommender.recommend([Clues("a day")], top_n=3)[0]
    assert {found.hashtag for found in second} == {"snowlove", "lakelove", "doglove"}


def test_earlier_rankers_answer_as_before(scorer):
    """Would fail if a ranker that was fitted without could not stand beside a scorer, or gave other scores there."""
    old = fitted(None, "time")
    beside = Recommender(sources(), old.ranker, COUNTS, plausibility=scorer)
    assert beside.recommend(ROWS, top_n=9) == old.recommend(ROWS, top_n=9)
    with pytest.raises(RankerError, match=r"needs the features \['plausibility'\]"):
        Recommender(sources(), fitted(scorer, "time").ranker, COUNTS)


@pytest.fixture(scope="module")
def saved(scorer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    recommender = fitted(scorer, "time")
    recommender.save_pretrained(folder)
    return recommender, folder


def test_what_is_loaded_scores_what_was_saved(saved):
    """Would fail if weights, tokens or how much is read of a description were lost, or the folder were not pushed."""
    recommender, folder = saved
    again = Recommender.from_pretrained(folder)
    assert again.plausibility.max_length == 32
    assert torch.equal(again.features(ROWS).values, recommender.features(ROWS).values)
    assert again.recommend(ROWS, top_n=5) == recommender.recommend(ROWS, top_n=5)
    assert check_recommendation(folder) == {"words", "ranker", "plausibility"}


def test_checkpoints_without(tmp_path):
    """Would fail if a checkpoint without a scorer, as earlier ones are, told of one, or could not be loaded."""
    old = fitted(None, "time")
    old.save_pretrained(tmp_path)
    assert "plausibility" not in json.loads((tmp_path / "recommendation.json").read_text())
    assert not (tmp_path / "plausibility").exists() and check_recommendation(tmp_path) == {"words", "ranker"}
    again = Recommender.from_pretrained(tmp_path)
    assert again.plausibility is None and again.recommend(ROWS, top_n=9) == old.recommend(ROWS, top_n=9)


def test_damaged_checkpoints(saved, tmp_path):
    """Would fail if a missing or unreadable part ended in an error of others, or in scores of random weights."""
    folder = shutil.copytree(saved[1], tmp_path / "copy")
    weights = folder / "plausibility" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="cannot be loaded to tell how plausible"):
        Recommender.from_pretrained(folder)
    shutil.rmtree(folder / "plausibility")
    with pytest.raises(CheckpointError, match=r"plausibility is missing, which recommendation\.json speaks of"):
        Recommender.from_pretrained(folder)
    file = folder / "recommendation.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "plausibility": True}))
    with pytest.raises(CheckpointError, match="no usable field 'plausibility'"):
        Recommender.from_pretrained(folder)


def test_kind_of_scorer_is_told_by_its_model(tmp_path):
    """Would fail if a distilled scorer were loaded as a masked language model, or tied weights counted as missing."""
    tokenizer = make_tokenizer("word pieces")
    config = config_of(tokenizer, num_labels=1)
    DistilledPlausibilityScorer(BertForTokenClassification(config), tokenizer).save_pretrained(tmp_path / "distilled")
    assert isinstance(load_scorer(tmp_path / "distilled"), DistilledPlausibilityScorer)
    roberta = RobertaConfig(**{**config.to_dict(), "model_type": "roberta", "max_position_embeddings": 70})
    PlausibilityScorer(RobertaForMaskedLM(roberta), tokenizer).save_pretrained(tmp_path / "roberta")
    assert load_scorer(tmp_path / "roberta", max_length=20).max_length == 20


def test_models_without_a_head(tmp_path):
    """Would fail if an encoder, whose head would be drawn at random, were taken for a masked language model."""
    tokenizer = make_tokenizer("word pieces")
    BertModel(config_of(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="name a masked language model with its head"):
        load_scorer(tmp_path)
    with pytest.raises(CheckpointError, match="nowhere cannot be loaded"):
        load_scorer(tmp_path / "nowhere")
