"""Tiny speech models with random weights, in the Hub's format, and spoken sounds where espeak-ng is installed."""

import io
import json
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    MoonshineConfig,
    MoonshineForConditionalGeneration,
    PreTrainedTokenizerFast,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

from transformers_ggm.processing.media.audio import resample

LANGUAGES = ("en", "de", "fr")


def tone(seconds, frequency=220.0):
    """A tone (n,) float32 at 16 kHz."""
    return np.sin(2 * np.pi * frequency * np.arange(round(16_000 * seconds)) / 16_000).astype(np.float32)


def spoken(text, voice="en-us"):
    """What espeak-ng says, (n,) float32 at 16 kHz; skips the test where it is not installed."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    wave = subprocess.run(["espeak-ng", "-v", voice, "--stdout", text], capture_output=True, check=True).stdout
    sound, rate = soundfile.read(io.BytesIO(wave), dtype="float32")
    return resample(sound, rate, 16_000)


def save_whisper(folder, multilingual=True):
    """A Whisper of 10,000 weights with the tokens that the real ones have."""
    folder.mkdir(parents=True)
    letters = list(bytes_to_unicode().values())
    special = ["<|endoftext|>", "<|startoftranscript|>"]
    special += [f"<|{code}|>" for code in LANGUAGES] if multilingual else []
    special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
    special += ["<|notimestamps|>"]
    vocabulary = {token: number for number, token in enumerate([*letters, *special])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    end, start = vocabulary["<|endoftext|>"], vocabulary["<|startoftranscript|>"]
    tokenizer = WhisperTokenizer(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        additional_special_tokens=special[1:],
        unk_token="<|endoftext|>",
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
    )
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=16).save_pretrained(folder)
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=len(vocabulary), num_mel_bins=16, d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        max_target_positions=32, pad_token_id=end, bos_token_id=end, eos_token_id=end, decoder_start_token_id=start,
        suppress_tokens=None, begin_suppress_tokens=None, init_std=1.0,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    known = {
        "is_multilingual": multilingual,
        "no_timestamps_token_id": vocabulary["<|notimestamps|>"],
        "max_length": 24,
        "max_initial_timestamp_index": 1,
        "return_timestamps": False,
    }
    if multilingual:
        known |= {
            "lang_to_id": {f"<|{code}|>": vocabulary[f"<|{code}|>"] for code in LANGUAGES},
            "task_to_id": {task: vocabulary[f"<|{task}|>"] for task in ("translate", "transcribe")},
        }
    model.generation_config._from_model_config = False  # else it is made anew of the configuration
    for name, value in known.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)
    return folder


def save_wav2vec2(folder):
    """A Wav2Vec2 with a CTC head over capitals, whose convolutions normalise over time, as wav2vec2-base's do."""
    folder.mkdir(parents=True)
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    torch.manual_seed(1)
    config = Wav2Vec2Config(
        vocab_size=len(letters), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        conv_dim=(16, 16), conv_stride=(40, 8), conv_kernel=(80, 8), num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, initializer_range=1.0,
    )  # fmt: skip
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder


def save_moonshine(folder):
    """A Moonshine, which takes waveforms of any length with a mask."""
    folder.mkdir(parents=True)
    tokenizer = Tokenizer(WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2, "snow": 3, "rain": 4, "sun": 5}, "<unk>"))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    ).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True, do_normalize=False).save_pretrained(folder)
    torch.manual_seed(2)
    config = MoonshineConfig(
        vocab_size=6, hidden_size=32, intermediate_size=32, encoder_num_hidden_layers=1, decoder_num_hidden_layers=1,
        encoder_num_attention_heads=2, decoder_num_attention_heads=2, initializer_range=1.0,
    )  # fmt: skip
    MoonshineForConditionalGeneration(config).save_pretrained(folder)
    return folder
