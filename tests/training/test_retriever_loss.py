"""Switches of the retriever's loss in its trainer."""

import pytest
import torch
from trainer_samples import losses_of, make_models, retriever_trainer
from training_samples import command_line

from transformers_ggm import HashtagPool, HashtagRetriever, add_guidance
from transformers_ggm.data.collator import is_true_of
from transformers_ggm.errors import ArgumentError
from transformers_ggm.modeling import HashtagContrastiveLoss
from transformers_ggm.modeling.contrastive_loss import propensity_weights
from transformers_ggm.training.main import parse_arguments

SWITCHES = {
    "decoupled": {"decoupled_loss": True},
    "propensity": {"propensity_power": 0.5},
    "false negatives": {"false_negative_power": 2.0},
    "random": {"negatives": "random", "num_negatives": 2},
    "mined": {"negatives": "mined", "num_negatives": 2, "negative_margin": 0.1},
    "compositional": {"negatives": "compositional", "num_negatives": 2},
    "matryoshka": {"matryoshka_dims": [4]},
    "all": {
        "decoupled_loss": True, "propensity_power": 0.5, "false_negative_power": 1.0, "negatives": "mined",
        "num_negatives": 3, "negative_margin": 0.2, "matryoshka_dims": [2, 4],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SWITCHES)
def test_step_goes_down_the_loss_with_its_switches(posts, tmp_path, name):
    """Would fail if the trainer left a switch out, counted other uses, or took other negatives than it draws."""
    switches = SWITCHES[name]
    trainer = retriever_trainer(
        tmp_path, posts, per_device_train_batch_size=16, optim="sgd", learning_rate=0.0, save_strategy="no", **switches
    )
    noted = []
    compute_loss = trainer.compute_loss

    def noting(model, inputs, **kwargs):
        noted.append({key: value.clone() for key, value in inputs.items()})
        return compute_loss(model, inputs, **kwargs)

    trainer.compute_loss = noting
    trainer.train()
    (batch,) = noted
    ids, true_ids = batch.pop("hashtag_ids"), batch.pop("true_hashtag_ids")
    counts = batch.pop("hashtag_counts", None)
    num_negatives = switches.get("num_negatives", 0)
    assert len(ids) == len(batch["input_ids"]) == 16 * (1 + num_negatives)
    assert not (is_true_of(ids, true_ids)[:, 16:].view(16, 16, -1)[range(16), range(16)]).any()
    with torch.no_grad():
        outputs = trainer.model.train()(**batch)
    loss = HashtagContrastiveLoss(
        switches.get("decoupled_loss", False), switches.get("false_negative_power", 0.0),
        switches.get("negative_margin"), tuple(switches.get("matryoshka_dims", ())),
    )  # fmt: skip
    power = switches.get("propensity_power")
    weights = propensity_weights(counts, power) if power else None
    expected = loss(
        outputs.video_embeds, outputs.hashtag_embeds, outputs.logit_scale, is_true_of(ids, true_ids), weights
    )
    assert losses_of(trainer)[0] == pytest.approx(expected.item(), rel=1e-3)


def test_negatives_are_mined_by_the_retriever_as_it_is(posts, tmp_path):
    """Would fail if negatives were those of another retriever, of another row, or always those of the first epoch."""
    parts = make_models(posts)
    trainer = retriever_trainer(
        tmp_path, posts, parts=parts, negatives="mined", num_train_epochs=2, learning_rate=0.05, save_strategy="no"
    )
    tables = []
    mined = trainer.data_collator.negatives.mined
    trainer.data_collator.negatives.mined = lambda found: (tables.append(found), mined(found))
    retriever, processor = parts[2:]
    hashtags = trainer.data_collator.negatives.hashtags
    pool = HashtagPool.build(hashtags, retriever, processor, progress_bar=False)
    expected = add_guidance(posts, retriever, processor, pool, k=50)["guidance"][:]
    retriever.train()
    trainer.train()
    assert tables[0] == expected and len(tables) == 2 and tables[1] != tables[0]
    assert retriever.training


def test_validation_is_without_switches_of_training(posts, validation, tmp_path):
    """Would fail if further negatives or weights changed the loss that checkpoints are chosen by."""
    losses = [
        retriever_trainer(tmp_path / str(number), posts, validation, **switches).evaluate()["eval_loss"]
        for number, switches in enumerate([{}, {"negatives": "compositional", "propensity_power": 1.0}])
    ]
    assert losses[0] == losses[1]


def test_train_with_switches(train):
    """Would fail if `train.py` left a switch out."""
    switches = {
        "retriever_decoupled_loss": True, "retriever_negatives": "mined", "retriever_negative_margin": 0.1,
        "retriever_matryoshka_dims": [4], "retriever_propensity_power": 0.5, "retriever_max_inverse_temperature": 20.0,
        "retriever_whitening_power": 0.5,
    }  # fmt: skip
    stages = ["prepare", "retriever"]
    ours = train(stages=stages, **switches)
    theirs = train(output_dir=ours.parent / "plain", stages=stages)
    models = [HashtagRetriever.from_pretrained(f"{folder}/checkpoint/retriever") for folder in (ours, theirs)]
    assert models[0].config.max_inverse_temperature == 20.0 and models[0].config.whitening_power == 0.5
    assert models[0].fingerprint() != models[1].fingerprint()


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"retriever_negatives": "all"}, "choose from"),
        ({"retriever_num_negatives": 0}, "1 or more"),
        ({"retriever_propensity_power": -1}, "0 or more"),
        ({"retriever_whitening_power": 1.5}, "from 0 to 1"),
        ({"retriever_negative_margin": 0.1}, "of further negatives"),
    ],
    ids=str,
)
def test_switches_that_mean_nothing(switches, message, tmp_path):
    """Would fail if a training began that its switches do not describe."""
    with pytest.raises(ArgumentError, match=message):
        parse_arguments(command_line(data_dir="unused", output_dir=tmp_path, **switches))
