"""Arguments of one call of the processors, as transformers' processors take them."""

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor
from transformers.processing_utils import AudioKwargs, TextKwargs

from transformers_ggm.errors import InputError
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.processing import GGMProcessor, HashtagRetrieverProcessor
from transformers_ggm.processing.call_arguments import REFUSED, USED

FRAMES = np.full((3, 16, 16, 3), 100, np.uint8)
WORDS = "a dog in the park " * 10
TAGS = ["snow", "winter", "toronto"]


@pytest.fixture
def generator(video_processor, tokenizer):
    extractor = WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    return GGMProcessor(video_processor, tokenizer, extractor, max_text_length=40, max_target_length=12)


@pytest.fixture
def retriever(video_processor, tokenizer):
    return HashtagRetrieverProcessor(video_processor, tokenizer, max_hashtag_length=6, max_description_length=10)


def lengths(batch, prefix=""):
    return batch[f"{prefix}attention_mask"].sum(dim=1).tolist(), batch[f"{prefix}input_ids"].shape[1]


@pytest.mark.contract
@pytest.mark.parametrize("nested", [False, True])
def test_length_of_texts(generator, retriever, nested):
    """Would fail if a call could not say how long texts are, or if it changed the processor or the targets."""

    def options(**text):
        return {"text_kwargs": text} if nested else text

    arguments = {"text": [WORDS, "a"], "guidance": [TAGS, []], "hashtags": [TAGS, ["a"]]}
    usual = generator(**arguments)
    assert lengths(usual)[1] == 40
    short = generator(**arguments, **options(max_length=24))
    assert lengths(short)[1] == 24 and torch.equal(short["labels"], usual["labels"])
    whole = generator(**arguments, **options(truncation=False))
    assert lengths(whole)[1] > 60
    assert lengths(generator(**arguments, **options(truncation=True)))[1] == 40
    padded = generator(**arguments, **options(padding="max_length", max_length=50))
    assert padded["input_ids"].shape[1] == 50 and padded["labels"].shape[1] == 12
    assert generator(**arguments, **options(truncation=False, padding="max_length"))["input_ids"].shape == (
        whole["input_ids"].shape
    )
    assert torch.equal(generator(**arguments)["input_ids"], usual["input_ids"])
    found = retriever(text=[WORDS, "a"], hashtags=["toronto" * 9, "a"], **options(max_length=7))
    assert lengths(found, "description_")[1] == 7 and lengths(found)[1] == 6
    found = retriever(text=[WORDS, "a"], hashtags=["toronto" * 9, "a"], **options(truncation=False))
    assert lengths(found, "description_")[1] > 40 and lengths(found)[1] > 6
    found = retriever(hashtags="a", **options(padding="max_length"))
    assert found["input_ids"].shape[1] == 6


def test_padding_of_texts(generator, retriever):
    """Would fail if padding, its side, its multiple or the mask were not as asked for."""
    text = ["a dog", "a"]
    right, left = generator(text=text), generator(text=text, padding_side="left")
    assert (
        right["attention_mask"][1].tolist()
        == left["attention_mask"][1].tolist()[::-1]
        != [1] * right["attention_mask"].shape[1]
    )
    assert torch.equal(
        right["input_ids"][1][right["attention_mask"][1].bool()],
        left["input_ids"][1][left["attention_mask"][1].bool()],
    )
    for padding in (True, "longest"):
        assert torch.equal(generator(text=text, padding=padding)["input_ids"], right["input_ids"])
    aligned = generator(text=text, hashtags=[["a"], ["dog", "snow"]], pad_to_multiple_of=16)
    assert aligned["input_ids"].shape[1] == aligned["labels"].shape[1] == 16
    assert retriever(text=text, pad_to_multiple_of=8)["description_input_ids"].shape[1] == 8
    assert set(generator(text=text, return_attention_mask=False)) == {"input_ids"}
    assert set(retriever(text=text, hashtags=["a"], return_attention_mask=False)) == {
        "input_ids",
        "description_input_ids",
    }
    for padding in (False, "do_not_pad"):
        assert torch.equal(generator(text="a dog", padding=padding)["input_ids"], right["input_ids"][:1])
        with pytest.raises(InputError, match="padding=False"):
            generator(text=text, padding=padding)
        ragged = generator(text=text, padding=padding, return_tensors=None)
        assert ragged["input_ids"] == [ids[mask.bool()].tolist() for ids, mask in zip(*right.values())]
    with pytest.raises(InputError, match="pass max_length="):
        unknowing = HashtagRetrieverProcessor(retriever.video_processor, retriever.tokenizer)
        unknowing(text=text, padding="max_length")


def test_what_is_handed_over(generator, retriever):
    """Would fail if tensors were of another kind than asked for, or some of them were left behind."""
    arguments = {"videos": [FRAMES, None], "text": ["a dog", "a"]}
    sound = {"audio": [np.zeros(4000, np.float32), None], "sampling_rate": 16_000, "hashtags": [TAGS, ["a"]]}
    for option in ({"return_tensors": "np"}, {"common_kwargs": {"return_tensors": "np"}}):
        for batch in (generator(**arguments, **sound, **option), retriever(**arguments, hashtags=TAGS, **option)):
            assert all(isinstance(value, np.ndarray) for value in batch.values()), option
    tensors, lists = (generator(**arguments, **sound, return_tensors=kind) for kind in ("pt", None))
    assert tensors.keys() == lists.keys()
    for name, tensor in tensors.items():
        assert isinstance(lists[name], list) and len(lists[name]) == 2
        for row, value in zip(tensor, lists[name]):
            assert torch.equal(torch.as_tensor(value), row), name
    told = generator(videos=[FRAMES, None], text=["a", "a"], return_metadata=True, videos_kwargs={"num_frames": 2})
    assert told["video_metadata"][0].frames_indices == [0, 2] and told["video_metadata"][1] is None
    assert len(retriever(videos=FRAMES, return_metadata=True)["video_metadata"]) == 1
    generator.video_processor.return_metadata = True
    assert "video_metadata" not in generator(**arguments) and "video_metadata" not in retriever(**arguments)


@pytest.mark.contract
def test_arguments_of_one_modality(generator, retriever, clip):
    """Would fail if an argument for videos or sounds did not reach them, flat or by modality."""
    for processor in (generator, retriever):
        for option in ({"do_normalize": False}, {"videos_kwargs": {"do_normalize": False}}):
            pixels = processor(videos=FRAMES, **option)["pixel_values_videos"]
            torch.testing.assert_close(pixels, torch.full_like(pixels, 100 / 255))
        assert processor(videos=clip, fps=3)["pixel_values_videos"].shape[1] in (5, 6)
        assert processor(videos=[FRAMES], do_sample_frames=False, num_frames=1)["pixel_values_videos"].shape[1] == 3
        assert processor(videos=FRAMES, videos_kwargs=None, text_kwargs=None)["frame_mask"].shape == (1, 3)
        with pytest.raises(InputError, match="do_sample_frames=False"):
            processor(videos=clip, do_sample_frames=False)
    waveform = {"videos": FRAMES, "audio": np.zeros(4000, np.float32)}
    flat, nested = (
        generator(**waveform, sampling_rate=8000),
        generator(**waveform, audio_kwargs={"sampling_rate": 8000}),
    )
    assert torch.equal(flat["input_features"], nested["input_features"])


WRONG = {
    "two times": {"padding": True, "text_kwargs": {"padding": False}},
    "no argument paddings": {"paddings": True},
    r"no argument text_kwargs\['paddings'\]": {"text_kwargs": {"paddings": True}},
    r"no argument videos_kwargs\['max_length'\]": {"videos_kwargs": {"max_length": 3}},
    "no argument paddings: ": {"common_kwargs": {"paddings": True}},
    "stride=3": {"common_kwargs": {"stride": 3}},
    "no argument images": {"images": FRAMES},
    "no argument disable_grouping": {"disable_grouping": True},
    "no argument images_kwargs": {"images_kwargs": {"do_resize": False}},
    "'max_length'": {"max_length": "long"},
    "truncation='only_first'": {"truncation": "only_first"},
    "padding_side": {"padding_side": "top"},
}


@pytest.mark.contract
@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_refused(generator, retriever, message):
    """Would fail if a misspelt, contradicting or impossible argument passed, or ended in an error that is not ours."""
    for processor in (generator, retriever):
        with pytest.raises(InputError, match=message):
            processor(text="a dog", **WRONG[message])


def test_a_retriever_takes_nothing_for_sounds(retriever):
    """Would fail if arguments for a sound that is never heard were ignored."""
    for arguments in ({"sampling_rate": 16_000}, {"audio_kwargs": {"sampling_rate": 16_000}}):
        with pytest.raises(InputError, match="no argument"):
            retriever(text="a dog", **arguments)


ASKED = {"stride": 2, "text_pair": "a", "text_target": "a", "text_pair_target": "a", "max_length": 3}


@pytest.mark.contract
@pytest.mark.parametrize("modality", sorted(REFUSED))
def test_every_argument_of_transformers_is_decided_on(generator, monkeypatch, modality):
    """Would fail if an argument of transformers were ignored, or one that a new version brings were taken unseen."""
    kind = {"text_kwargs": TextKwargs, "audio_kwargs": AudioKwargs}[modality]
    assert set(kind.__annotations__) <= USED[modality] | set(REFUSED[modality])
    for name in set(kind.__annotations__) - USED[modality]:
        value = {"raw_speech": [0.0], "load_audio_backend": "auto", "add_special_tokens": False}.get(name)
        with pytest.raises(InputError, match=name):
            generator(text="a dog", **{modality: {name: ASKED.get(name, True) if value is None else value}})
        if value is None:
            generator(text="a dog", **{modality: {name: None}})
    monkeypatch.setitem(kind.__annotations__, "newly_made", bool)
    with pytest.raises(InputError, match="newly_made"):
        generator(text="a dog", **{modality: {"newly_made": True}})


def test_what_a_tokenizer_remembers_does_not_count():
    """Would fail if the truncation that a saved tokenizer was last called with cut what is encoded now."""
    processor = HashtagRetrieverProcessor.from_pretrained(f"{DEMO_CHECKPOINT}/retriever")
    assert processor.tokenizer.init_kwargs["max_length"] == processor.max_hashtag_length == 16
    batch = processor(text="a long day on a very long road to the far end of the wide world " * 3, hashtags=["a"])
    assert batch["description_input_ids"].shape[1] > 60
    assert batch["input_ids"].shape[1] < 5
