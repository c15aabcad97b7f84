"""The collators in transformers' own trainers, to which nothing of ours is added."""

import re
import shutil

import pytest
import torch
from plain_trainer_samples import Rows, make_parts, plain_trainer
from training_samples import REPOSITORY, SCRATCH, weights
from transformers import Trainer, TrainerCallback

from transformers_ggm import DataCollatorForHashtagGeneration, HashtagRetriever
from transformers_ggm.data import DataCollatorForHashtagRetrieval
from transformers_ggm.errors import HashtagError
from transformers_ggm.training.from_scratch import ScratchConfig

LOADERS = {
    "no workers": {},
    "workers": {"dataloader_num_workers": 2},
    "workers that stay": {"dataloader_num_workers": 2, "dataloader_persistent_workers": True},
}


class NewEpoch(TrainerCallback):
    """Begins a new record with every epoch."""

    def __init__(self):
        self.epochs = []

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.epochs.append({})


def generator_epochs(output_dir, resume=None, **arguments):
    """What a generator is taught by a plain `Seq2SeqTrainer` in three epochs: targets and guidance of each row."""
    model, processor, _ = make_parts()
    record = NewEpoch()

    def note(module, args, inputs):
        targets = processor.decode_hashtags(inputs["labels"])
        texts = processor.tokenizer.batch_decode(inputs["input_ids"], skip_special_tokens=True)
        record.epochs[-1].update({frozenset(tags): (tags, text) for tags, text in zip(targets, texts)})

    model.register_forward_pre_hook(note, with_kwargs=True)
    settings = {"num_train_epochs": 3, "learning_rate": 1e-3, **arguments}
    trainer = plain_trainer(output_dir, model, DataCollatorForHashtagGeneration(processor), Rows(8), **settings)
    trainer.add_callback(record)
    trainer.train(resume_from_checkpoint=resume)
    return record.epochs


@pytest.fixture(
    scope="module", params=["no workers", pytest.param("workers", marks=pytest.mark.slow), "workers that stay"]
)
def loader(request):
    return LOADERS[request.param]


@pytest.fixture(scope="module")
def whole(loader, tmp_path_factory):
    """A training of three epochs: its folder, and what it taught."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, generator_epochs(folder, seed=3, save_strategy="epoch", **loader)


def test_every_epoch_is_another(whole):
    """Would fail if a plain trainer taught every epoch the same order and dropped the same guidance."""
    _, epochs = whole
    assert len(epochs) == 3 and all(epoch.keys() == epochs[0].keys() and len(epoch) == 8 for epoch in epochs)
    for column in (0, 1):
        seen = [str([values[column] for _, values in sorted(epoch.items(), key=str)]) for epoch in epochs]
        assert len(set(seen)) == 3
    longest = [row for row in epochs[0] if len(row) >= 5]
    assert longest and all(len({tuple(epoch[row][0]) for epoch in epochs}) > 1 for row in longest)


@pytest.mark.parametrize("seed, is_the_same", [(3, True), (4, False)])
def test_the_same_seed_teaches_the_same(whole, loader, tmp_path, seed, is_the_same):
    """Would fail if a training could not be repeated, or another seed gave the same one."""
    assert (generator_epochs(tmp_path, seed=seed, **loader) == whole[1]) is is_the_same


def test_epoch_after_a_resume(whole, loader, tmp_path):
    """
    Would fail if a training that goes on at the end of an epoch repeated draws, or, but for workers whose state nobody
    knows, drew others than the training that was not stopped.
    """
    folder, epochs = whole
    (resumed,) = generator_epochs(tmp_path, resume=folder / "checkpoint-4", seed=3, **loader)
    assert resumed not in epochs[:2]
    assert resumed == epochs[2] or "dataloader_persistent_workers" in loader


class UsersRetrieverTrainer(Trainer):
    """As a user may train the retriever; `record` has the hashtag that each row is paired with."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        rows = (frozenset(ids[ids >= 0].tolist()) for ids in inputs.pop("true_hashtag_ids"))
        self.record.epochs[-1].update(zip(rows, inputs.pop("hashtag_ids").tolist()))
        return model(**inputs, return_loss=True).loss


def test_pairs_of_every_epoch_are_others(loader, tmp_path):
    """Would fail if a plain trainer taught the retriever the same hashtag of each post in all epochs."""
    _, processor, retriever_processor = make_parts()
    model = HashtagRetriever(ScratchConfig(**SCRATCH).retriever_config(processor.tokenizer, query="text"))
    collator = DataCollatorForHashtagRetrieval(retriever_processor, query="text")
    settings = {"num_train_epochs": 3, "learning_rate": 1e-3, **loader}
    trainer = plain_trainer(tmp_path, model, collator, Rows(8), UsersRetrieverTrainer, **settings)
    trainer.record = NewEpoch()
    trainer.add_callback(trainer.record)
    trainer.train()
    epochs = trainer.record.epochs
    assert all(epoch.keys() == epochs[0].keys() and len(epoch) == 8 for epoch in epochs)
    assert all(hashtag in row for epoch in epochs for row, hashtag in epoch.items())
    assert len({str(sorted(epoch.items(), key=str)) for epoch in epochs}) == 3


@pytest.mark.parametrize("num_beams", [1, 3])
def test_rows_without_hashtags_are_predicted(tmp_path, num_beams):
    """Would fail if `Trainer.predict` wanted the answers that it is asked for, or gave others than `generate`."""
    model, processor, _ = make_parts()
    collator = DataCollatorForHashtagGeneration(processor, training=False, model=model)
    rows = Rows(6, hashtags=False)
    trainer = plain_trainer(tmp_path, model, collator, rows, predict_with_generate=True)
    output = trainer.predict(rows, num_beams=num_beams)
    assert output.label_ids is None and "test_loss" not in output.metrics
    batch = collator([rows[index] for index in range(6)])
    assert "labels" not in batch and "decoder_input_ids" not in batch
    expected = model.eval().generate(**batch, num_beams=num_beams)
    assert (output.predictions[:, : expected.shape[1]] == expected.numpy()).all()
    assert len(output.predictions) == 6


def test_rows_without_hashtags_are_not_trained_on(tmp_path):
    """Would fail if a row without targets were passed over in training in silence."""
    model, processor, _ = make_parts()
    trainer = plain_trainer(tmp_path, model, DataCollatorForHashtagGeneration(processor), Rows(4, hashtags=False))
    with pytest.raises(HashtagError, match="Row 0"):
        trainer.train()


def test_page_runs_as_written(finished, shorts_dir, tmp_path, monkeypatch):
    """Would fail if the trainer that the page on training shows did not run, or learned nothing."""
    shutil.copytree(finished / "checkpoint", tmp_path / "outputs" / "ggm" / "checkpoint")
    (tmp_path / "shorts").symlink_to(shorts_dir)
    monkeypatch.chdir(tmp_path)
    page = (REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")
    section = page.split("\n## In a trainer of your own\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(code, "training.md", "exec"), names)
    before = weights(finished / "checkpoint")
    after = names["model"].state_dict()
    assert names["trainer"].state.global_step == 6
    assert any(not torch.equal(before[name], after[name]) for name in before)
