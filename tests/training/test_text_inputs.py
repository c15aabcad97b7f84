"""A T5 that reads transcripts and screen texts, from the columns of the data to the pipeline's answer."""

import json
import shutil

import pytest
from backbone_folders import write_clip, write_vit
from training_samples import command_line
from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer, pipeline

from transformers_ggm import DataCollatorForHashtagGeneration, GGMProcessor, HashtagRetrieverProcessor
from transformers_ggm.errors import ArgumentError, DatasetError, InputError
from transformers_ggm.training import main
from transformers_ggm.training.arguments import DataArguments, ModelArguments, RetrieverArguments
from transformers_ggm.training.decode_clips import prepare
from transformers_ggm.training.main import parse_arguments
from transformers_ggm.training.trainer_datasets import generator_rows

# Each hashtag is told by another text of the row.
SAID = {"snow": "cold flakes", "lake": "a boat"}
SHOWN = {"cake": "party", "dog": "walking"}
STAGES = ["prepare", "retriever", "pool", "guidance", "generator", "evaluate"]


def write_t5(folder):
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁#", -1.0)]
    letters = [(letter, -2.0) for letter in "abcdefghijklmnopqrstuvwxyz#0123456789"]
    tokenizer = T5Tokenizer(vocab=[*pieces, *letters], extra_ids=0)
    tokenizer.save_pretrained(folder)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)


def write_rows(folder, sizes=(16, 4, 4)):
    for split, size in zip(("train", "validation", "test"), sizes):
        (folder / split).mkdir(parents=True)
        rows = []
        for number in range(size):
            said, shown = list(SAID)[number % 2], list(SHOWN)[number // 2 % 2]
            row = {"description": f"day {number}" if number % 3 else "", "hashtags": [said, shown]}
            rows.append(row | {"transcript": SAID[said], "screen_text": SHOWN[shown] if number % 5 else None})
        (folder / split / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Output folder of all stages."""
    folder = tmp_path_factory.mktemp("texts")
    write_rows(folder / "data")
    for write, name in ((write_t5, "t5"), (write_vit, "vit"), (write_clip, "clip")):
        write(folder / name)
    main(
        command_line(
            data_dir=folder / "data",
            output_dir=folder / "run",
            text=folder / "t5",
            vision=folder / "vit",
            retriever=folder / "clip",
            audio="none",
            inputs=["text", "transcript", "screen_text"],
            transcript_share=0.3,
            retriever_query="text",
            retriever_texts=["description", "screen_text"],
            stages=STAGES,
            num_train_epochs=1,
            retriever_num_train_epochs=1,
        )
    )
    return folder / "run"


def test_checkpoint_remembers_what_it_reads(run):
    """Would fail if a checkpoint had to be told again what it was trained with, or its card kept silent about it."""
    processor = GGMProcessor.from_pretrained(run / "checkpoint")
    assert processor.read_texts == ("description", "transcript", "screen_text") and processor.transcript_share == 0.3
    retriever = HashtagRetrieverProcessor.from_pretrained(run / "checkpoint" / "retriever")
    assert list(retriever.query_texts) == ["description", "screen_text"]
    card = (run / "checkpoint" / "README.md").read_text()
    assert "reads what is said, reads what is written on the screen and reads the hashtags" in card
    assert "| screen text | used |" in card and "| `transcript_share` | 0.3 |" in card


def test_every_row_was_used(run):
    """Would fail if rows of a transcript alone were left out of training and evaluation."""
    predictions = (run / "evaluation" / "predictions.jsonl").read_text().splitlines()
    assert len(predictions) == 4
    assert len(json.loads((run / "guidance" / "train.json").read_text())) == 16


def test_rows_of_texts_that_others_read(run, tmp_path):
    """Would fail if a model that reads descriptions were compared on other rows than one that reads screens, or were
    shown guidance of other rows."""
    models = {name: run.parent / folder for name, folder in (("text", "t5"), ("vision", "vit"), ("retriever", "clip"))}
    options = {"data_dir": run.parent / "data", "audio": "none", "inputs": ["text"], **models}
    shutil.copytree(run / "prepared", tmp_path / "same" / "prepared")
    shutil.copytree(run / "guidance", tmp_path / "same" / "guidance")
    same = parse_arguments(
        command_line(output_dir=tmp_path / "same", row_texts=["transcript", "screen_text"], **options)
    )
    assert {split: len(rows) for split, rows in same.shorts.splits.items()} == {
        "train": 16,
        "validation": 4,
        "test": 4,
    }
    assert len(same.shorts.guidance("train")) == 16
    fewer = parse_arguments(command_line(output_dir=tmp_path / "fewer", **options))
    shutil.copytree(run / "guidance", tmp_path / "fewer" / "guidance")
    prepare(fewer)
    assert len(fewer.shorts.splits["train"]) == 10
    with pytest.raises(DatasetError, match="is for 16 rows, but 10 are trained on"):
        fewer.shorts.for_generator("train")


def test_pipeline_answers_by_all_texts(run):
    """Would fail if a T5 could be trained and not asked, or asked by other words than it was trained with."""
    suggest = pipeline("hashtag-generation", model=str(run / "checkpoint"), device="cpu")
    assert suggest.model.config.text_config.model_type == "t5"
    assert suggest.used_clues == ("transcript", "screen_text", "language")
    item = {"transcript": SAID["snow"], "screen_text": SHOWN["cake"]}
    assert isinstance(suggest(item, num_beams=2), list)
    assert suggest([item, {"description": "day 1"}], batch_size=2)[0] == suggest(item)


def test_collator_withholds_them():
    """Would fail if a model that is trained without transcripts was shown them, or one with them was not."""
    from transformers_ggm.pipelines import DEMO_CHECKPOINT

    processor = GGMProcessor.from_pretrained(DEMO_CHECKPOINT)
    row = {"index": 0, "description": "a", "hashtags": ["snow"], "guidance": [], "frames": None}
    row |= {"input_features": None, "transcript": "circle", "screen_text": "square"}
    plain = DataCollatorForHashtagGeneration(processor)([row])["input_ids"]
    assert plain.shape[1] == len(processor(text=["a"])["input_ids"][0])
    processor.transcript_share = processor.screen_text_share = 0.2
    for inputs, given in (
        (("text", "transcript"), {"transcript": ["circle"]}),
        (("text", "screen_text"), {"screen_text": ["square"]}),
        (("text",), {}),
    ):
        batch = DataCollatorForHashtagGeneration(processor, inputs=inputs)([row])["input_ids"]
        assert batch.tolist() == processor(text=["a"], **given)["input_ids"].tolist()
    both = DataCollatorForHashtagGeneration(processor)([row])["input_ids"]
    assert both.tolist() == processor(text=["a"], transcript=["circle"], screen_text=["square"])["input_ids"].tolist()


def test_plain_datasets():
    """Would fail if rows of a plain dataset lost their transcripts, or those of a transcript alone were left out."""
    from datasets import Dataset

    from transformers_ggm.pipelines import DEMO_CHECKPOINT

    processor = GGMProcessor.from_pretrained(DEMO_CHECKPOINT)
    posts = Dataset.from_dict(
        {"description": ["a", ""], "transcript": [None, "b"], "hashtags": [["snow"], ["lake"]], "other": [1, 2]}
    )
    assert len(generator_rows(posts, processor, ("text",), name="train")) == 1
    processor.transcript_share = 0.2
    rows = generator_rows(posts, processor, ("text", "transcript"), name="train")
    assert [(rows[place]["description"], rows[place]["transcript"]) for place in (0, 1)] == [("a", ""), ("", "b")]
    assert rows[0]["screen_text"] == ""


def test_arguments_that_are_refused():
    """Would fail if a training began that leaves nothing to the description, or asks by a text that is none."""
    with pytest.raises(InputError, match="less than 1"):
        ModelArguments(inputs=["text", "transcript"], transcript_share=0.6)
    assert ModelArguments(transcript_share=0.6).text_shares["transcript"] == 0
    with pytest.raises(ArgumentError, match="retriever_texts"):
        RetrieverArguments(retriever_texts=["title"])
    with pytest.raises(ArgumentError, match="row_texts"):
        DataArguments("data", row_texts=["title"])
