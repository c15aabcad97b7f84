"""The generator's processor: every kind of input, tokenizer and feature extractor, and tokens back to hashtags."""

import io

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processing_samples import TOKENIZERS, mbart, write_clip
from transformers import (
    ASTFeatureExtractor,
    ClapFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from transformers_ggm.errors import HashtagError, InputError, MediaError
from transformers_ggm.processing import GGMProcessor, GGMVideoProcessor
from transformers_ggm.processing.sound_features import sound_features

EXTRACTORS = {
    "whisper": (lambda: WhisperFeatureExtractor(feature_size=16, chunk_length=2), (16, 200)),
    "clap": (lambda: ClapFeatureExtractor(truncation="rand_trunc", max_length_s=2), (1, 201, 64)),
    "ast": (lambda: ASTFeatureExtractor(num_mel_bins=16, max_length=64), (64, 16)),
    "wav2vec2": (lambda: Wav2Vec2FeatureExtractor(), None),
}
FRAMES = np.zeros((2, 16, 16, 3), np.uint8)


def whisper():
    return WhisperFeatureExtractor(feature_size=16, chunk_length=2)


@pytest.fixture
def processor(video_processor, tokenizer):
    return GGMProcessor(video_processor, tokenizer)


@pytest.fixture
def hearing(video_processor, tokenizer):
    return GGMProcessor(video_processor, tokenizer, whisper())


def tone(frequency=440, seconds=1.0, rate=16_000):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate).astype(np.float32)


def words(processor, batch, row=0):
    return processor.tokenizer.decode(batch["input_ids"][row][batch["attention_mask"][row] == 1])


def test_the_batch_has_the_documented_keys_and_shapes(hearing, clip, silent_clip):
    """A key is missing, too many, or has another shape or dtype than the model takes."""
    batch = hearing(
        videos=[clip, silent_clip, None],
        text=["first snow", None, "a dog"],
        guidance=[["snow", "winter"], None, []],
        hashtags=[["snow"], ["dog", "park"], ["café"]],
    )
    assert set(batch) == {
        *("input_ids", "attention_mask", "pixel_values_videos", "frame_mask", "input_features", "audio_mask", "labels")
    }
    assert batch["pixel_values_videos"].shape == (3, 4, 3, 16, 16)
    assert batch["frame_mask"].sum(dim=1).tolist() == [4, 2, 0]
    assert batch["input_features"].shape == (3, 16, 200)
    assert batch["audio_mask"].tolist() == [1, 0, 0]
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert all(
        batch[key].dtype == torch.int64 for key in batch if key not in ("pixel_values_videos", "input_features")
    )
    assert set(hearing.model_input_names) == set(batch) - {"labels"}


def test_what_is_not_given_is_absent(processor, hearing, clip):
    """A model without sound, or a text-only call, gets inputs for senses it lacks."""
    assert set(processor(text="a dog")) == {"input_ids", "attention_mask"}
    assert set(hearing(text="a dog")) == {"input_ids", "attention_mask"}
    assert set(hearing(videos=[None], text=["a dog"])) == {"input_ids", "attention_mask"}
    assert "input_features" not in processor(videos=clip)
    assert "input_features" not in hearing(videos=clip, audio_from_video=False)


def test_keys_do_not_depend_on_which_clip_has_sound(hearing, clip, silent_clip):
    """Clips cannot be batched by a pipeline, because silent ones lack the sound's keys."""
    assert set(hearing(videos=clip)) == set(hearing(videos=silent_clip)) == set(hearing(videos=FRAMES))
    assert hearing(videos=FRAMES)["audio_mask"].tolist() == [0]


@pytest.mark.contract
@pytest.mark.parametrize("name", sorted(EXTRACTORS))
def test_any_feature_extractor(video_processor, tokenizer, clip, silent_clip, name):
    """Sound encoders other than one family cannot be used, or a row's features depend on the rows beside it."""
    make, shape = EXTRACTORS[name]
    processor = GGMProcessor(video_processor, tokenizer, make())
    batch = processor(videos=[silent_clip, clip])
    features = batch["input_features"]
    assert features.dtype == torch.float32
    assert torch.isfinite(features).all()
    assert shape is None or features.shape[1:] == shape
    assert batch["audio_mask"].tolist() == [0, 1]
    alone = processor(videos=[clip])["input_features"]
    torch.testing.assert_close(features[1, ..., : alone.shape[-1]], alone[0])
    assert torch.equal(processor(videos=[clip])["input_features"], alone)


def test_sound_of_every_form_gives_the_same_features(hearing, tmp_path):
    """A file, a stereo waveform or another rate is heard differently from the waveform itself."""
    wave = tone()
    expected = hearing(audio=wave, sampling_rate=16_000, text="a")["input_features"]
    path = tmp_path / "tone.wav"
    soundfile.write(path, wave, 16_000, subtype="FLOAT")
    for audio in [[wave], torch.from_numpy(wave), np.stack([wave, wave]), wave.tolist()]:
        assert torch.equal(hearing(audio=audio, sampling_rate=16_000, text="a")["input_features"], expected)
    with open(path, "rb") as file:
        for audio in [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), file]:
            torch.testing.assert_close(hearing(audio=audio, text="a")["input_features"], expected)
    faster = hearing(audio=tone(rate=48_000), sampling_rate=48_000, text="a")["input_features"]
    # The strongest mel band of each window stays the same; resampling changes the quiet ones.
    assert torch.equal(faster[0, :, 5:90].argmax(dim=0), expected[0, :, 5:90].argmax(dim=0))


@pytest.mark.parametrize("name", EXTRACTORS)
def test_features_made_before_give_the_same(video_processor, tokenizer, clip, name):
    """Would fail if sound that was decoded before were batched in another way, or silence were heard."""
    processor = GGMProcessor(video_processor, tokenizer, EXTRACTORS[name][0]())
    waves = [tone(seconds=0.7), None, tone(220, seconds=1.5)]
    arguments = {"videos": [clip, None, FRAMES], "text": ["a", "b", "c"]}
    expected = processor(audio=waves, sampling_rate=16_000 if name != "clap" else 48_000, **arguments)
    features = [None if wave is None else sound_features(processor.feature_extractor, wave) for wave in waves]
    batch = processor(input_features=features, **arguments)
    assert batch.keys() == expected.keys() and all(torch.equal(batch[key], expected[key]) for key in batch)
    silent = processor(input_features=[None] * 3, **arguments)
    assert silent.keys() == expected.keys() - {"input_features", "input_features_mask", "audio_mask"}
    with pytest.raises(InputError, match="pass one of them"):
        processor(input_features=features, audio=waves, **arguments)


def test_given_sound_replaces_the_clips(hearing, clip):
    """`audio` is ignored for rows whose clip has sound, or a silent row borrows the clip's sound."""
    batch = hearing(videos=[clip, clip], audio=[None, tone()], sampling_rate=16_000)
    assert batch["audio_mask"].tolist() == [0, 1]
    assert batch["pixel_values_videos"].shape[:2] == (2, 4)
    expected = hearing(audio=tone(), sampling_rate=16_000, text="a")["input_features"]
    assert torch.equal(batch["input_features"][1:], expected)


@pytest.mark.contract
def test_only_the_start_of_a_sound_is_heard(video_processor, tokenizer):
    """`max_audio_seconds` does not cut, so long sounds are trained on otherwise than they are used."""
    processor = GGMProcessor(video_processor, tokenizer, whisper(), max_audio_seconds=0.5)
    whole, cut = tone(seconds=1.5), tone(seconds=1.5)[:8000]
    batch = processor(audio=[whole, cut], sampling_rate=16_000, text=["a", "b"])
    assert torch.equal(batch["input_features"][0], batch["input_features"][1])


def test_sound_alone_with_a_blank_video(hearing):
    """Sounds without pictures cannot be used, or the blank frame is not black."""
    batch = hearing(audio=[tone(), None], videos=[None, FRAMES + 9], sampling_rate=16_000, blank_video=True)
    assert batch["frame_mask"].tolist() == [[1, 0], [1, 1]]
    assert (batch["pixel_values_videos"][0, 0] == -1).all()
    with pytest.raises(InputError, match="blank_video"):
        hearing(audio=tone(), sampling_rate=16_000)


def test_files_of_sound_with_a_blank_video(hearing, tmp_path, clip):
    """
    A file of sound is heard otherwise than the same sound given as such, or only where there are no clips beside.
    """
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(), 16_000, subtype="FLOAT")
    batch = hearing(videos=[str(path), clip], blank_video=True)
    assert batch["frame_mask"].sum(dim=1).tolist() == [1, hearing(videos=[clip])["frame_mask"].sum()]
    expected = hearing(audio=[str(path)], blank_video=True)
    assert torch.equal(batch["pixel_values_videos"][0, :1], expected["pixel_values_videos"][0])
    assert torch.equal(batch["input_features"][0], expected["input_features"][0])
    assert batch["audio_mask"].tolist() == [1, 1]
    media = hearing.decode_media(path, blank_video=True)
    assert torch.equal(hearing(videos=[media], blank_video=True)["input_features"], expected["input_features"])
    with pytest.raises(InputError, match="sound alone"):
        hearing(videos=[media], text=["a"])
    with pytest.raises(MediaError, match="blank_video"):
        hearing(videos=[path], text=["a"])


@pytest.mark.parametrize("text", [[""], [None], ["#only #tags"]])
def test_rows_with_nothing_are_empty_texts_on_demand(any_tokenizer, video_processor, text):
    """A row of which a model is shown nothing cannot be trained on, or comes out as something else than no words."""
    processor = GGMProcessor(video_processor, any_tokenizer)
    batch = processor(text=[*text, "snow"], allow_empty=True)
    expected = processor(videos=[FRAMES], text=[""])
    assert set(batch) == {"input_ids", "attention_mask"}
    kept = batch["input_ids"][0][batch["attention_mask"][0].bool()]
    assert len(kept) and torch.equal(kept, expected["input_ids"][0])
    with pytest.raises(InputError, match="Row 0"):
        processor(text=[*text, "snow"])


def test_a_decoded_clip_is_as_good_as_its_file(hearing, clip):
    """A pipeline that decodes first gets other inputs than a call on the file."""
    media = hearing.decode_media(clip)
    batch, expected = hearing(videos=[media], text=["a"]), hearing(videos=[clip], text=["a"])
    assert set(batch) == set(expected)
    assert all(torch.equal(batch[key], expected[key]) for key in batch)


def test_decoding_media_leaves_sound_out_for_a_deaf_model(processor, clip):
    """Sound is decoded for models that cannot hear."""
    assert processor.decode_media(clip).audio is None


def test_description_and_guidance_are_a_pair(any_tokenizer, video_processor):
    """Guidance runs into the description, is in another order, or hashtags stay in the description."""
    processor = GGMProcessor(video_processor, any_tokenizer)
    batch = processor(text="first snow #leak in toronto", guidance=["Snow", "#winter"])
    text = words(processor, batch)
    before, separator, after = text.replace("<s>", "").removesuffix("</s>").partition("</s>")
    assert separator
    assert before.split() == ["first", "snow", "in", "toronto"]
    assert after.removeprefix("</s>").split() == ["#snow", "#winter"]


def test_guidance_is_cut_to_its_number(video_processor, tokenizer):
    """More hashtags are shown than the paper's number, or not the best ones."""
    processor = GGMProcessor(video_processor, tokenizer, num_guidance=2)
    assert words(processor, processor(text="a", guidance=["x", "y", "z"])) == words(
        processor, processor(text="a", guidance=["x", "y"])
    )


def test_rows_with_and_without_guidance_mix(any_tokenizer, video_processor):
    """A row reads differently in a batch than alone, or padding is not masked."""
    processor = GGMProcessor(video_processor, any_tokenizer)
    texts, guidance = ["a dog in the park", "snow", ""], [None, ["winter"], ["dog", "park"]]
    batch = processor(text=texts, guidance=guidance)
    for row, (text, tags) in enumerate(zip(texts, guidance)):
        alone = processor(text=[text], guidance=[tags])["input_ids"][0]
        assert torch.equal(batch["input_ids"][row][batch["attention_mask"][row] == 1], alone)
    assert (batch["input_ids"][batch["attention_mask"] == 0] == any_tokenizer.pad_token_id).all()


def test_a_video_without_words_has_a_token(any_tokenizer, video_processor):
    """The text encoder gets no token at all and fails."""
    batch = GGMProcessor(video_processor, any_tokenizer)(videos=FRAMES)
    assert batch["attention_mask"].sum() >= 1


def test_labels(any_tokenizer, video_processor):
    """Targets lose hashtags or their order, do not end, or padding is counted as a target."""
    processor = GGMProcessor(video_processor, any_tokenizer)
    labels = processor(text=["a", "b"], hashtags=[["Winter", "#snow", "dog"], ["park"]])["labels"]
    assert processor.decode_hashtags(labels) == [["winter", "snow", "dog"], ["park"]]
    for row in labels:
        kept = row[row != -100]
        assert kept[-1] == any_tokenizer.eos_token_id
        assert (row[len(kept) :] == -100).all()


def test_mbart(video_processor):
    """The language codes of mBART get into the hashtags or lose them, or guidance runs into the description."""
    processor = GGMProcessor(video_processor, mbart(), max_target_length=9)
    batch = processor(text="first snow", guidance=["winter"], hashtags=["snow", "dog", "park"])
    tokens = processor.tokenizer.convert_ids_to_tokens(batch["input_ids"][0])
    assert tokens.count("</s>") == 2
    assert tokens[-1] == "en_XX"
    assert batch["labels"][0, -2:].tolist() == processor.tokenizer.convert_tokens_to_ids(["</s>", "de_DE"])
    assert processor.decode_hashtags(batch["labels"]) == [["snow", "dog"]]


def test_labels_end_at_a_whole_hashtag(any_tokenizer, video_processor):
    """A target is cut within a hashtag, so the model learns to write half ones."""
    tags = ["snow", "winter", "toronto", "park", "dog", "café"]
    previous = 0
    for length in range(12, 40, 3):
        processor = GGMProcessor(video_processor, any_tokenizer, max_target_length=length)
        labels = processor(text="a", hashtags=tags)["labels"]
        (decoded,) = processor.decode_hashtags(labels)
        assert labels.shape[1] <= length
        assert decoded == tags[: len(decoded)]
        assert len(decoded) >= previous
        previous = len(decoded)
    assert previous >= 2


def test_a_single_overlong_hashtag_is_cut(any_tokenizer, video_processor):
    """One absurd hashtag stops a training run or overruns the length."""
    labels = GGMProcessor(video_processor, any_tokenizer, max_target_length=8)(text="a", hashtags=["q" * 50])["labels"]
    assert labels.shape == (1, 8)
    assert labels[0, -1] == any_tokenizer.eos_token_id


def test_padding_to_max_length(video_processor, tokenizer):
    """Batches of a fixed shape are not."""
    processor = GGMProcessor(video_processor, tokenizer, max_text_length=40, max_target_length=20)
    batch = processor(videos=[FRAMES], text=["a"], hashtags=[["dog"]], padding="max_length")
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (1, 40)
    assert batch["labels"].shape == (1, 20)
    assert batch["frame_mask"].shape == (1, 15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Nothing"),
        ({"text": [""]}, "Row 0"),
        ({"text": ["a", "#only #tags"]}, "Row 1"),
        ({"text": ["a", "b"], "guidance": [["x"]]}, "`text` has 2 rows, but `guidance` has 1"),
        ({"videos": [FRAMES], "text": ["a", "b"]}, "`videos` has 1 rows, but `text` has 2"),
        ({"text": []}, "empty"),
        ({"text": [3]}, r"text\[0\]"),
        ({"text": "a", "guidance": "x"}, r"\['x'\]"),
        ({"text": ["a", "b"], "hashtags": [["x"], "y"]}, "'y'"),
        ({"text": "a", "audio": np.zeros(100, np.float32)}, "sampling_rate"),
        ({"text": "a", "audio": np.zeros(100, np.int16), "sampling_rate": 16_000}, "int16"),
        ({"text": "a", "audio": np.zeros((100, 3), np.float32), "sampling_rate": 16_000}, "shape"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(hearing, arguments, message):
    """A mistake in the arguments goes unnoticed, or its error does not name them."""
    with pytest.raises(InputError, match=message):
        hearing(**arguments)


def test_bad_hashtags_and_sounds_are_refused(hearing, tmp_path, silent_clip):
    """What is no hashtag or no sound becomes a target or silence without a word."""
    with pytest.raises(HashtagError, match="two words"):
        hearing(text="a", hashtags=["two words"])
    with pytest.raises(HashtagError, match="Row 1"):
        hearing(text=["a", "b"], hashtags=[["dog"], []])
    (tmp_path / "bad.wav").write_text("<html>" * 100)
    for audio, message in [(tmp_path / "bad.wav", "bad.wav"), (silent_clip, "no sound"), ("missing.wav", "missing")]:
        with pytest.raises(MediaError, match=message):
            hearing(text="a", audio=audio)


@pytest.mark.contract
@pytest.mark.parametrize("make", [None, whisper])
def test_save_and_load(tmp_path, video_processor, tokenizer, clip, make):
    """A saved processor makes other inputs than before, with or without a feature extractor."""
    processor = GGMProcessor(
        video_processor, tokenizer, make and make(), num_guidance=3, max_text_length=30, max_target_length=9
    )
    processor.save_pretrained(tmp_path / "saved")
    loaded = GGMProcessor.from_pretrained(tmp_path / "saved")
    assert loaded.to_dict() == processor.to_dict()
    arguments = {"videos": [clip], "text": ["a dog"], "guidance": [["x", "y"]], "hashtags": [["dog"]]}
    batch, expected = loaded(**arguments), processor(**arguments)
    assert set(batch) == set(expected)
    assert all(torch.equal(batch[key], expected[key]) for key in batch)


def test_a_wrong_feature_extractor_is_refused(video_processor, tokenizer):
    """An image processor passed as feature extractor fails only at the first clip."""
    with pytest.raises(InputError, match="GGMVideoProcessor"):
        GGMProcessor(video_processor, tokenizer, GGMVideoProcessor())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#snow #Snow #winter", ["snow", "winter"]),
        ("#a#b", ["a", "b"]),
        ("#16 # #_ ##dog", ["dog"]),
        ("no tag", []),
        ("#트위터 #café", ["트위터", "café"]),
    ],
)
def test_decode_hashtags(processor, text, expected):
    """Invalid or repeated hashtags leave the model, or good ones are lost."""
    ids = processor.tokenizer(text)["input_ids"]
    assert processor.decode_hashtags([ids]) == processor.decode_hashtags(ids) == [expected]
    assert processor.decode_hashtags(torch.tensor([ids, ids])) == [expected, expected]


def test_spans_are_the_tokens_that_spell_a_hashtag(any_tokenizer, video_processor):
    """A hashtag's score is computed from the tokens of its neighbours, or lacks some of its own."""
    processor = GGMProcessor(video_processor, any_tokenizer)
    tags = ["snow", "트위터", "dog"] if any_tokenizer.decoder is not None else ["snow", "dog"]
    ids = any_tokenizer(text_target="#snow #트위터 #snow #dog")["input_ids"]
    spans = processor.hashtag_spans(torch.tensor(ids))
    assert [tag for tag, _ in spans] == processor.decode_hashtags(ids)[0] == tags
    for tag, positions in spans:
        assert positions == list(range(positions[0], positions[-1] + 1))
        assert any_tokenizer.decode([ids[position] for position in positions]).strip() == f"#{tag}"
    used = [position for _, positions in spans for position in positions]
    assert len(used) == len(set(used))
    assert all(ids[position] not in any_tokenizer.all_special_ids for position in used)


BYTE_LEVEL = TOKENIZERS["bart_like_fast"]()
PROCESSOR = GGMProcessor(GGMVideoProcessor(size=16), BYTE_LEVEL)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, len(BYTE_LEVEL) - 1), max_size=24))
def test_spans_of_any_tokens(ids):
    """Tokens a model may write, halves of characters included, break the spans or give other tags than decoding."""
    spans = PROCESSOR.hashtag_spans(ids)
    assert [tag for tag, _ in spans] == PROCESSOR.decode_hashtags([ids])[0]
    for tag, positions in spans:
        assert positions
        assert tag in PROCESSOR.decode_hashtags([[ids[position] for position in positions]])[0]


def test_clips_are_read_once(hearing, clip, tmp_path):
    """Frames and sound of a clip are read in two passes, twice the time."""

    class Counting(io.BytesIO):
        total = 0

        def read(self, size=-1):
            data = super().read(size)
            self.total += len(data)
            return data

    big = write_clip(tmp_path / "big.mp4", [index / 20 for index in range(40)], 2.0, tone=440, size=(320, 240))
    file = Counting(big.read_bytes())
    hearing(videos=file)
    assert file.total < 1.9 * big.stat().st_size
