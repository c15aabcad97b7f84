"""Whitening at the end of a retriever's training."""

import pytest
import torch
from torch.nn.functional import normalize
from trainer_samples import make_models, retriever_trainer

from transformers_ggm import HashtagPool, HashtagRetriever
from transformers_ggm.errors import InputError
from transformers_ggm.training.fit_whitening import ROWS_PER_DIMENSION, query_vectors, whiten
from transformers_ggm.training.retriever_trainer import hashtag_counts

SETTINGS = {"save_strategy": "no", "learning_rate": 0.01, "per_device_train_batch_size": 8}


@pytest.mark.parametrize("query", ["video", "text", "video+text"])
def test_trained_space_is_whitened_by_what_was_learned_from(posts, tmp_path, query):
    """Would fail if the map were that of the space before the training, of whitened vectors, or of other rows."""
    plain = retriever_trainer(tmp_path / "plain", posts, query=query, **SETTINGS)
    plain.train()
    white = retriever_trainer(tmp_path / "white", posts, query=query, whitening_power=0.5, **SETTINGS)
    white.train()
    processor = plain.processing_class
    hashtags = list(hashtag_counts(posts))
    vectors = {"hashtag": HashtagPool.build(hashtags, plain.model, processor, progress_bar=False).embeddings}
    vectors |= query_vectors(plain.train_dataset, plain.model.eval(), processor, 4, 0)
    kinds = {"video": {"video"}, "text": {"description"}, "video+text": {"video", "description"}}[query]
    assert set(vectors) == {"hashtag", *kinds}
    vectors = {kind: torch.as_tensor(of_kind).double() for kind, of_kind in vectors.items()}
    centred = {kind: of_kind - of_kind.mean(0) for kind, of_kind in vectors.items()}
    covariance = torch.stack([of_kind.T @ of_kind / len(of_kind) for of_kind in centred.values()]).mean(0)
    variances, axes = torch.linalg.eigh(covariance)
    kept = variances > 1e-6 * variances[-1]
    map_ = axes[:, kept] * variances[kept] ** -0.25
    pool = HashtagPool.build(hashtags, white.model, processor, progress_bar=False)
    expected = normalize(centred["hashtag"] @ map_, dim=-1)
    found = torch.as_tensor(pool.embeddings).double()
    torch.testing.assert_close(found @ found.T, expected @ expected.T, atol=2e-2, rtol=0)


def test_saved_retriever_has_the_whitening(posts, tmp_path):
    """Would fail if the map were lost with the trainer."""
    trainer = retriever_trainer(tmp_path, posts, whitening_power=1.0, **SETTINGS)
    trainer.train()
    trainer.save_model(tmp_path / "saved")
    loaded = HashtagRetriever.from_pretrained(tmp_path / "saved")
    assert loaded.config.whitening_power == 1.0
    assert loaded.fingerprint() == trainer.model.fingerprint()


def test_whitened_retriever_learns_without_and_is_whitened_anew(posts, tmp_path):
    """Would fail if a whitening of other weights were learned through, or kept."""
    *_, fresh, processor = make_models(posts)
    *_, whitened, _ = make_models(posts)
    whiten(
        whitened, processor, retriever_trainer(tmp_path / "rows", posts).train_dataset, ["snow", "lake", "sun"], 1.0
    )
    models = []
    for name, model in (("fresh", fresh), ("whitened", whitened)):
        trainer = retriever_trainer(
            tmp_path / name, posts, parts=(None, None, model.train(), processor), whitening_power=0.5, **SETTINGS
        )
        trainer.train()
        models.append(model)
    torch.testing.assert_close(models[0].state_dict(), models[1].state_dict())


def test_rows_without_a_query_whiten_nothing(posts):
    """Would fail if a space were whitened by its hashtags alone, without a word."""
    *_, retriever, processor = make_models(posts, "text")
    with pytest.raises(InputError, match="No row has what the retriever's query is made of"):
        whiten(retriever, processor, [{"description": ""}], ["snow", "lake", "sun"], 0.5)


def test_of_many_rows_as_many_as_it_takes_are_encoded(posts, tmp_path, monkeypatch):
    """Would fail if a million clips were encoded for a covariance, or the first ones alone."""
    *_, retriever, processor = make_models(posts, "text")
    rows = [{"description": f"first snow {number}"} for number in range(4_000)]
    seen = []
    monkeypatch.setattr(
        "transformers_ggm.training.fit_whitening.query_vectors",
        lambda shorts, *rest: seen.extend(shorts) or {"description": torch.randn(9, retriever.config.projection_dim)},
    )
    whiten(retriever, processor, rows, ["snow", "lake", "sun"], 0.5)
    wanted = ROWS_PER_DIMENSION * retriever.config.projection_dim
    assert wanted <= len(seen) < 2 * wanted < 4_000 and seen[-1] in rows[-9:]
