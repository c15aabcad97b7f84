import json
import os
import shutil

import numpy as np
import pytest
import torch
from backbone_folders import write_bart, write_clip, write_vit
from classifier_samples import (
    DROPOUT,
    FILLERS,
    HASHTAGS,
    classifier_line,
    read_json,
    train_miniature,
    write_reader,
    write_words,
)
from process_samples import train_in_two_processes
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from training_samples import history, losses, weights, written_at
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from transformers_ggm import GGMForHashtagClassification, GGMVideoProcessor, HashtagRetriever
from transformers_ggm.data import DataCollatorForHashtagClassification, PreparedShorts, prepared
from transformers_ggm.data.prepare import ClipOptions, WorkOptions, prepare_shorts
from transformers_ggm.errors import CheckpointError, DatasetError, InputError
from transformers_ggm.evaluation import hashtag_metrics, hashtags_above, recall_at_k
from transformers_ggm.training import callbacks, classify
from transformers_ggm.training.callbacks import best_checkpoints
from transformers_ggm.training.classifier import make_classifier, make_tokenizer
from transformers_ggm.training.classifier_ranking import best_columns
from transformers_ggm.training.main import main, parse_arguments


@pytest.fixture(scope="module")
def words_dir(tmp_path_factory):
    return write_words(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def reader_config(tmp_path_factory):
    return write_reader(tmp_path_factory.mktemp("config") / "reader.json")


@pytest.fixture(scope="module")
def reader(words_dir, reader_config, tmp_path_factory):
    """A finished classifier of descriptions. Read only."""
    return train_miniature(tmp_path_factory.mktemp("reader"), data_dir=words_dir, scratch_config=reader_config)


@pytest.fixture(scope="module")
def looker(shorts_dir, scratch_config, tmp_path_factory):
    """A finished classifier of rendered clips and their words: CLIP's towers, every hashtag for itself. Read only."""
    return train_miniature(
        tmp_path_factory.mktemp("looker"), data_dir=shorts_dir, scratch_config=scratch_config,
        classifier_modalities=["text", "video"], classifier_objective="sigmoid", classifier_num_train_epochs=1,
    )  # fmt: skip


def load(run):
    """Model and collator of a finished classifier, from its folder alone."""
    folder = run.folders.classifier
    model = GGMForHashtagClassification.from_pretrained(folder).eval()
    tokenizer = None if model.text_encoder is None else AutoTokenizer.from_pretrained(folder)
    video_processor = None if model.vision_encoder is None else GGMVideoProcessor.from_pretrained(folder)
    return model, DataCollatorForHashtagClassification(model.config.hashtags, tokenizer, video_processor)


def predictions_of(run):
    lines = (run.folders.evaluation / "classifier_test_predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_telling_word_is_learned(reader):
    """
    Would fail if labels, words or threshold were mixed up, or an unknown hashtag in validation broke the training.
    """
    summary = read_json(reader.folders.evaluation / "classifier_test.json")
    assert summary["best_checkpoint"]["f1"] == 100.0
    assert (summary["modality"], summary["objective"], summary["test_videos"]) == ("text", "softmax", 12)
    for row in predictions_of(reader):
        word = next(word for word in HASHTAGS if word in row["description"])
        assert sorted(row["predicted"]) == sorted(row["hashtags"]) == sorted(HASHTAGS[word])


def test_hashtags_of_training_by_frequency(reader):
    """Would fail if the logits stood for hashtags that training lacks, or for another order than the pool's."""
    tags = [tag for tags in reader.shorts.splits["train"]["hashtags"] for tag in tags]
    expected = sorted(set(tags), key=lambda tag: (-tags.count(tag), tag))
    assert load(reader)[0].config.hashtags == expected
    assert "neverseen" not in expected


@pytest.mark.parametrize("name", ["reader", "looker"])
def test_folder_gives_the_same_predictions(name, request):
    """
    Would fail if the folder lacked a part, or its weights, threshold, tokenizer or frames differed from training's.
    """
    run = request.getfixturevalue(name)
    model, collator = load(run)
    ranking = classify(run.shorts.for_classifier("test"), model, collator, batch_size=3)
    expected = [row["predicted"] for row in predictions_of(run)]
    assert hashtags_above(*ranking, model.config.threshold) == expected
    summary = read_json(run.folders.evaluation / "classifier_test.json")
    assert summary["threshold"] == model.config.threshold
    figures = hashtag_metrics(expected, run.shorts.rows("test")["hashtags"][:])
    assert {name: summary["best_checkpoint"][name] for name in figures} == pytest.approx(figures)
    assert summary["best_checkpoint"] == summary["mean_of_best_1"]


def test_weights_are_the_best_of_validation(reader):
    """Would fail if the last checkpoint were taken, or another figure decided."""
    newest = callbacks.last_checkpoint(reader.folders.classifier_run)
    history = read_json(newest / "trainer_state.json")["log_history"]
    figures = {entry["step"]: entry["eval_f1"] for entry in history if "eval_f1" in entry}
    best = max(figures, key=lambda step: (figures[step], -step))
    found = best_checkpoints(reader.folders.classifier_run, "f1", 1)
    assert found == [reader.folders.classifier_run / f"checkpoint-{best}"]
    expected, published = weights(found[0]), weights(reader.folders.classifier)
    assert all(torch.equal(expected[name], published[name]) for name in expected)
    assert sorted(reader.folders.classifier_run.glob("checkpoint-*")) == sorted({found[0], newest})


@pytest.mark.parametrize("name", ["reader", "looker"])
def test_guidance_is_ranked_as_the_logits(name, request):
    """Would fail if a row were shown another row's hashtags, in another order, or the recall were another's."""
    run = request.getfixturevalue(name)
    model, collator = load(run)
    for split in ("train", "validation", "test"):
        shorts = run.shorts.for_classifier(split)
        rows = [shorts[i] for i in range(len(shorts))]
        with torch.inference_mode():
            logits = torch.cat([model(**collator([row])).logits for row in rows])
        guidance = read_json(run.folders.classifier / "guidance" / f"{split}.json")
        assert [len(tags) for tags in guidance] == [min(100, len(model.config.hashtags))] * len(rows)
        places = {tag: place for place, tag in enumerate(model.config.hashtags)}
        for row, tags in zip(logits, guidance):
            ranked = row[[places[tag] for tag in tags]]
            assert len(set(tags)) == len(tags)
            assert (ranked.diff() <= 1e-6).all()  # one row at a time sums in another order than a batch
            assert ranked.max() == row.max()
        recall = {
            int(k): figure
            for k, figure in read_json(run.folders.classifier / "guidance" / f"{split}_recall.json").items()
        }
        assert recall == pytest.approx(recall_at_k(guidance, shorts.dataset["hashtags"][:], (1, 5, 10, 25, 50, 100)))


@pytest.mark.parametrize("objective", ["softmax", "sigmoid"])
def test_best_columns_against_numpy(objective):
    """Would fail if scores were no probabilities, the order not the logits', or equal ones not in their order."""
    logits = torch.tensor([[0.5, 3.0, 0.5, -200.0, -201.0], [1.0, 1.0, 1.0, 2.0, 0.0]])
    scores, columns = best_columns(logits, objective, 5)
    assert columns.tolist() == [[1, 0, 2, 3, 4], [3, 0, 1, 2, 4]]
    values = np.exp(logits.numpy().astype(np.float64))
    expected = values / values.sum(1, keepdims=True) if objective == "softmax" else values / (1 + values)
    np.testing.assert_allclose(scores.numpy(), np.take_along_axis(expected, columns.numpy(), 1), rtol=1e-5, atol=1e-12)
    assert best_columns(logits, objective, 2)[1].tolist() == [[1, 0], [3, 0]]


def test_same_seed_gives_the_same_classifier(reader, words_dir, reader_config, tmp_path):
    """Would fail if a training could not be repeated."""
    again = train_miniature(tmp_path, data_dir=words_dir, scratch_config=reader_config)
    first, second = weights(reader.folders.classifier), weights(again.folders.classifier)
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.contract
def test_resumed_training_ends_like_an_uninterrupted_one(words_dir, tmp_path, monkeypatch):
    """Would fail if a resume saw other rows, dropout or learning rates, or a kill left what looks finished."""
    settings = {
        "data_dir": words_dir, "scratch_config": write_reader(tmp_path / "reader.json", **DROPOUT),
        "classifier_num_train_epochs": 4,
    }  # fmt: skip
    whole = train_miniature(tmp_path / "whole", **settings)

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 10:  # in the third epoch of four steps
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.KeepBestCheckpoints, "on_step_begin", on_step_begin)
        with pytest.raises(Killed):
            train_miniature(tmp_path / "killed", **settings)
    assert callbacks.last_checkpoint(tmp_path / "killed" / "runs" / "classifier").name == "checkpoint-8"
    assert not (tmp_path / "killed" / "classifier").exists()
    resumed = train_miniature(tmp_path / "killed", **settings)
    assert losses(resumed.folders.classifier_run) == losses(whole.folders.classifier_run)
    first, second = weights(whole.folders.classifier), weights(resumed.folders.classifier)
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in ("classifier/guidance/test.json", "classifier/config.json", "evaluation/classifier_test.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


def test_finished_stage_is_skipped_and_runs_again_on_demand(reader, words_dir, reader_config, tmp_path):
    """
    Would fail if a finished classifier were trained again unasked, or `overwrite_stages` went on from the old one.
    """
    output_dir = shutil.copytree(reader.folders.output, tmp_path / "run")
    settings = {"data_dir": words_dir, "scratch_config": reader_config}
    before = written_at(output_dir)
    train_miniature(output_dir, **settings)
    assert written_at(output_dir) == before
    train_miniature(output_dir, **settings, overwrite_stages="classifier", classifier_num_train_epochs=1)
    after = written_at(output_dir)
    assert after["classifier/model.safetensors"] != before["classifier/model.safetensors"]
    assert [folder.name for folder in (output_dir / "runs" / "classifier").glob("checkpoint-*")] == ["checkpoint-4"]
    assert {name for name in before if not name.startswith(("classifier", "runs", "evaluation"))} <= {
        name for name in before if after.get(name) == before[name]
    }


@pytest.mark.slow
def test_two_processes_train_as_one(words_dir, reader_config, tmp_path):
    """
    Would fail if processes saw other rows than one, or metrics counted a row twice or against another's hashtags.
    """
    settings = {
        "data_dir": words_dir, "scratch_config": reader_config, "classifier_dropout": 0.0,
        "classifier_num_train_epochs": 8, "per_device_eval_batch_size": 4,
    }  # fmt: skip
    one = train_miniature(tmp_path / "one", **settings)
    line = classifier_line(output_dir=tmp_path / "two", **settings, classifier_per_device_train_batch_size=3)
    train_in_two_processes(line)
    two = parse_arguments(line)
    newest = callbacks.last_checkpoint(two.folders.classifier_run)
    assert (newest / "rng_state_1.pth").is_file(), "there was one process only"
    assert losses(two.folders.classifier_run) == pytest.approx(losses(one.folders.classifier_run), rel=1e-4)
    metrics = [
        [entry["eval_f1"] for entry in history(run.folders.classifier_run) if "eval_f1" in entry] for run in (one, two)
    ]
    assert metrics[0] == pytest.approx(metrics[1])
    assert predictions_of(one) == predictions_of(two)


def test_half_precision_is_what_is_evaluated(words_dir, reader_config, reader, tmp_path):
    """Would fail if the threshold or the metrics were those of other weights than the stored ones."""
    run = train_miniature(tmp_path, data_dir=words_dir, scratch_config=reader_config, weights_dtype="bfloat16")
    stored = weights(run.folders.classifier)
    assert {values.dtype for values in stored.values()} == {torch.bfloat16}
    model, collator = load(run)
    assert model.dtype == torch.float32 and os.path.getsize(run.folders.classifier / "model.safetensors") < (
        0.7 * os.path.getsize(reader.folders.classifier / "model.safetensors")
    )
    ranking = classify(run.shorts.for_classifier("test"), model, collator)
    assert ranking.hashtags.tolist() == read_json(run.folders.classifier / "guidance" / "test.json")


def test_video_alone_starts_from_the_frozen_vision_of_the_retriever(shorts_dir, scratch_config, tmp_path):
    """Would fail if `vision_from_retriever` or `freeze_vision` did not reach the classifier, or it needed words."""
    settings = {
        "data_dir": shorts_dir, "scratch_config": scratch_config, "classifier_modalities": "video",
        "vision_from_retriever": True, "freeze_vision": True, "classifier_num_train_epochs": 1,
        "retriever_num_train_epochs": 1,
    }  # fmt: skip
    with pytest.raises(CheckpointError, match="run the stage 'retriever' first"):
        train_miniature(tmp_path, **settings)
    run = train_miniature(tmp_path, **settings, stages=["prepare", "retriever", "classifier"])
    model, collator = load(run)
    assert model.config.modality == "video" and collator.tokenizer is None
    assert not (run.folders.classifier / "tokenizer.json").exists()
    retriever = HashtagRetriever.from_pretrained(run.folders.retriever).backbone.vision_model.state_dict()
    tower = model.vision_encoder.state_dict()
    assert tower
    for name, values in tower.items():
        assert torch.equal(values, retriever[name.removeprefix("vision_model.")]), name


def test_words_and_clips(looker):
    """Would fail if a classifier of both left one out."""
    model, collator = load(looker)
    assert (model.config.modality, model.config.objective) == ("video+text", "sigmoid")
    shorts = looker.shorts.for_classifier("test")
    rows = [shorts[0], shorts[1]]
    batch = collator(rows)
    assert batch["pixel_values_videos"].shape[0] == batch["input_ids"].shape[0] == 2
    with torch.inference_mode():
        logits = model(**batch).logits
        blind = model(**collator([{**row, "frames": None} for row in rows])).logits
        deaf = model(**collator([{**row, "description": ""} for row in rows])).logits
    assert not torch.allclose(logits, blind) and not torch.allclose(logits, deaf)


def test_prepared_set_trains_as_its_folder_does(looker, shorts_dir, scratch_config, tmp_path, monkeypatch):
    """
    Would fail if a lossless prepared set gave another classifier than its clips, or sound were decoded for nothing.
    """
    clip = ClipOptions(lossless=True, frames_per_second=1.0, sampling_rate=8000)
    prepare_shorts(shorts_dir, tmp_path / "set", clip=clip, work=WorkOptions(num_workers=1, clips_per_shard=5))
    monkeypatch.setattr(PreparedShorts, "_sound", lambda *_: pytest.fail("decoded sound"))
    settings = {"scratch_config": scratch_config, "classifier_objective": "sigmoid", "classifier_num_train_epochs": 1}
    run = train_miniature(
        tmp_path / "run", data_dir=tmp_path / "set", classifier_modalities=["text", "video"], **settings
    )
    first, second = weights(looker.folders.classifier), weights(run.folders.classifier)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [row["predicted"] for row in predictions_of(run)] == [row["predicted"] for row in predictions_of(looker)]

    monkeypatch.setattr(prepared, "decode_frame", lambda *_: pytest.fail("decoded frames"))
    train_miniature(tmp_path / "words", data_dir=tmp_path / "set", classifier_modalities="text", **settings)


def test_video_of_a_corpus_without_clips(words_dir, reader_config, tmp_path):
    """Would fail if a classifier of video were trained on nothing."""
    with pytest.raises(DatasetError, match="has a clip: use --classifier_modalities text"):
        train_miniature(tmp_path, data_dir=words_dir, scratch_config=reader_config, classifier_modalities="video")


def write_bert(folder):
    """A tiny pretrained BERT with a tokenizer of whole words that knows no longest text, as some folders' do."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *" ".join([*HASHTAGS, *FILLERS]).split()]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    BertModel(
        BertConfig(
            vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=12, initializer_range=0.25,
        )
    ).save_pretrained(folder)  # fmt: skip
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        padding_side="left",
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_pretrained_backbones(shorts_dir, tmp_path):
    """
    Would fail if BERT and ViT were not what training starts from, or a tokenizer came from another text backbone.
    """
    write_vit(tmp_path / "vit")
    write_clip(tmp_path / "clip")
    write_bart(tmp_path / "bart")
    run = train_miniature(
        tmp_path / "run", data_dir=shorts_dir, vision=tmp_path / "vit", retriever=tmp_path / "clip",
        text=tmp_path / "bart", audio="none", classifier_text=write_bert(tmp_path / "bert"),
        classifier_modalities=["text", "video"], classifier_num_train_epochs=1, classifier_learning_rate=1e-5,
    )  # fmt: skip
    model, collator = load(run)
    assert (model.config.text_config.model_type, model.config.vision_config.model_type) == ("bert", "vit")
    for name, tower in (("bert", model.text_encoder), ("vit", model.vision_encoder)):
        start = AutoModel.from_pretrained(tmp_path / name).state_dict()
        for key, values in tower.state_dict().items():
            assert torch.allclose(values, start[key], atol=1e-3), key
    assert (collator.tokenizer.model_max_length, collator.tokenizer.padding_side) == (12, "right")
    assert list(collator.video_processor.image_mean) == [0.5, 0.5, 0.5]


LONGEST = {
    "bert": ({}, 16),
    "roberta": ({"model_type": "roberta"}, 14),  # its positions start after the padding's id, which is 1
    "clip": ({"model_type": "clip_text_model"}, 16),
}


@pytest.mark.parametrize("text, longest", LONGEST.values(), ids=LONGEST)
def test_long_descriptions_are_cut_to_what_the_backbone_takes(words_dir, reader, tmp_path, text, longest):
    """Would fail if a description could run past the last position that a text backbone has."""
    line = classifier_line(
        data_dir=words_dir,
        output_dir=reader.folders.output,
        scratch_config=write_reader(tmp_path / "text.json", **text),
    )
    run = parse_arguments(line)
    model = make_classifier(run).eval()
    tokenizer = make_tokenizer(run, model)
    assert tokenizer.model_max_length == longest
    assert run.shorts.processor.tokenizer.model_max_length == 512
    collator = DataCollatorForHashtagClassification(model.config.hashtags, tokenizer)
    batch = collator([{"description": "snow " * 100, "hashtags": ["cold"]}])
    assert batch["input_ids"].shape == (1, longest)
    assert model(**batch).loss.isfinite()


def test_text_backbone_that_reads_left_to_right(words_dir, reader, tmp_path):
    """
    Would fail if a decoder, whose first token knows nothing, were trained for hours, or refused without a reason.
    """
    config = write_reader(tmp_path / "decoder.json", model_type="gpt2", n_embd=16, n_head=2, n_layer=1)
    line = classifier_line(data_dir=words_dir, output_dir=reader.folders.output, scratch_config=config)
    with pytest.raises(InputError, match=r"decoder\.json: .*'gpt2' reads left to right"):
        make_classifier(parse_arguments(line))


UNUSABLE = {
    "modality": (["--classifier_modalities", "text", "smell"], r"`classifier_modalities` is \['text', 'smell'\]"),
    "objective": (["--classifier_objective", "hinge"], "`classifier_objective` is 'hinge'"),
}


@pytest.mark.parametrize("arguments, message", UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_arguments(tmp_path, arguments, message):
    """Would fail if a misspelt choice were passed over, or found out after the preparation."""
    with pytest.raises(ValueError, match=message):
        parse_arguments(["--data_dir", "shorts", "--output_dir", str(tmp_path), "--use_cpu", "True", *arguments])


def test_classifier_runs_where_it_is_named_only(tmp_path):
    """Would fail if every training grew a stage, or the stage could not be asked for."""
    line = ["--data_dir", "shorts", "--output_dir", str(tmp_path), "--use_cpu", "True"]
    assert "classifier" not in parse_arguments(line).stage.stages
    assert parse_arguments([*line, "--stages", "classifier"]).stage.stages == ["classifier"]


def test_stage_without_preparation(words_dir, reader_config, tmp_path):
    """Would fail if a classifier without prepared rows did not say what to run."""
    with pytest.raises(DatasetError, match="run the stage 'prepare' first"):
        main(
            classifier_line(data_dir=words_dir, output_dir=tmp_path, scratch_config=reader_config, stages="classifier")
        )
