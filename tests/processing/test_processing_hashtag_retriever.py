"""The retriever's processor."""

import json

import numpy as np
import pytest
import torch

from transformers_ggm.errors import HashtagError, InputError
from transformers_ggm.processing import GGMVideoProcessor, HashtagRetrieverProcessor

FRAMES = np.full((2, 16, 16, 3), 100, np.uint8)


@pytest.fixture
def processor(video_processor, tokenizer):
    return HashtagRetrieverProcessor(video_processor, tokenizer)


def test_videos_and_hashtags(processor, clip):
    """A key is missing, or the numbers of videos and hashtags are tied to each other."""
    batch = processor(videos=[clip, FRAMES], hashtags=["snow", "winter", "dog"])
    assert set(batch) == set(processor.model_input_names)
    assert batch["pixel_values_videos"].shape == (2, 4, 3, 16, 16)
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert len(batch["input_ids"]) == 3
    assert set(processor(videos=FRAMES)) == {"pixel_values_videos", "frame_mask"}
    assert set(processor(hashtags="snow")) == {"input_ids", "attention_mask"}


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


def test_what_cannot_be_encoded_is_refused(processor):
    """Nothing, or what is no hashtag, gets a vector."""
    with pytest.raises(InputError, match="Nothing"):
        processor()
    with pytest.raises(HashtagError, match="empty"):
        processor(hashtags=[])
    with pytest.raises(HashtagError, match="two words"):
        processor(hashtags=["ok", "two words"])


def test_save_and_load(tmp_path, video_processor, tokenizer):
    """A saved retriever sees or reads otherwise than before."""
    processor = HashtagRetrieverProcessor(video_processor, tokenizer, max_hashtag_length=5)
    processor.save_pretrained(tmp_path)
    loaded = HashtagRetrieverProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == processor.to_dict()
    arguments = {"videos": FRAMES, "hashtags": ["snow", "toronto" * 3]}
    batch, expected = loaded(**arguments), processor(**arguments)
    assert all(torch.equal(batch[key], expected[key]) for key in expected)


def test_from_a_backbone(tmp_path, tokenizer):
    """Frame size and normalisation of the image-text model are not taken over."""
    tokenizer.save_pretrained(tmp_path)
    config = {"image_processor_type": "CLIPImageProcessor", "size": 12, "crop_size": 10, "do_center_crop": True}
    config |= {"image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    processor = HashtagRetrieverProcessor.from_backbone_pretrained(tmp_path, max_hashtag_length=7)
    assert isinstance(processor.video_processor, GGMVideoProcessor)
    pixels = processor(videos=FRAMES)["pixel_values_videos"]
    assert pixels.shape == (1, 2, 3, 10, 10)
    torch.testing.assert_close(pixels, torch.full_like(pixels, 100 / 255))
    assert processor(hashtags=["q" * 50])["input_ids"].shape == (1, 7)
