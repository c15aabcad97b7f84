"""The retriever's processor."""

import json

import numpy as np
import pytest
import torch
from transformers import CLIPConfig

from transformers_ggm.errors import HashtagError, InputError
from transformers_ggm.processing import GGMVideoProcessor, HashtagRetrieverProcessor

FRAMES = np.full((2, 16, 16, 3), 100, np.uint8)


@pytest.fixture
def processor(video_processor, tokenizer):
    return HashtagRetrieverProcessor(video_processor, tokenizer)


def test_videos_and_hashtags(processor, clip):
    """A key is missing, or the numbers of videos and hashtags are tied to each other."""
    batch = processor(videos=[clip, FRAMES], hashtags=["snow", "winter", "dog"], text=["a dog", None])
    assert set(batch) == set(processor.model_input_names)
    assert batch["pixel_values_videos"].shape == (2, 4, 3, 16, 16)
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert len(batch["input_ids"]) == 3
    assert set(processor(videos=FRAMES)) == {"pixel_values_videos", "frame_mask"}
    assert set(processor(hashtags="snow")) == {"input_ids", "attention_mask"}
    assert set(processor(text="a dog")) == {"description_input_ids", "description_attention_mask"}


def test_hashtags_are_encoded_bare_and_normalised(processor):
    """The sign or the case gives one hashtag several vectors."""
    batch = processor(hashtags=["#Snow", "snow", " SNOW"])
    assert (batch["input_ids"] == batch["input_ids"][0]).all()
    assert processor.tokenizer.decode(batch["input_ids"][0], skip_special_tokens=True) == "snow"


def test_long_hashtags_are_cut(processor):
    """A long hashtag overruns the text tower's positions."""
    batch = processor(hashtags=["q" * 100, "snow"])
    assert batch["input_ids"].shape == (2, 16)
    assert batch["attention_mask"].sum(dim=1)[1] < 16


def test_descriptions_are_encoded_without_their_hashtags(processor):
    """The query is shown the hashtags that it is to find, or the words are lost with them."""
    batch = processor(text=["a dog in the #snow #park"])
    assert processor.tokenizer.decode(batch["description_input_ids"][0], skip_special_tokens=True) == "a dog in the"
    expected = processor.tokenizer("a dog in the", return_tensors="pt")
    assert torch.equal(batch["description_input_ids"], expected["input_ids"])
    assert torch.equal(batch["description_attention_mask"], expected["attention_mask"])


@pytest.mark.parametrize("tensors", ["pt", "np"])
def test_rows_without_words_are_masked(processor, tensors):
    """A description that is missing, or hashtags alone, counts as words."""
    batch = processor(text=["", "first snow", None, "#snow #winter"], return_tensors=tensors)
    mask = batch["description_attention_mask"]
    assert [bool(row.any()) for row in mask] == [False, True, False, False]
    assert mask.shape == batch["description_input_ids"].shape


def test_long_descriptions_are_cut_and_end_as_short_ones_do(video_processor, tokenizer):
    """A long description overruns the text tower's positions, or loses the token that the tower pools at."""
    words = "a dog in the park " * 30
    ids = HashtagRetrieverProcessor(video_processor, tokenizer, max_description_length=9)(text=words)
    assert ids["description_input_ids"].shape == (1, 9)
    assert ids["description_input_ids"][0, -1] == tokenizer.eos_token_id
    tokenizer.model_max_length = 20
    ids = HashtagRetrieverProcessor(video_processor, tokenizer)(text=words)
    assert ids["description_input_ids"].shape == (1, 20)


def test_what_cannot_be_encoded_is_refused(processor):
    """Nothing, or what is no hashtag or no description, gets a vector."""
    with pytest.raises(InputError, match="Nothing"):
        processor()
    with pytest.raises(InputError, match="empty"):
        processor(text=[])
    with pytest.raises(InputError, match=r"text\[1\] is a int"):
        processor(text=["a dog", 3])
    with pytest.raises(InputError, match="`videos` has 1 rows, but `text` 2"):
        processor(videos=FRAMES, text=["a dog", "a dog"])
    with pytest.raises(HashtagError, match="empty"):
        processor(hashtags=[])
    with pytest.raises(HashtagError, match="two words"):
        processor(hashtags=["ok", "two words"])


@pytest.mark.contract
def test_save_and_load(tmp_path, video_processor, tokenizer):
    """A saved retriever sees or reads otherwise than before."""
    processor = HashtagRetrieverProcessor(video_processor, tokenizer, max_hashtag_length=5, max_description_length=7)
    processor.save_pretrained(tmp_path)
    loaded = HashtagRetrieverProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == processor.to_dict()
    arguments = {"videos": FRAMES, "hashtags": ["snow", "toronto" * 3], "text": "first snow in toronto " * 3}
    batch, expected = loaded(**arguments), processor(**arguments)
    assert all(torch.equal(batch[key], expected[key]) for key in expected)


@pytest.mark.contract
def test_from_a_backbone(tmp_path, tokenizer):
    """Frame size and normalisation of the image-text model are not taken over."""
    tokenizer.save_pretrained(tmp_path)
    config = {"image_processor_type": "CLIPImageProcessor", "size": 12, "crop_size": 10, "do_center_crop": True}
    config |= {"image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    CLIPConfig(text_config={"max_position_embeddings": 11}).save_pretrained(tmp_path)
    processor = HashtagRetrieverProcessor.from_backbone_pretrained(tmp_path, max_hashtag_length=7)
    assert isinstance(processor.video_processor, GGMVideoProcessor)
    pixels = processor(videos=FRAMES)["pixel_values_videos"]
    assert pixels.shape == (1, 2, 3, 10, 10)
    torch.testing.assert_close(pixels, torch.full_like(pixels, 100 / 255))
    assert processor(hashtags=["q" * 50])["input_ids"].shape == (1, 7)
    assert processor(text="first snow in toronto " * 9)["description_input_ids"].shape == (1, 11)
    tokenizer.model_max_length = 9  # such as a RoBERTa's, which has two positions that no token can take
    tokenizer.save_pretrained(tmp_path)
    processor = HashtagRetrieverProcessor.from_backbone_pretrained(tmp_path)
    assert processor(text="first snow in toronto " * 9)["description_input_ids"].shape == (1, 9)


def test_words_of_hashtags(processor, video_processor, tokenizer, tmp_path):
    """Would fail if a text tower trained on sentences were shown whole hashtags, or the choice were not saved."""
    pytest.importorskip("wordfreq")
    splitting = HashtagRetrieverProcessor(video_processor, tokenizer, word_splitter="wordfreq")
    splitting.save_pretrained(tmp_path)
    splitting = HashtagRetrieverProcessor.from_pretrained(tmp_path)
    ids = splitting(hashtags=["firstsnow", "#FirstSnow", "snow"], return_tensors=None)["input_ids"]
    words = tokenizer(["first snow", "first snow", "snow"], padding=True)["input_ids"]
    assert [list(row) for row in ids] == words
    assert processor.word_splitter is None
    with pytest.raises(ValueError, match="'nltk': give one of"):
        HashtagRetrieverProcessor(video_processor, tokenizer, word_splitter="nltk")
    with pytest.raises(HashtagError):
        splitting(hashtags=["first snow"])
