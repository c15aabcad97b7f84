"""A pipeline whose models OpenVINO computes."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from composed_parts import write_parts
from transformers import pipeline

pytest.importorskip("openvino")

from transformers_ggm.backends import export_onnx, export_openvino
from transformers_ggm.backends.openvino_parts import encoders_of
from transformers_ggm.cli import main
from transformers_ggm.errors import CheckpointError, InputError
from transformers_ggm.pipelines.compose import CheckpointComposition, compose_checkpoint

WORDS = ["twelve hours on the highway", "first snow of the year", "my cat naps", ""]


def load(folder, **kwargs):
    options = {"device": "cpu", "dtype": "float32", "backend": "openvino", **kwargs}
    return pipeline("hashtag-generation", model=str(folder), **options)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Converted models of this file stay with it, and are converted once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers_ggm.backends.openvino_files.HF_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def items(clips):
    return [{"video": clip, "description": words} for clip, words in zip(clips, WORDS)]


@pytest.fixture(scope="module")
def exported(checkpoint, items, tmp_path_factory):
    """A checkpoint with what was exported of it, in eight bits too."""
    folder = tmp_path_factory.mktemp("exported") / "checkpoint"
    shutil.copytree(checkpoint, folder)
    suggest = load(folder, backend="torch")
    before = suggest(items)
    names = export_openvino(suggest, items * 5, folder, int8=True)
    assert suggest(items) == before
    return folder, names


def told(answers):
    """Hashtags, and scores to four digits."""
    return [[(tag["hashtag"], round(tag["score"], 4), tag["guided"]) for tag in answer] for answer in answers]


@pytest.mark.contract
@pytest.mark.parametrize(
    "options", [{}, {"num_beams": 1, "batch_size": 4}, {"num_beams": 1, "top_k": 3, "do_sample": True}]
)
def test_suggests_what_torch_suggests(checkpoint, items, options):
    """
    Would fail if an encoder or the decoder gave something else by OpenVINO, in a batch or by a search of transformers.
    """
    answers = []
    for backend in ("torch", "openvino"):
        suggest = load(checkpoint, backend=backend)
        torch.manual_seed(0)
        answers.append(told(suggest(items, **options)))
    assert answers[0] == answers[1]


@pytest.mark.slow
def test_composed_of_encoders_alone(clips, tmp_path):
    """Would fail if a sentence encoder were left out, or what retrieves alone answered otherwise."""
    parts = write_parts(tmp_path)
    folder = compose_checkpoint(CheckpointComposition(**parts), tmp_path / "composed")
    items = [{"video": next(iter(clips)), "description": "cold water in the lake"}, {"description": "first snow"}]
    answers, encoders = [], []
    for backend in ("torch", "openvino"):
        suggest = load(folder, backend=backend)
        answers.append([[(tag["hashtag"], round(tag["score"], 4)) for tag in answer] for answer in suggest(items)])
        encoders.append(sorted(encoders_of(suggest.model, suggest.retriever, suggest.recommender)))
    assert answers[0] == answers[1] and all(answers[0])
    assert encoders[0] == ["retriever_text", "retriever_vision", "sentence_encoder"]


@pytest.mark.slow
def test_what_is_exported_is_taken(exported, items, monkeypatch):
    """Would fail if an exported checkpoint were converted once more, or answered otherwise than its own models."""
    folder, names = exported
    assert {name.partition("-")[0] for name in names} >= {"vision_encoder", "audio_encoder", "text_encoder", "decoder"}

    def refuse(*_):
        raise AssertionError("converted once more")

    for name in ("openvino_encoder.convert_encoder", "openvino_parts.convert_decoder"):
        monkeypatch.setattr(f"transformers_ggm.backends.{name}", refuse)
    assert told(load(folder)(items)) == told(load(folder, backend="torch")(items))


@pytest.mark.slow
def test_eight_bits(exported, items):
    """Would fail if eight bits were not taken where they were asked for, or garbled what is sure."""
    rounded = load(exported[0], int8=True)
    found, expected = rounded(items, num_beams=1), load(exported[0])(items, num_beams=1)
    assert told(found) != told(expected)
    first = [answer[0]["hashtag"] for answer in expected if answer]
    assert sum(answer[0]["hashtag"] == tag for answer, tag in zip(found, first)) >= len(first) - 1


def test_eight_bits_want_an_export(checkpoint, items):
    """Would fail if a vision encoder were left in another type in silence."""
    with pytest.raises(CheckpointError, match="ggm export"):
        load(checkpoint, int8=True)(items)


@pytest.mark.slow
def test_an_export_of_other_weights_is_refused(exported, items, tmp_path):
    """Would fail if hashtags came from models that are not the checkpoint's any more."""
    folder = tmp_path / "trained"
    shutil.copytree(exported[0], folder)
    suggest = load(folder, backend="torch")
    with torch.no_grad():
        suggest.model.get_encoder().text_encoder.layers[0].fc1.bias += 1
    suggest.model.save_pretrained(folder)
    with pytest.raises(CheckpointError, match="other weights"):
        load(folder)(items)


@pytest.mark.slow
def test_a_pipeline_is_saved_whole(checkpoint, items, tmp_path):
    """Would fail if a pipeline with compiled encoders could not be saved, or lost weights."""
    suggest = load(checkpoint)
    suggest(items[:1])
    suggest.save_pretrained(tmp_path)
    again = load(tmp_path, backend="torch")
    assert told(again(items)) == told(load(checkpoint, backend="torch")(items))


@pytest.mark.slow
def test_worker_processes(checkpoint, items):
    """Would fail if what decodes clips in other processes were sent compiled models."""
    suggest = load(checkpoint)
    assert told(suggest(items, num_workers=1)) == told(suggest(items))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"backend": "onnx"}, 'use "torch" or "openvino"'),
        ({"dtype": "float16"}, "float32 or bfloat16"),
        ({"device": "meta"}, "is for processors"),
        ({"backend": "torch", "int8": True}, 'backend="openvino"'),
    ],
)
def test_refused(checkpoint, options, message):
    """Would fail if a backend were chosen in silence that cannot compute the model."""
    with pytest.raises(InputError, match=message):
        load(checkpoint, **options)


def test_not_installed(checkpoint, monkeypatch):
    """Would fail if the message did not say what to install."""
    monkeypatch.setattr("transformers_ggm.backends.openvino_parts.importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"transformers-ggm\[openvino\]"):
        load(checkpoint)


def test_export_says_what_is_wrong(checkpoint, items, tmp_path):
    """Would fail if models of another type, or nothing, were exported."""
    with pytest.raises(InputError, match="bfloat16"):
        export_openvino(load(checkpoint, backend="torch", dtype="bfloat16"), items, checkpoint)
    suggest = load(checkpoint, backend="torch")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        export_openvino(suggest, items, tmp_path)
    with pytest.raises(InputError, match="No encoder"):
        export_openvino(suggest, [], checkpoint)


@pytest.mark.slow
def test_onnx_of_a_whole_checkpoint(checkpoint, items, tmp_path):
    """Would fail if an encoder that clips go through were left out, or what was there before stayed."""
    pytest.importorskip("onnxscript")
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "old.onnx").touch()
    names = export_onnx(load(checkpoint, backend="torch"), items[:2], tmp_path / "onnx")
    assert {"audio_encoder.onnx", "retriever_vision.onnx", "text_encoder.onnx", "vision_encoder.onnx"} <= set(names)
    assert sorted(file.name for file in (tmp_path / "onnx").iterdir()) == names


@pytest.mark.slow
def test_the_command(checkpoint, clips, tmp_path, capsys):
    """Would fail if `ggm export` did not put what it makes where the pipeline looks for it."""
    folder, clip = tmp_path / "checkpoint", next(iter(clips))
    shutil.copytree(checkpoint, folder)
    assert main(["export", str(folder), "--clips", clip, "--format", "onnx", "--int8"]) == 2
    assert "--int8: only with --format openvino" in capsys.readouterr().err
    assert main(["export", str(folder), "--clips", clip]) == 0
    assert "decoder-" in capsys.readouterr().out
    assert (folder / "openvino" / "openvino.json").is_file()
    output = tmp_path / "tags.jsonl"
    arguments = ["--model", str(folder), "--backend", "openvino", "--output", str(output)]
    assert main(["tag", str(Path(clip).parent), *arguments]) == 0
    assert len(output.read_text().splitlines()) == len(clips)


@pytest.mark.slow
def test_what_a_checkpoint_says(exported):
    """Would fail if `openvino.json` did not name each file beside it."""
    folder = exported[0] / "openvino"
    known = json.loads((folder / "openvino.json").read_text())["models"]
    assert {file.stem for file in folder.glob("*.xml")} == set(known) == set(exported[1])
