import pickle

import pytest
import torch
from data_samples import make_processors
from transformers import PreTrainedTokenizerFast

from transformers_ggm.data import DataCollatorForHashtagClassification
from transformers_ggm.errors import InputError

HASHTAGS = ["snow", "rain", "lake", "song"]


@pytest.fixture(scope="module")
def processor():
    return make_processors()[0]


def row_of(hashtags=(), description="first snow", frames=2):
    clip = torch.randint(0, 256, (frames, 3, 32, 32), dtype=torch.uint8) if frames else None
    return {"description": description, "hashtags": list(hashtags), "frames": clip}


def test_labels_against_a_hand_made_multi_hot(processor):
    """Would fail if a label stood for another hashtag, or a hashtag that training lacks broke the batch."""
    collator = DataCollatorForHashtagClassification(HASHTAGS, processor.tokenizer)
    batch = collator([row_of(["song", "snow"]), row_of(["neverseen"]), row_of(["lake", "neverseen"]), row_of()])
    assert batch["labels"].dtype == torch.float32
    assert batch["labels"].tolist() == [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_descriptions_show_no_hashtag_and_are_padded_on_the_right(processor):
    """
    Would fail if a description gave its answer away, or the first token were not the one that stands for the text.
    """
    tokenizer = pickle.loads(pickle.dumps(processor.tokenizer))
    tokenizer.padding_side = "left"
    collator = DataCollatorForHashtagClassification(HASHTAGS, tokenizer)
    batch = collator(
        [row_of(description="a lake #lake"), row_of(description="the first snow of the year"), row_of([], "")]
    )
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    assert tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True) == [
        "a lake", "the first snow of the year", "",
    ]  # fmt: skip
    assert (batch["input_ids"][:, 0] == tokenizer.cls_token_id).all()
    assert (batch["attention_mask"].diff(dim=1) <= 0).all()
    assert ((batch["input_ids"] == tokenizer.pad_token_id) == (batch["attention_mask"] == 0)).all()
    assert batch["attention_mask"][2].sum() == 2  # an empty text still has its frame


def test_token_types_are_left_out(processor):
    """Would fail if a tokenizer of BERT's kind gave the model an argument that it does not take."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=processor.tokenizer.backend_tokenizer, pad_token="<pad>", model_max_length=16,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip
    assert "token_type_ids" in tokenizer("first snow")
    batch = DataCollatorForHashtagClassification(HASHTAGS, tokenizer)([row_of()])
    assert set(batch) == {"input_ids", "attention_mask", "labels"}


def test_long_descriptions_are_cut_before_the_last_special_token(processor):
    """Would fail if a text could be longer than the tokenizer's longest, or lost the token that ends it."""
    tokenizer = pickle.loads(pickle.dumps(processor.tokenizer))
    tokenizer.model_max_length = 6
    batch = DataCollatorForHashtagClassification(HASHTAGS, tokenizer)([row_of(description="snow " * 50)])
    assert batch["input_ids"].shape == (1, 6) and batch["input_ids"][0, -1] == tokenizer.eos_token_id


def test_frames_are_those_of_the_video_processor(processor):
    """Would fail if frames were normalised otherwise than the vision backbone's, or padding were not masked."""
    collator = DataCollatorForHashtagClassification(HASHTAGS, None, processor.video_processor)
    rows = [row_of(frames=2), row_of(frames=0), row_of(frames=3)]
    batch = collator(rows)
    assert set(batch) == {"pixel_values_videos", "frame_mask", "labels"}
    assert batch["frame_mask"].tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]
    for row, pixels, count in zip(rows, batch["pixel_values_videos"], (2, 0, 3)):
        assert (pixels[count:] == 0).all()
        if count:
            expected = (row["frames"] / 255 - 0.5) / 0.5
            torch.testing.assert_close(pixels[:count], expected, atol=1e-5, rtol=1e-5)


def test_batch_without_any_video(processor):
    """Would fail if a batch of words alone had other keys, which a model that only looks cannot take."""
    collator = DataCollatorForHashtagClassification(HASHTAGS, processor.tokenizer, processor.video_processor)
    batch, other = collator([row_of(frames=0)] * 2), collator([row_of(frames=1)] * 2)
    assert set(batch) == set(other) and batch["frame_mask"].tolist() == [[0], [0]]
    for name in ("pixel_values_videos", "frame_mask"):
        assert batch[name].shape == other[name].shape and batch[name].dtype == other[name].dtype
        assert not batch[name].any()


def test_nothing_to_classify_by():
    """Would fail if a collator that gives a model nothing to read or see were found out by the model."""
    with pytest.raises(InputError, match="give a `tokenizer`, a `video_processor` or both"):
        DataCollatorForHashtagClassification(HASHTAGS)
