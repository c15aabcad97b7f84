"""Pseudo-log-likelihoods of hashtags, against one forward pass after another."""

from itertools import chain

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_masked_model import TAGS, TEXTS, config_of, make_tokenizer, one_after_another
from transformers import BertForMaskedLM, BertForTokenClassification

from transformers_ggm.errors import CheckpointError, InputError
from transformers_ggm.recommendation.plausibility import (
    DistilledPlausibilityScorer,
    PlausibilityScorer,
    best_weight,
    distill_plausibility,
    rerank,
)

pytest.importorskip("wordfreq")

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture(scope="module", params=["word pieces", "bytes"])
def scorer(request):
    tokenizer = make_tokenizer(request.param)
    torch.manual_seed(0)
    return PlausibilityScorer(BertForMaskedLM(config_of(tokenizer)), tokenizer, batch_size=7)


@settings(max_examples=15, deadline=None)
@given(description=st.sampled_from(["", *TEXTS]), tags=st.lists(st.sampled_from(TAGS), min_size=1, max_size=4))
def test_is_the_likelihood_of_the_words(scorer, description, tags):
    """Would fail if later tokens of a word were seen, tokens of another hashtag or of padding counted, or none did."""
    (found,) = scorer.score([description], [tags])
    assert found == pytest.approx([one_after_another(scorer, description, tag) for tag in tags], rel=1e-4)


def test_rows_alone_and_together(scorer):
    """Would fail if a row's scores depended on the rows beside it, or came back in another order."""
    rows = [TAGS, [], TAGS[1:2], TAGS[::-1]]
    together = scorer.score(TEXTS[:4], rows)
    for text, row, found in zip(TEXTS, rows, together):
        assert found == pytest.approx([scorer.score([text], [[tag]])[0][0] for tag in row], rel=1e-4)


def test_padding_on_the_left():
    """Would fail if places were counted from the left of what is padded there."""
    torch.manual_seed(0)
    tokenizer, found = make_tokenizer("word pieces"), []
    model = BertForMaskedLM(config_of(tokenizer))
    with torch.no_grad():
        model.bert.embeddings.position_embeddings.weight.zero_()
    for tokenizer.padding_side in ("right", "left"):
        found.append(PlausibilityScorer(model, tokenizer).score(TEXTS[:2], [TAGS, TAGS]))
    assert list(chain(*found[1])) == pytest.approx(list(chain(*found[0])), rel=1e-4)


def test_long_descriptions_are_cut_and_not_the_hashtag(scorer):
    """Would fail if a long description left no place for the hashtag, or went past what the model reads."""
    short = PlausibilityScorer(scorer.model, scorer.tokenizer, max_length=16)
    sentence = short._sentence(" ".join(TEXTS * 20), "winterwonderland")
    assert len(sentence.ids) <= 18 and len(sentence.words) == 2 and all(sentence.words)
    assert sorted(chain(*sentence.words))[-1] == len(sentence.ids) - 2  # the last token but the one that ends it


def test_one_pass_learns_the_scores(scorer, tmp_path):
    """Would fail if the distilled scorer read other tokens than the hashtag's, or was lost in saving."""
    torch.manual_seed(0)
    # Without dropout, by whose chance the last loss may be large. Pieces of words differ from process to process.
    config = config_of(scorer.tokenizer, num_labels=1, initializer_range=0.02, **NO_DROPOUT)
    student = DistilledPlausibilityScorer(BertForTokenClassification(config), scorer.tokenizer, batch_size=5)
    losses = distill_plausibility(scorer, student, TEXTS, [TAGS] * 5, num_epochs=150, learning_rate=2e-3)
    taught, found = (torch.tensor(list(chain(*each.score(TEXTS, [TAGS] * 5)))) for each in (scorer, student))
    assert losses[-1] < losses[0] / 5
    assert float(torch.corrcoef(torch.stack([taught, found]))[0, 1]) > 0.95
    student.save_pretrained(tmp_path)
    again = DistilledPlausibilityScorer.from_pretrained(tmp_path)
    assert again.score(TEXTS[:1], [TAGS])[0] == pytest.approx(student.score(TEXTS[:1], [TAGS])[0], abs=1e-5)


def test_saved_scorers_come_back(scorer, tmp_path):
    """Would fail if the model or its tokens were others after loading."""
    scorer.save_pretrained(tmp_path)
    again = PlausibilityScorer.from_pretrained(tmp_path)
    assert again.score(TEXTS[:1], [TAGS])[0] == pytest.approx(scorer.score(TEXTS[:1], [TAGS])[0], rel=1e-4)


def test_weight_is_the_one_that_helps():
    """Would fail if the order were taken the other way round, or a weight that changes nothing were not the least."""
    scores, plausible = [[0.5, 0.3], [0.4, 0.3]], [[-6.0, -1.0], [-3.0, -1.0]]
    assert best_weight(scores, plausible, [[False, True], [False, True]]) == 0.15
    assert best_weight(scores, plausible, [[True, False], [True, False]]) == 0.0
    assert rerank(scores, plausible, 0.0)[0] == pytest.approx([-0.6931, -1.2040], abs=1e-4)


def test_models_that_cannot_tell(tmp_path):
    """Would fail if a tokenizer without a mask, a missing folder or a batch of nothing ended in an error of others."""
    tokenizer = make_tokenizer("word pieces")
    model = BertForMaskedLM(config_of(tokenizer))
    with pytest.raises(InputError, match="batch_size=0"):
        PlausibilityScorer(model, tokenizer, batch_size=0)
    with pytest.raises(CheckpointError, match="nowhere"):
        PlausibilityScorer.from_pretrained(tmp_path / "nowhere")
    tokenizer.mask_token = None
    with pytest.raises(CheckpointError, match="no mask"):
        PlausibilityScorer(model, tokenizer)
    assert PlausibilityScorer(model, make_tokenizer("word pieces")).score([], []) == []
