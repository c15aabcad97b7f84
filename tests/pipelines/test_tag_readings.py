"""`ggm tag --read_speech --read_screen`, with a tiny Whisper and a stand-in for RapidOCR."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from speech_samples import save_whisper
from test_recommending_pipeline import WORDS, recommending

from transformers_ggm.cli import main
from transformers_ggm.processing.reading import speech_reader
from transformers_ggm.processing.reading.speech_reader import Heard, equal_pieces
from transformers_ggm.processing.reading.transformers_speech import WhisperReader


@pytest.fixture(scope="module")
def folder(checkpoint, tmp_path_factory):
    return recommending(checkpoint, tmp_path_factory.mktemp("read") / "checkpoint", ("posts", "words"), None)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return save_whisper(tmp_path_factory.mktemp("speech") / "whisper")


@pytest.fixture
def heard(monkeypatch):
    """Random weights say nothing: the lengths of what they heard, and words in the place of theirs."""
    lengths, hear = [], WhisperReader.hear

    def words(self, pieces, languages):
        lengths.extend(map(len, pieces))
        return [Heard(WORDS["roadtrip"], -0.1) for _ in hear(self, pieces, languages)]

    monkeypatch.setattr(WhisperReader, "hear", words)
    monkeypatch.setattr(speech_reader, "spoken_pieces", equal_pieces)  # which need faster-whisper's voice activity
    return lengths


@pytest.fixture
def seen(monkeypatch):
    """The pictures that RapidOCR is given; it reads the same words in each."""
    pictures = []

    class RapidOCR:
        def __init__(self, params):
            pass

        def __call__(self, picture):
            pictures.append(picture.shape)
            return SimpleNamespace(txts=(WORDS["birthday"], "@anna"), scores=(0.9, 0.9))

    module = ModuleType("rapidocr")
    module.RapidOCR = RapidOCR
    monkeypatch.setitem(sys.modules, "rapidocr", module)
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    return pictures


def tagged(folder, clips, output, *options):
    """The hashtags of each clip, best first, as the command writes them."""
    command = ["tag", "--model", str(folder), str(clips), "--output", str(output), "--top_n", "6"]
    assert main([*command, "--num_workers", "0", "--device", "cpu", *options]) == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    return {line["file_name"]: [tag["hashtag"] for tag in line["hashtags"]] for line in lines}


def test_what_is_read_is_tagged_by(folder, whisper, heard, seen, clips, tmp_path):
    """Would fail if the command passed its readers on to nobody, or a clip without sound were given words."""
    where = Path(next(iter(clips))).parent
    both = tagged(folder, where, tmp_path / "both.jsonl", "--read_speech", str(whisper), "--read_screen")
    silent = [Path(path).name for path, recipe in clips.items() if recipe.sound is None]
    assert len(both) == len(clips) == len(silent) + len(heard) and seen
    for name, hashtags in both.items():
        assert "#birthday" in hashtags and ("#roadtrip" in hashtags) is (name not in silent)
    seen.clear()
    plain = tagged(folder, where, tmp_path / "plain.jsonl")
    assert not seen and not any("#birthday" in hashtags for hashtags in plain.values())


def test_readers_that_cannot_be_used(folder, clips, tmp_path, capsys):
    """Would fail if a speech model that is not there were found out after clips were tagged without it."""
    where = str(Path(next(iter(clips))).parent)
    command = ["tag", "--model", str(folder), where, "--output", str(tmp_path / "out.jsonl")]
    assert main([*command, "--read_speech", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err and not (tmp_path / "out.jsonl").exists()
