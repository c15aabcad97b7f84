"""Clips and tokenizers for tests, made on the spot."""

import json
from fractions import Fraction

import av
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BartTokenizer, MBartTokenizer, PreTrainedTokenizerFast

TEXTS = ["#snow #winter #toronto first snow in toronto", "a dog in the park #dog #park", "#트위터 #café"]
CODECS = {"mp4": ("libx264", "aac"), "webm": ("libvpx", "libopus"), "avi": ("mpeg4", "mp3")}


def grey_of(seconds):
    """The grey in which a test clip paints the frame at a time, 100 steps a second of clip."""
    return round(seconds * 100) % 256


def write_clip(
    path, times, seconds, tone=None, sampling_rate=48_000, channels=1, rotation=0, size=(64, 48), options=None
):
    """Writes a clip whose frame at each of `times` is the grey of its time, with a sine tone of `tone` Hz as sound."""
    video_codec, audio_codec = CODECS[path.suffix[1:]]
    width, height = size
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream(video_codec, rate=25)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.bit_rate = 4_000_000
        video.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            video.set_display_rotation(rotation)
        audio = None
        if tone:
            audio = container.add_stream(audio_codec, rate=sampling_rate, layout="stereo" if channels == 2 else "mono")
        for index, time in enumerate(times):
            image = np.full((height, width, 3), grey_of(time), np.uint8)
            if rotation:
                image[: height // 2] = 255
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            following = times[index + 1] if index + 1 < len(times) else seconds
            frame.duration = round((following - time) * 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            write_tone(container, audio, seconds, tone, sampling_rate, channels)
    return path


def write_tone(container, stream, seconds, tone, sampling_rate, channels):
    wave = 0.5 * np.sin(2 * np.pi * tone * np.arange(int(seconds * sampling_rate)) / sampling_rate)
    frame = av.AudioFrame.from_ndarray(
        np.tile(wave.astype(np.float32), (channels, 1)), format="fltp", layout="stereo" if channels == 2 else "mono"
    )
    frame.sample_rate, frame.pts = sampling_rate, 0
    context = stream.codec_context
    resampler = av.AudioResampler(context.format.name, context.layout.name, sampling_rate, context.frame_size or 1024)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode())


def dominant_frequency(waveform, sampling_rate):
    """The frequency in Hz that is strongest in a waveform."""
    return float(np.argmax(np.abs(np.fft.rfft(waveform))) * sampling_rate / len(waveform))


def byte_level_bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


def fast_tokenizer(tokenizer):
    specials = {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>"}
    specials |= {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **specials)


def bart_like_fast():
    tokenizer = byte_level_bpe()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return fast_tokenizer(tokenizer)


def bart():
    model = byte_level_bpe()
    vocab = model.get_vocab()
    merges = [tuple(merge) for merge in _merges(model)]
    return BartTokenizer(vocab=vocab, merges=merges)


def _merges(tokenizer):
    return json.loads(tokenizer.to_str())["model"]["merges"]


def sentencepiece_like():
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0)] + [(piece, -1.0) for piece in _unigram_pieces()], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<mask>"])
    return fast_tokenizer(tokenizer)


def _unigram_pieces():
    letters = sorted(set("".join(TEXTS).replace(" ", "▁")) | set("abcdefghijklmnopqrstuvwxyz"))
    return [*letters, "▁#", "▁#snow", "winter", "▁in"]


def mbart():
    specials = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    vocab = specials + [(piece, -1.0) for piece in _unigram_pieces()]
    return MBartTokenizer(vocab=vocab, src_lang="en_XX", tgt_lang="de_DE")


TOKENIZERS = {
    "bart": bart,
    "bart_like_fast": bart_like_fast,
    "bare_fast": lambda: fast_tokenizer(byte_level_bpe()),
    "sentencepiece_like": sentencepiece_like,
}
