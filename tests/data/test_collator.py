import random
from collections import Counter
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from transformers import Wav2Vec2FeatureExtractor

from transformers_ggm import DataCollatorForHashtagGeneration, GGMProcessor
from transformers_ggm.data import DataCollatorForHashtagRetrieval, DecodedShorts, decode_split
from transformers_ggm.data.collator import hashtag_id, is_true_of
from transformers_ggm.errors import InputError
from transformers_ggm.processing.modalities import INPUTS

WORDS = ["rain", "snow", "lake", "dog", "cat", "song"]


def row_of(index=0, hashtags=WORDS, guidance=(), frames=True, description="first snow"):
    """A decoded row without sound; every pixel tells its frame."""
    clip = torch.arange(4, dtype=torch.uint8).repeat_interleave(3 * 32 * 32).view(4, 3, 32, 32) if frames else None
    return {
        "index": index,
        "frames": clip,
        "retriever_frames": clip,
        "input_features": None,
        "description": description,
        "hashtags": list(hashtags),
        "guidance": list(guidance),
    }


def written(collator, batch):
    """The target hashtags of each row, in order."""
    ids = batch["labels"].masked_fill(batch["labels"] == -100, collator.processor.tokenizer.pad_token_id)
    return collator.processor.decode_hashtags(ids)


def seen_guidance(collator, batch):
    """The guidance that each row shows."""
    texts = collator.processor.tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=False)
    return [[word for word in text.replace("</s>", " ").split() if word.startswith("#")] for text in texts]


@pytest.fixture
def processor(processors):
    return processors[0]


def test_targets_are_shuffled_per_epoch_and_row(processor):
    """Would fail if targets came in the author's order, in the same one in every epoch or row, or one were lost."""
    collator = DataCollatorForHashtagGeneration(processor)
    orders = []
    for epoch in range(3):
        collator.set_epoch(epoch)
        orders += written(collator, collator([row_of(0), row_of(1)]))
    assert all(sorted(order) == sorted(WORDS) for order in orders)
    assert len({tuple(order) for order in orders}) == len(orders)


@given(st.permutations(["rain", "snow", "lake", "dog"]), st.integers(0, 4), st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_targets_in_the_order_of_the_guidance(processors, guidance, shown, dropout):
    """Would fail if targets that the guidance shows did not come first and in its order, or the others were lost."""
    collator = DataCollatorForHashtagGeneration(processors[0], target_order="guidance", guidance_dropout=dropout)
    batch = collator([row_of(hashtags=WORDS[:4], guidance=["song", *guidance[:shown]])])
    (tags,), (seen,) = written(collator, batch), seen_guidance(collator, batch)
    copied = [tag.lstrip("#") for tag in seen if tag != "#song"]
    assert tags[: len(copied)] == copied and sorted(tags) == sorted(WORDS[:4])


def test_targets_that_the_guidance_lacks_are_shuffled(processor):
    """Would fail if hashtags outside the guidance came in one order, which means nothing, in every epoch."""
    collator = DataCollatorForHashtagGeneration(processor, target_order="guidance", guidance_dropout=0.0)
    orders = set()
    for epoch in range(10):
        collator.set_epoch(epoch)
        (tags,) = written(collator, collator([row_of(guidance=["dog"])]))
        assert tags[0] == "dog"
        orders.add(tuple(tags))
    assert len(orders) > 5


def test_unknown_target_order(processor):
    """Would fail if a misspelled order were taken for another one."""
    with pytest.raises(InputError, match="'sorted'"):
        DataCollatorForHashtagGeneration(processor, target_order="sorted")


def test_every_place_is_as_likely(processor):
    """Would fail if the shuffle preferred an order."""
    collator = DataCollatorForHashtagGeneration(processor)
    rows = [row_of(index, hashtags=WORDS[:3], frames=False) for index in range(600)]
    first = Counter(tags[0] for tags in written(collator, collator(rows)))
    assert all(160 < first[word] < 240 for word in WORDS[:3])  # 200 expected, standard deviation 11.5


def test_same_seed_and_epoch_give_the_same_batch(processor):
    """Would fail if a resumed training saw other batches than the one that was killed."""
    row = row_of(guidance=WORDS)
    collators = [DataCollatorForHashtagGeneration(processor, seed=seed) for seed in (7, 7, 8)]
    for collator in collators:
        collator.set_epoch(3)
    random.seed(1)
    torch.manual_seed(1)
    batch, again, other = (collator([row]) for collator in collators)
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    assert not torch.equal(batch["labels"], other["labels"])


@pytest.mark.parametrize("kind", [DataCollatorForHashtagGeneration, DataCollatorForHashtagRetrieval])
def test_epoch_that_nobody_told(processors, kind):
    """Would fail if a collator that is told no epoch drew the same for ever, or could not be repeated by a seed."""
    collator = kind(processors[0] if kind is DataCollatorForHashtagGeneration else processors[1])
    name = "labels" if kind is DataCollatorForHashtagGeneration else "hashtag_ids"
    rows = [row_of(index) for index in range(6)]
    assert collator.epoch is None
    drawn = []
    for _ in range(2):
        torch.manual_seed(5)
        drawn.append([collator(rows)[name].tolist() for _ in range(3)])
    assert drawn[0] == drawn[1] and len({str(batch) for batch in drawn[0]}) == 3
    collator.set_epoch(0)
    assert collator.epoch == 0 and collator(rows)[name].tolist() == collator(rows)[name].tolist()


def test_workers_that_stay_know_the_epoch(processor):
    """Would fail if worker processes that outlive an epoch drew the first one's order and guidance for ever."""
    collator = DataCollatorForHashtagGeneration(processor)
    rows = [row_of(index, guidance=WORDS) for index in range(8)]
    loader = DataLoader(rows, batch_size=8, collate_fn=collator, num_workers=1, persistent_workers=True)
    drawn = {}
    for epoch in (0, 1, 0):
        collator.set_epoch(epoch)
        (batch,) = loader
        assert torch.equal(batch["labels"], drawn.setdefault(epoch, batch["labels"]))
        assert torch.equal(batch["labels"], collator(rows)["labels"])
    assert not torch.equal(drawn[0], drawn[1])


def test_rows_do_not_depend_on_their_batch(processor):
    """Would fail if a row's randomness changed with batch size, processes or workers."""
    collator = DataCollatorForHashtagGeneration(
        processor, guidance_dropout=0.5, frame_dropout=0.5, description_dropout=0.5
    )
    collator.set_epoch(2)
    rows = [row_of(index, guidance=WORDS) for index in range(6)]
    together, backwards = collator(rows), collator(rows[::-1])
    for index, row in enumerate(rows):
        alone = collator([row])
        for batch, place in ((together, index), (backwards, 5 - index)):
            assert torch.equal(batch["frame_mask"][place].sum(), alone["frame_mask"].sum())
            assert written(collator, batch)[place] == written(collator, alone)[0]
            assert seen_guidance(collator, batch)[place] == seen_guidance(collator, alone)[0]


def test_rows_themselves_stay_as_they_are(processor):
    """Would fail if the collator changed a cached row, so that what is dropped once stayed away."""
    row = row_of(guidance=WORDS)
    DataCollatorForHashtagGeneration(
        processor, guidance_dropout=1.0, frame_dropout=1.0, audio_dropout=1.0, description_dropout=1.0
    )([row])
    assert row["hashtags"] == WORDS and row["guidance"] == WORDS and len(row["frames"]) == 4
    assert row["description"] == "first snow"


def test_guidance_dropout_takes_out_true_hashtags_only(processor):
    """Would fail if wrong hashtags were taken out as well, true ones at another rate, or the order changed."""
    guidance = ["wrong", "rain", "false", "snow", "untrue", "lake"]
    true = {"#rain", "#snow", "#lake"}
    rows = [row_of(index, hashtags=WORDS[:3], guidance=guidance, frames=False) for index in range(400)]
    collator = DataCollatorForHashtagGeneration(processor)
    shown = seen_guidance(collator, collator(rows))
    assert all([tag for tag in tags if tag not in true] == ["#wrong", "#false", "#untrue"] for tags in shown)
    assert all(tags == [f"#{tag}" for tag in guidance if f"#{tag}" in tags] for tags in shown)
    share = sum(tag in true for tags in shown for tag in tags) / 1200
    assert abs(share - 2 / 3) < 0.05  # standard deviation 0.0136
    everything = DataCollatorForHashtagGeneration(processor, guidance_dropout=0.0)
    assert seen_guidance(everything, everything(rows[:3])) == [[f"#{tag}" for tag in guidance]] * 3
    nothing = DataCollatorForHashtagGeneration(processor, guidance_dropout=1.0)
    assert seen_guidance(nothing, nothing(rows[:3])) == [["#wrong", "#false", "#untrue"]] * 3


def test_frame_dropout(processor):
    """Would fail if a dropped clip were not one black frame, kept its guidance, or were dropped at another rate."""
    collator = DataCollatorForHashtagGeneration(processor, frame_dropout=0.25, guidance_dropout=0.0)
    batch = collator([row_of(index, guidance=["wrong"]) for index in range(400)])
    dropped = batch["frame_mask"].sum(dim=1) == 1
    assert 70 < dropped.sum() < 130  # 100 expected, standard deviation 8.7
    black = processor.video_processor(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))["pixel_values_videos"][0, 0]
    for index in range(400):
        assert bool(seen_guidance(collator, {"input_ids": batch["input_ids"][index : index + 1]})[0]) != dropped[index]
        if dropped[index]:
            assert torch.equal(batch["pixel_values_videos"][index, 0], black)


def test_audio_dropout(processor, decoded):
    """Would fail if a clip's sound were not taken away, or reached the model all the same."""
    rows = [{**decoded[2], "index": index} for index in range(100)]
    batch = DataCollatorForHashtagGeneration(processor, audio_dropout=0.5)(rows)
    assert 30 < batch["audio_mask"].sum() < 70
    for features, heard in zip(batch["input_features"], batch["audio_mask"]):
        assert torch.equal(features, rows[0]["input_features"]) == bool(heard)
    assert "input_features" not in DataCollatorForHashtagGeneration(processor, audio_dropout=1.0)(rows[:2])


def test_description_dropout(processor):
    """Would fail if words were not taken away, or taken from a row that has nothing else."""
    collator = DataCollatorForHashtagGeneration(processor, description_dropout=1.0, guidance_dropout=0.0)
    rows = [row_of(0), row_of(1, guidance=["wrong"], frames=False), row_of(2, frames=False)]
    texts = processor.tokenizer.batch_decode(collator(rows)["input_ids"], skip_special_tokens=True)
    assert ["first snow" in text for text in texts] == [False, False, True]


@pytest.mark.parametrize("text_only", [False, True])
def test_every_dropout_at_once_leaves_usable_rows(processor, text_only):
    """Would fail if a training could end in a row with nothing to go by."""
    collator = DataCollatorForHashtagGeneration(
        processor, guidance_dropout=1.0, frame_dropout=1.0, audio_dropout=1.0, description_dropout=1.0
    )
    rows = [row_of(index, guidance=["rain"], frames=not text_only) for index in range(4)]
    assert len(collator(rows)["input_ids"]) == 4


def test_evaluation_varies_nothing(processor):
    """Would fail if validation metrics depended on chance."""
    collator = DataCollatorForHashtagGeneration(
        processor, training=False, guidance_dropout=1.0, frame_dropout=1.0, audio_dropout=1.0, description_dropout=1.0
    )
    batch = collator([row_of(guidance=["rain", "wrong"])])
    assert written(collator, batch) == [WORDS]
    assert seen_guidance(collator, batch) == [["#rain", "#wrong"]]
    assert batch["frame_mask"].tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("inputs", [INPUTS, ("text", "video"), ("video",), ("text",), ("video", "audio")])
def test_withheld_inputs_do_not_reach_the_model(processor, decoded, inputs, training):
    """Would fail if a baseline were shown what it must not see, or lost what it may."""
    collator = DataCollatorForHashtagGeneration(processor, training=training, inputs=inputs)
    rows = [{**decoded[2], "description": "first snow"}, {**decoded[3], "description": "a lake"}]
    batch = collator(rows)
    assert ("pixel_values_videos" in batch) == ("frame_mask" in batch) == ("video" in inputs)
    assert ("input_features" in batch) == ("audio_mask" in batch) == ("audio" in inputs)
    texts = processor.tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True)
    assert texts == (["first snow", "a lake"] if "text" in inputs else ["", ""])
    if "text" not in inputs:
        assert batch["input_ids"].shape[1] == processor.tokenizer.num_special_tokens_to_add() == 2
    assert rows[0]["frames"] is not None and rows[0]["input_features"] is not None and rows[0]["description"]


@pytest.mark.parametrize("training", [True, False])
def test_rows_that_are_left_with_nothing(processor, training):
    """Would fail if a row without words stopped the training or evaluation of BART, or took other rows with it."""
    rows = [row_of(0, description=""), row_of(1), row_of(2, description="#only #tags")]
    batch = DataCollatorForHashtagGeneration(processor, training=training, inputs=["text"])(rows)
    assert batch["attention_mask"].sum(dim=1).tolist()[::2] == [2, 2] and len(batch["labels"]) == 3
    with pytest.raises(InputError, match="Row 0 has an empty description"):
        DataCollatorForHashtagGeneration(processor, training=training)([row_of(0, frames=False, description="")])


def test_guidance_is_not_withheld(processor):
    """Would fail if a model that is given no descriptions lost its guidance with them."""
    collator = DataCollatorForHashtagGeneration(processor, training=False, inputs=["video"])
    assert seen_guidance(collator, collator([row_of(guidance=["rain"])])) == [["#rain"]]


@pytest.mark.parametrize(
    "inputs, message", [(["words"], "words"), ([], "choose"), ("text", "'t'"), (["text", "audio"], "add 'video'")]
)
def test_unusable_inputs(processor, inputs, message):
    """Would fail if a misspelt input were withheld, or sound were given to a model that cannot hear it."""
    with pytest.raises(InputError, match=message):
        DataCollatorForHashtagGeneration(processor, inputs=inputs)


@pytest.mark.parametrize("training", [True, False])
def test_sound_without_a_picture_gets_a_black_frame(processor, decoded, training):
    """Would fail if sound alone could not be heard, or rows beside it were read otherwise than without it."""
    collator = DataCollatorForHashtagGeneration(processor, training=training, blank_video=True)
    alone, clip, text = {**decoded[2], "frames": None}, decoded[3], decoded[1]
    batch = collator([alone, clip, text])
    assert batch["audio_mask"].tolist() == [1, 1, 0]
    assert batch["frame_mask"].sum(dim=1).tolist() == [1, len(clip["frames"]), 0]
    black = processor.video_processor(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))["pixel_values_videos"][0, 0]
    assert torch.equal(batch["pixel_values_videos"][0, 0], black)
    assert torch.equal(batch["pixel_values_videos"][1], collator([clip])["pixel_values_videos"][0])
    assert "pixel_values_videos" not in collator([text, {**text, "description": ""}])


def test_sound_is_heard_where_frames_are_withheld(processor, decoded):
    """Would fail if a model of sound alone saw the clip, or could not hear it."""
    collator = DataCollatorForHashtagGeneration(processor, inputs=["audio"], blank_video=True)
    batch = collator([decoded[2], decoded[0]])
    assert batch["audio_mask"].tolist() == [1, 0] and batch["frame_mask"].tolist() == [[1], [0]]
    assert len(batch["pixel_values_videos"][0].unique()) == 1


def test_sounds_of_unequal_length_are_padded(processors, shorts, tmp_path):
    """
    Would fail if sounds as long as their clips could not be one batch, or were heard otherwise than in the pipeline.
    """
    video_processor, tokenizer = processors[0].video_processor, processors[0].tokenizer
    processor = GGMProcessor(video_processor, tokenizer, Wav2Vec2FeatureExtractor(sampling_rate=8000))
    rows = DecodedShorts(decode_split(shorts, tmp_path / "train.arrow", processor))
    lengths = [0 if row["input_features"] is None else len(row["input_features"]) for row in rows]
    assert lengths[:2] == [0, 0] and len({*lengths[2:]}) == 2
    batch = DataCollatorForHashtagGeneration(processor, training=False)([rows[index] for index in range(4)])
    assert batch["input_features"].shape == (4, max(lengths))
    assert batch["input_features_mask"].sum(dim=1).tolist() == lengths
    expected = processor(videos=list(shorts["video"]), text=list(shorts["description"]))
    for name in ("input_features", "input_features_mask", "audio_mask"):
        assert torch.equal(batch[name], expected[name])


TAGS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True), min_size=1, max_size=6)


@settings(deadline=None, max_examples=40)
@given(rows=TAGS, epoch=st.integers(0, 3))
def test_true_hashtag_masks(processors, rows, epoch):
    """Would fail if a hashtag that is true of another row's video were its negative, or a false one were not."""
    collator = DataCollatorForHashtagRetrieval(processors[1])
    collator.set_epoch(epoch)
    drawn = []
    collator._draw_hashtag = lambda tags, generator: drawn.append(generator.choice(tags)) or drawn[-1]
    batch = collator([row_of(index, hashtags=tags) for index, tags in enumerate(rows)])
    masks = is_true_of(batch["hashtag_ids"], batch["true_hashtag_ids"])
    assert masks.tolist() == [[tag in tags for tag in drawn] for tags in rows]


def test_drawn_hashtag_is_the_rows_own(processors):
    """Would fail if a pair's words were not a hashtag of its video, or always the same one."""
    collator = DataCollatorForHashtagRetrieval(processors[1])
    tokenizer = processors[1].tokenizer
    found = set()
    for epoch in range(40):
        collator.set_epoch(epoch)
        batch = collator([row_of(hashtags=["rain", "snow"])])
        text = tokenizer.decode(batch["input_ids"][0], skip_special_tokens=True)
        assert batch["hashtag_ids"].tolist() == [hashtag_id(text)]
        found.add(text)
    assert found == {"rain", "snow"}


@pytest.mark.parametrize("power, expected", [(0.0, 1 / 2), (0.5, 3 / 4), (1.0, 9 / 10)])
def test_rare_hashtag_power(processors, power, expected):
    """Would fail if a hashtag were not drawn with weight count ** -power."""
    collator = DataCollatorForHashtagRetrieval(processors[1], counts={"rain": 9, "snow": 1}, rare_hashtag_power=power)
    rows = [row_of(index, hashtags=["rain", "snow"]) for index in range(1500)]
    rows = [{**row, "retriever_frames": row["retriever_frames"][:1, :, :1, :1]} for row in rows]
    collator.processor = _HashtagsOnly()
    share = (collator(rows)["hashtag_ids"] == hashtag_id("snow")).float().mean()
    assert abs(share - expected) < 0.04  # standard deviation at most 0.013


class _HashtagsOnly:
    def __call__(self, **inputs):
        return {}


def test_query_of_descriptions(processors):
    """Would fail if a description kept its hashtags, stood in another row, or frames were decoded for nothing."""
    collator = DataCollatorForHashtagRetrieval(processors[1], query="text", frames_per_clip=2)
    rows = [row_of(0, description="first snow #rain"), row_of(1, frames=False, description="a dog")]
    rows[0]["retriever_frames"] = range(9)  # of which the video processor could make nothing
    batch = collator(rows)
    assert "pixel_values_videos" not in batch and len(batch["input_ids"]) == 2
    texts = processors[1].tokenizer.batch_decode(batch["description_input_ids"], skip_special_tokens=True)
    assert texts == ["first snow", "a dog"]


def test_query_of_both(processors):
    """
    Would fail if a row that lacks clip or words took another row's, or a batch without any clip could not be made.
    """
    collator = DataCollatorForHashtagRetrieval(processors[1], query="video+text", frames_per_clip=2)
    rows = [row_of(0), row_of(1, frames=False), row_of(2, description="#snow")]
    batch = collator(rows)
    assert batch["frame_mask"].tolist() == [[1, 1], [0, 0], [1, 1]]
    assert batch["description_attention_mask"].bool().any(dim=1).tolist() == [True, True, False]
    words = collator([rows[1]])
    assert "pixel_values_videos" not in words and words["description_attention_mask"].bool().all()


@pytest.mark.parametrize("query", ["text", "video+text"])
def test_query_draws_the_same_hashtags_and_frames(processors, query):
    """Would fail if the pairs of an epoch were others because the description is read: runs could not be compared."""
    rows = [row_of(index) for index in range(6)]
    collators = [DataCollatorForHashtagRetrieval(processors[1], frames_per_clip=2, query=q) for q in ("video", query)]
    for collator in collators:
        collator.set_epoch(0)
    expected, batch = (collator(rows) for collator in collators)
    assert "description_input_ids" not in expected
    assert all(torch.equal(batch[name], value) for name, value in expected.items() if name in batch)
    assert ("pixel_values_videos" in batch) == (query == "video+text")


def test_frames_per_clip(processors):
    """Would fail if frames were drawn twice, out of order, always the same, or a short clip failed."""
    collator = DataCollatorForHashtagRetrieval(processors[1], frames_per_clip=2)
    drawn = set()
    for epoch in range(60):
        collator.set_epoch(epoch)
        pixels = collator([row_of()])["pixel_values_videos"][0, :, 0, 0, 0]
        drawn.add(tuple(((pixels * 0.5 + 0.5) * 255).round().int().tolist()))
    assert drawn == set(combinations(range(4), 2))
    for number in (0, 4, 9):
        everything = DataCollatorForHashtagRetrieval(processors[1], frames_per_clip=number)
        assert everything([row_of()])["frame_mask"].tolist() == [[1, 1, 1, 1]]


def test_more_true_hashtags_than_are_exchanged(processors):
    """Would fail if a row with very many hashtags broke the fixed number that processes exchange."""
    tags = [f"tag{index}" for index in range(70)]
    batch = DataCollatorForHashtagRetrieval(processors[1])([row_of(hashtags=tags), row_of(1)])
    assert batch["true_hashtag_ids"].shape == (2, 64)
    assert batch["true_hashtag_ids"][1].tolist() == [hashtag_id(tag) for tag in WORDS] + [-1] * 58


def test_hashtag_id_is_a_fixed_number():
    """Would fail if the number of a hashtag differed between processes, was negative like padding, or was shared."""
    assert hashtag_id("snow") == 7733074984362577813
    ids = {hashtag_id(f"tag{index}") for index in range(1000)}
    assert len(ids) == 1000 and all(0 <= number < 2**63 for number in ids)
