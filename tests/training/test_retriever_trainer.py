"""The retriever's trainer, as a notebook uses it, and the guidance that a retriever finds."""

from collections import Counter

import pytest
import torch
from datasets import Dataset, Video
from huggingface_hub import ModelCard
from trainer_samples import Killed, losses_of, make_models, retriever_trainer
from training_samples import weights

from transformers_ggm import (
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
    RetrieverTrainer,
    RetrieverTrainingArguments,
    add_guidance,
)
from transformers_ggm.data import DataCollatorForHashtagRetrieval, decode_split
from transformers_ggm.data.collator import is_true_of
from transformers_ggm.errors import ArgumentError, DatasetError, RetrieverMismatchError
from transformers_ggm.modeling import hashtag_contrastive_loss
from transformers_ggm.processing import remove_hashtags
from transformers_ggm.training import callbacks
from transformers_ggm.training import retriever_trainer as retriever_trainer_module
from transformers_ggm.training.run_records import TrainingRecord


def test_forms_of_clips_and_further_columns(posts, tmp_path):
    """Would fail if the form of the clips, or what else a dataset has, changed what is learnt."""
    other = posts.cast_column("video", Video()).add_column("label", [1] * len(posts))
    trainers = [retriever_trainer(tmp_path / str(number), rows) for number, rows in enumerate((posts, other))]
    for trainer in trainers:
        trainer.train()
    assert losses_of(trainers[0]) == losses_of(trainers[1]) and len(losses_of(trainers[0])) == 2


def test_decoded_clips(posts, tmp_path):
    """Would fail if clips that were decoded once gave another training, or other guidance."""
    parts = make_models(posts)
    decoded = decode_split(posts, tmp_path / "train.arrow", parts[1], parts[3])
    trainers = [retriever_trainer(tmp_path / str(number), rows) for number, rows in enumerate((posts, decoded))]
    for trainer in trainers:
        trainer.train()
    assert losses_of(trainers[0]) == losses_of(trainers[1])
    pool = HashtagPool.build(["snow", "lake", "rain"], *parts[2:])
    guided = [add_guidance(rows, *parts[2:], pool, k=2)["guidance"][:] for rows in (posts, decoded)]
    assert guided[0] == guided[1] and len(guided[0]) == 16


@pytest.mark.parametrize("query", ["text", "video+text"])
def test_other_queries(posts, tmp_path, query):
    """Would fail if the collator did not know what the model seeks by."""
    posts = posts.filter(lambda post: remove_hashtags(post["description"]))
    rows = posts if "video" in query else posts.remove_columns("video")
    trainer = retriever_trainer(tmp_path, rows, query=query, per_device_train_batch_size=7)
    trainer.train()
    assert trainer.data_collator.query == query and len(losses_of(trainer)) == 2


def test_validation_loss_by_hand(posts, validation, tmp_path):
    """Would fail if validation drew anew each time, or had another loss than that of its pairs."""
    trainer = retriever_trainer(tmp_path, posts, validation, per_device_eval_batch_size=4)
    first, second = trainer.evaluate()["eval_loss"], trainer.evaluate()["eval_loss"]
    collator = DataCollatorForHashtagRetrieval(trainer.processing_class, seed=trainer.args.seed)
    collator.set_epoch(0)
    batch = collator([trainer.eval_dataset[index] for index in range(4)])
    is_true = is_true_of(batch.pop("hashtag_ids"), batch.pop("true_hashtag_ids"))
    with torch.no_grad():
        outputs = trainer.model.eval()(**batch)
    expected = hashtag_contrastive_loss(outputs.video_embeds, outputs.hashtag_embeds, outputs.logit_scale, is_true)
    assert first == second == pytest.approx(expected.item(), rel=1e-5)


def test_saved_and_resumed(posts, tmp_path, monkeypatch):
    """Would fail if a training that was killed went on with other pairs, or what is saved could not be loaded."""
    settings = {"num_train_epochs": 2, "save_strategy": "steps", "save_steps": 1}
    whole = retriever_trainer(tmp_path / "whole", posts, **settings)
    whole.train()

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 3:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.EpochCallback, "on_step_begin", on_step_begin, raising=False)
        with pytest.raises(Killed):
            retriever_trainer(tmp_path / "killed", posts, **settings).train()
    resumed = retriever_trainer(tmp_path / "killed", posts, **settings)
    resumed.train(resume_from_checkpoint=True)
    for trainer in (whole, resumed):
        trainer.save_model()
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(first[name], second[name]) for name in first)
    loaded = HashtagRetriever.from_pretrained(tmp_path / "whole")
    assert loaded.fingerprint() == whole.model.fingerprint()
    assert HashtagRetrieverProcessor.from_pretrained(tmp_path / "whole").max_hashtag_length == 16


def test_guidance_of_a_dataset(posts, validation, tmp_path):
    """Would fail if the column were another row's, were cut to another number, or its dataset lost anything."""
    *_, retriever, processor = make_models(posts)
    pool = HashtagPool.build(Counter(tag for tags in posts["hashtags"] for tag in tags), retriever, processor)
    rows = Dataset.from_dict(
        {**validation.to_dict(), "video": [*validation["video"][:3], None], "guidance": [["old"]] * 4, "id": range(4)}
    )
    guided = add_guidance(rows, retriever.train(), processor, pool, k=3, batch_size=3)
    assert guided.remove_columns("guidance").to_dict() == rows.remove_columns("guidance").to_dict()
    with torch.no_grad():
        vectors = retriever.eval().get_video_features(**processor(videos=rows["video"][:3])).pooler_output
    assert guided["guidance"][:] == [*pool.search(vectors, 3)[1], []]
    assert add_guidance(rows.remove_columns(["hashtags", "guidance"]), retriever, processor, pool, k=3)["guidance"][:]


def test_guidance_of_another_pool_is_refused(posts, validation):
    """Would fail if vectors of one retriever were compared with those of another."""
    *_, retriever, processor = make_models(posts)
    pool = HashtagPool(["snow"], torch.ones(1, 16), retriever_fingerprint="another")
    with pytest.raises(RetrieverMismatchError):
        add_guidance(validation, retriever, processor, pool)


def test_pushed_retriever_and_its_card(hub, posts, validation, tmp_path):
    """Would fail if a pushed retriever could not be loaded, or its card told of another training."""
    trainer = retriever_trainer(
        tmp_path / "run", posts, validation, hub_model_id="someone/eyes", eval_strategy="epoch"
    )
    trainer.train()
    trainer.push_to_hub(license="mit")
    assert HashtagRetriever.from_pretrained("someone/eyes").fingerprint() == trainer.model.fingerprint()
    card = ModelCard.load(tmp_path / "run" / "README.md")
    assert card.data.license == "mit" and card.data.tags[0] == "hashtag-retrieval"
    assert card.data.pipeline_tag is None and 'HashtagRetriever.from_pretrained("someone/eyes")' in card.text
    assert "| `query` | video |" in card.text and "its loss on the validation split" in card.text
    assert not any(hole in card.text for hole in ("{{", "{%", "None", "\n\n\n", str(tmp_path)))


def test_what_cannot_be_trained_with_is_told(posts, tmp_path):
    """Would fail if a user who forgot something got an error of a library instead of what to do."""
    parts = make_models(posts)
    with pytest.raises(ArgumentError, match="`processing_class` is missing"):
        RetrieverTrainer(parts[2], RetrieverTrainingArguments(str(tmp_path)), train_dataset=posts)
    with pytest.raises(ArgumentError, match="`per_device_train_batch_size` is 17, but there are 16 rows"):
        retriever_trainer(tmp_path, posts, per_device_train_batch_size=17).train()
    with pytest.raises(DatasetError, match="No row of `train_dataset` has hashtags, and a video"):
        retriever_trainer(tmp_path, posts.remove_columns("video"), parts=parts)
    with pytest.raises(DatasetError, match=r"`train_dataset` has no column 'hashtags', only \['video', 'description'"):
        retriever_trainer(tmp_path, posts.remove_columns("hashtags"), parts=parts)
    with pytest.raises(ArgumentError, match="`label_names` cannot be set"):
        RetrieverTrainingArguments(str(tmp_path), label_names=["tags"])


@pytest.mark.parametrize(("learning_rate", "is_worse"), [(10.0, True), (1e-4, False)])
def test_a_training_that_makes_it_worse_says_so(posts, tmp_path, monkeypatch, learning_rate, is_worse):
    """Would fail if a retriever were spoiled without a word, or both figures were not in the record."""
    told = []
    monkeypatch.setattr(retriever_trainer_module.logger, "warning", told.append)
    parts = make_models(posts)
    retriever_trainer(tmp_path / "first", posts, parts=parts, num_train_epochs=12).train()
    options = {"eval_strategy": "epoch", "learning_rate": learning_rate, "warmup_steps": 0}
    trainer = retriever_trainer(tmp_path / "second", posts, posts, parts=parts, **options)
    untrained = trainer.evaluate()["eval_loss"]
    trainer.train()
    trained = trainer.evaluate()["eval_loss"]
    record = TrainingRecord(tmp_path / "second").read()
    assert record["untrained"]["loss"] == pytest.approx(untrained)
    assert (trained > untrained * 1.01) == is_worse
    assert any(f"{untrained:.4g} and is {trained:.4g}" in text for text in told) == is_worse
