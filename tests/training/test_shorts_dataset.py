"""Rows of any dataset, as the collators read them."""

import pytest
import torch
from datasets import Dataset, Image, load_dataset
from trainer_samples import FORMS, SILENT_FORMS, make_models, posts_of

from transformers_ggm.errors import ArgumentError, DatasetError, InputError, MediaError
from transformers_ggm.training import ShortsDataset
from transformers_ggm.training.trainer_datasets import generator_rows, retriever_rows


@pytest.fixture(scope="module")
def posts(shorts_dir):
    return posts_of(shorts_dir).select(range(3))


@pytest.fixture(scope="module")
def processor(posts):
    return make_models(posts)[1]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_clip_is_the_same_row(posts, processor, form):
    """Would fail if a form in which people have clips could not be read, or gave another picture or sound."""
    rows = ShortsDataset(FORMS[form](posts, processor), processor)
    assert len(rows) == 3
    for index, post in enumerate(posts):
        row = rows[index]
        media = processor.decode_media(post["video"])
        assert torch.equal(row["frames"], processor.video_processor.resize_frames(media.frames))
        assert row["frames"].dtype == torch.uint8 and row["frames"] is row["retriever_frames"]
        assert (row["input_features"] is None) == (media.audio is None)
        assert (row["index"], row["description"], row["hashtags"]) == (index, post["description"], post["hashtags"])
        assert row["guidance"] == []


@pytest.mark.parametrize("form", SILENT_FORMS)
def test_every_form_of_frames_is_the_same_row(posts, processor, form):
    """Would fail if frames that are stored as they are came out as others than those of the file."""
    rows = ShortsDataset(SILENT_FORMS[form](posts, processor), processor)
    expected = ShortsDataset(posts, processor)
    for index in range(3):
        assert torch.equal(rows[index]["frames"], expected[index]["frames"])
        assert rows[index]["input_features"] is None


def test_hashtags_and_guidance_in_any_form(processor):
    """Would fail if hashtags came to the models as people write them, with '#', in capitals or in one text."""
    posts = {"description": ["snow", "lake"], "hashtags": ["#Snow #winter", "lake"], "guidance": [["Snow"], None]}
    rows = ShortsDataset(Dataset.from_dict(posts), processor)
    assert rows[0]["hashtags"] == ["snow", "winter"] and rows[0]["guidance"] == ["snow"]
    assert rows[1]["hashtags"] == ["lake"] and rows[1]["guidance"] == [] and rows[1]["frames"] is None


def test_further_columns_are_not_read(posts, processor):
    """Would fail if a column that no model looks at cost time, or a broken one ended the training."""
    broken = [{"path": None, "bytes": b"no image"}] * len(posts)
    posts = Dataset.from_dict({**posts.to_dict(), "thumbnail": broken}).cast_column("thumbnail", Image())
    with pytest.raises(Exception, match="cannot identify"):
        posts[0]
    assert ShortsDataset(posts, processor)[0]["frames"] is not None


def test_clips_that_nobody_looks_at_are_not_decoded(processor):
    """Would fail if a model of words alone waited for clips, or one that is deaf for their sound."""
    posts = Dataset.from_dict({"video": ["missing.mp4"], "description": ["snow"], "hashtags": [["snow"]]})
    row = generator_rows(posts, processor, ["text"], name="train_dataset")[0]
    assert row["frames"] is None and row["description"] == "snow"
    assert generator_rows(posts, processor, ["text", "video"]).processor.feature_extractor is None


def test_messages_name_the_row(processor):
    """Would fail if an error in the middle of a training did not say which row it comes from."""
    posts = Dataset.from_dict({"video": [None, "missing.mp4"], "description": ["snow", "lake"]})
    rows = ShortsDataset(posts, processor)
    assert rows[0]["frames"] is None
    with pytest.raises(MediaError, match=r"Row 1 of the dataset: .*missing\.mp4"):
        rows[1]
    bright = ShortsDataset(Dataset.from_dict({"video": [[[[[256, 0, 0]]]]]}), processor)
    with pytest.raises(InputError, match=r"Row 0 of the dataset: .*uint8"):
        bright[0]


def test_missing_columns_are_told(posts, processor):
    """Would fail if a column of another name came to light as a `KeyError` of a worker process."""
    with pytest.raises(DatasetError, match=r"`train_dataset` has no column 'hashtags'.*rename_column"):
        generator_rows(posts.rename_column("hashtags", "tags"), processor, ["text"], name="train_dataset")
    with pytest.raises(DatasetError, match=r"neither a column 'video' nor 'description', only \['hashtags'\]"):
        ShortsDataset(posts.select_columns("hashtags"), processor)


def test_rows_to_learn_from(posts):
    """Would fail if rows that teach nothing ended a training, or were left out in silence."""
    _, processor, _, retriever_processor = make_models(posts)
    clip = posts[0]["video"]
    posts = Dataset.from_dict(
        {
            "video": [clip, None, clip, None, clip],
            "description": ["snow", "lake", "", "", "#only #hashtags"],
            "hashtags": [["snow"], ["lake"], ["rain"], ["sun"], []],
        }
    )
    kept = {"video": ["snow", "rain"], "text": ["snow", "lake"], "video+text": ["snow", "lake", "rain"]}
    for query, hashtags in kept.items():
        rows = retriever_rows(posts, retriever_processor, query, name="train_dataset")
        assert [rows[index]["hashtags"] for index in range(len(rows))] == [[tag] for tag in hashtags]
    assert len(generator_rows(posts, processor, ["text", "video"], name="train_dataset")) == 3
    assert len(generator_rows(posts, processor, ["text", "video"])) == 5
    with pytest.raises(DatasetError, match="No row of `train_dataset` has hashtags, and a description"):
        retriever_rows(posts.select([2, 3, 4]), retriever_processor, "text", name="train_dataset")


def test_streams_are_refused(shorts_dir, processor):
    """Would fail if a stream came to light as an error of `len` in the middle of transformers."""
    stream = load_dataset("json", data_files=str(shorts_dir / "train" / "metadata.jsonl"), streaming=True)["train"]
    with pytest.raises(ArgumentError, match="without `streaming=True`"):
        generator_rows(stream, processor, ["text"], name="train_dataset")
