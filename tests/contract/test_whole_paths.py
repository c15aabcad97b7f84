"""Whole paths through the libraries, by the bundled checkpoint: what a name that moved breaks first."""

import pytest
import torch
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, pipeline

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor
from transformers_ggm.modeling import make_lora_config
from transformers_ggm.pipelines import DEMO_CHECKPOINT

pytestmark = pytest.mark.contract
SEARCHES = {
    "greedy": {"num_beams": 1},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "sampling": {"num_beams": 1, "do_sample": True},
    "sampled beams": {"num_beams": 3, "do_sample": True},
}
DESCRIPTIONS = ["first snow of the year", "cake for breakfast", "", "twelve hours on the highway"]
HASHTAGS = [["winter"], ["birthday", "cake"], ["song"], ["roadtrip"]]


@pytest.fixture
def model():
    return GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT)


@pytest.fixture(scope="module")
def processor():
    return GGMProcessor.from_pretrained(DEMO_CHECKPOINT)


@pytest.fixture(scope="module")
def batch(processor):
    """Four rows, one of them without words, another without a video."""
    frames = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return processor(videos=[frames, None, frames, frames[:1]], text=DESCRIPTIONS, guidance=HASHTAGS)


def written(model, batch, **settings):
    torch.manual_seed(0)
    return model.generate(**batch, max_length=16, **settings)


@pytest.mark.parametrize("search", SEARCHES)
def test_searches_write_the_same_without_a_cache(model, batch, search):
    """Would fail if keys and values did not get from one step to the next, by whatever name."""
    cached = written(model, batch, use_cache=True, **SEARCHES[search])
    assert cached.shape[1] > 4
    assert torch.equal(cached, written(model, batch, use_cache=False, **SEARCHES[search]))


def test_assisted_search_is_greedy(model, batch):
    """Would fail if tokens that were guessed stayed in the cache where they were wrong."""
    row = {name: tensor[:1] for name, tensor in batch.items()}
    assistant = GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT)
    with torch.no_grad():
        assistant.model.decoder.layers[0].fc1.weight.mul_(1.5)
    assert torch.equal(written(model, row, num_beams=1, assistant_model=assistant), written(model, row, num_beams=1))


def trainer_of(model, processor, tmp_path, **arguments):
    settings = {
        "learning_rate": 1e-3, "per_device_train_batch_size": 2, "per_device_eval_batch_size": 4,
        "num_train_epochs": 3, "eval_strategy": "epoch", "save_strategy": "epoch", "logging_steps": 1,
        "predict_with_generate": True, "remove_unused_columns": False, "report_to": "none", "use_cpu": True,
        "disable_tqdm": True,
    }  # fmt: skip
    rows = [{"text": text, "hashtags": tags} for text, tags in zip(DESCRIPTIONS, HASHTAGS) if text]

    def collate(rows):
        return processor(text=[row["text"] for row in rows], hashtags=[row["hashtags"] for row in rows])

    return Seq2SeqTrainer(
        model,
        Seq2SeqTrainingArguments(output_dir=str(tmp_path), **{**settings, **arguments}),
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=collate,
    )


def logged(trainer, name):
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def test_training_goes_on_where_it_was(model, processor, tmp_path):
    """Would fail if transformers' own trainer could not train, evaluate, save or resume."""
    trainer = trainer_of(model, processor, tmp_path)
    trainer.train()
    assert logged(trainer, "eval_loss")[-1] < logged(trainer, "eval_loss")[0]
    resumed = trainer_of(GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT), processor, tmp_path)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert logged(resumed, "eval_loss")[-1] == pytest.approx(logged(trainer, "eval_loss")[-1], rel=1e-4)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_rows_without_labels_are_predicted(model, processor, tmp_path, num_beams):
    """Would fail if `Trainer.predict` on rows without targets wrote something else than `generate`, or nothing."""
    trainer = trainer_of(model, processor, tmp_path, generation_num_beams=num_beams, generation_max_length=16)
    trainer.data_collator = lambda rows: processor(text=[row["text"] for row in rows])
    output = trainer.predict([{"text": text} for text in DESCRIPTIONS if text])
    inputs = processor(text=[text for text in DESCRIPTIONS if text])
    expected = model.eval().generate(**inputs, num_beams=num_beams, max_length=16)
    assert output.label_ids is None
    assert processor.decode_hashtags(output.predictions) == processor.decode_hashtags(expected)


@pytest.mark.parametrize("decoding", [{}, {"num_beams": 1}, {"do_sample": True}, {"num_beams": 2, "do_sample": True}])
def test_the_default_pipeline_suggests(decoding):
    """Would fail if a call of the pipeline, as it is made or with other decoding, said nothing."""
    torch.manual_seed(0)
    tags = pipeline("hashtag-generation")({"description": DESCRIPTIONS[0]}, **decoding)
    assert tags and all(tag["hashtag"].startswith("#") and 0 < tag["score"] <= 1 for tag in tags)


def test_an_adapter_is_trained_saved_and_merged(model, processor, batch, tmp_path):
    """Would fail if an adapter could not be trained by `Trainer`, or said something else after saving or merging."""
    peft = pytest.importorskip("peft", reason="peft is not installed: it may want an older transformers")
    adapted = peft.get_peft_model(model, make_lora_config(model, r=2))
    trainer = trainer_of(adapted, processor, tmp_path / "run")
    trainer.train()
    trainer.save_model(str(tmp_path / "adapter"))
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    inputs = {**batch, "decoder_input_ids": torch.tensor([[2, 0, 9]] * 4)}
    base = GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT)
    loaded = peft.PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    with torch.no_grad():
        expected = adapted.eval()(**inputs).logits
        torch.testing.assert_close(loaded(**inputs).logits, expected)
        torch.testing.assert_close(loaded.merge_and_unload()(**inputs).logits, expected, atol=1e-4, rtol=1e-4)
