"""Speech models of transformers: tiny ones with random weights, beside what the libraries themselves compute."""

import pytest
import torch
from speech_samples import LANGUAGES, save_moonshine, save_wav2vec2, save_whisper, tone
from transformers import AutoFeatureExtractor, AutoTokenizer, Wav2Vec2ForCTC, WhisperForConditionalGeneration

from transformers_ggm.errors import CheckpointError
from transformers_ggm.processing.reading import SpeechThresholds, load_speech_reader
from transformers_ggm.processing.reading.transformers_speech import CTCReader, SeqToSeqReader, WhisperReader

# Random weights are sure of nothing.
CREDULOUS = SpeechThresholds(-100.0, 100.0, 1.0)
SOUNDS = [tone(1.0), tone(2.5, 500), tone(0.7, 90)]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    return {
        "whisper": save_whisper(folder / "whisper"),
        "english": save_whisper(folder / "english", multilingual=False),
        "wav2vec2": save_wav2vec2(folder / "wav2vec2"),
        "moonshine": save_moonshine(folder / "moonshine"),
    }


@pytest.fixture
def load(checkpoints):
    return lambda name: load_speech_reader(
        str(checkpoints[name]), device="cpu", thresholds=CREDULOUS, voice_activity=False
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [("whisper", WhisperReader), ("english", WhisperReader), ("wav2vec2", CTCReader), ("moonshine", SeqToSeqReader)],
)
def test_batches_change_nothing(load, name, kind):
    """Would fail if a clip's transcript depended on the clips beside it, on the batch, or on their order."""
    reader = load(name)
    assert type(reader) is kind
    together = reader.read([*SOUNDS, None])
    assert together[3].doubt == "there is no sound"
    reader.batch_size = 1
    for sound, transcript in zip(SOUNDS, together):
        (alone,) = reader.read([sound])
        assert (alone.text, alone.language) == (transcript.text, transcript.language)
        assert alone.mean_log_probability == pytest.approx(transcript.mean_log_probability, abs=1e-4)
    assert {transcript.doubt for transcript in together[:3]} <= {None, "nothing was understood"}
    assert any(transcript.text for transcript in together)


@pytest.mark.parametrize("name", ["whisper", "english"])
def test_confidence_is_that_of_a_forced_pass(load, checkpoints, name):
    """
    Would fail if the mean log-probability were not that of the tokens that were written, if the prompt were counted,
    or if language and silence were read off another place than the first one.
    """
    reader = load(name)
    (transcript,) = reader.read([SOUNDS[1]])
    model = WhisperForConditionalGeneration.from_pretrained(checkpoints[name]).eval()
    features = AutoFeatureExtractor.from_pretrained(checkpoints[name])(
        SOUNDS[1], sampling_rate=16_000, return_tensors="pt"
    ).input_features
    known = model.generation_config
    with torch.no_grad():
        told = {"language": transcript.language, "task": "transcribe"} if name == "whisper" else {}
        written = model.generate(features, do_sample=False, num_beams=1, **told)[0]
        # Whisper's generate gives the text with or without its prompt, by version.
        prompt = [known.decoder_start_token_id]
        if name == "whisper":
            prompt += [known.lang_to_id[f"<|{transcript.language}|>"], known.task_to_id["transcribe"]]
        prompt += [known.no_timestamps_token_id]
        text = [token for token in written.tolist() if token < 256]
        ids = torch.tensor([prompt + text])
        log_probabilities = model(features, decoder_input_ids=ids).logits[0].log_softmax(-1)
        first = model(features, decoder_input_ids=ids[:, :1]).logits[0, 0]
    assert AutoTokenizer.from_pretrained(checkpoints[name]).decode(text).strip() == transcript.text
    places = range(len(prompt) - 1, len(prompt) - 1 + len(text))
    chosen = [log_probabilities[place, token].item() for place, token in zip(places, text)]
    has_ended = len(written) < known.max_length
    if has_ended:
        chosen.append(log_probabilities[len(prompt) + len(text) - 1, known.eos_token_id].item())
    assert transcript.mean_log_probability == pytest.approx(sum(chosen) / len(chosen), abs=1e-3)
    silence = first.softmax(-1)[known.no_timestamps_token_id - 1].item()
    assert transcript.no_speech_probability == pytest.approx(silence, rel=1e-3)
    if name == "whisper":
        best = max(LANGUAGES, key=lambda code: first[known.lang_to_id[f"<|{code}|>"]].item())
        assert transcript.language == best


def test_given_languages(load):
    """Would fail if a language that is given were found anew, or one that the model cannot read were read."""
    reader = load("whisper")
    assert reader.languages == set(LANGUAGES)
    given = reader.read([SOUNDS[0]] * 3, ["de", "fr-CA", "ja"])
    assert [transcript.language for transcript in given] == ["de", "fr", "ja"]
    assert given[2].doubt == "the model does not know the language 'ja'"
    assert load("english").read([SOUNDS[0]], ["de"])[0].doubt == "the model does not know the language 'de'"
    assert load("english").read([SOUNDS[0]], ["en_GB"])[0].language == "en"


def test_ctc_is_that_of_the_model(load, checkpoints):
    """Would fail if letters or their probabilities were others than those of the model, or capitals stayed."""
    (transcript,) = load("wav2vec2").read([SOUNDS[1]])
    model = Wav2Vec2ForCTC.from_pretrained(checkpoints["wav2vec2"]).eval()
    features = AutoFeatureExtractor.from_pretrained(checkpoints["wav2vec2"])(
        SOUNDS[1], sampling_rate=16_000, return_tensors="pt"
    )
    with torch.no_grad():
        probabilities = model(features.input_values).logits[0].softmax(-1)
    best = probabilities.argmax(-1)
    text = AutoTokenizer.from_pretrained(checkpoints["wav2vec2"]).decode(best, skip_special_tokens=True)
    assert transcript.text == text.strip().lower() != ""
    letters = best != 0
    expected = probabilities.max(-1).values[letters].log().mean().item()
    assert transcript.mean_log_probability == pytest.approx(expected, abs=1e-4)
    assert transcript.language is None and transcript.no_speech_probability is None


def test_long_sounds_are_read_to_their_end(load):
    """Would fail if only the first half minute of a clip were heard."""
    reader = load("whisper")
    sound = tone(31.0)
    whole = reader.read([sound], ["en"])[0].text
    parts = [reader.read([part], ["en"])[0].text for part in (sound[:480_000], sound[480_000:])]
    assert whole == " ".join(parts)


@pytest.mark.parametrize("weights", [None, "pytorch_model.bin"])
def test_what_is_no_speech_model(checkpoints, tmp_path, weights):
    """Would fail if the message did not name the folder, or weights were unpickled."""
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="'bert', which writes down no speech"):
        load_speech_reader(str(tmp_path))
    for file in checkpoints["whisper"].iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    if weights is not None:
        (tmp_path / weights).write_bytes(b"pickled")
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        load_speech_reader(str(tmp_path))
