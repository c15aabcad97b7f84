"""Description and guidance in a limited number of tokens: what fits, and what is left out where not all does."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processing_samples import TOKENIZERS, mbart

from transformers_ggm.processing import GGMProcessor, GGMVideoProcessor, join_hashtags

MAKERS = {**TOKENIZERS, "mbart": mbart}
PROCESSORS = {
    name: GGMProcessor(GGMVideoProcessor(size={"shortest_edge": 16}), make()) for name, make in MAKERS.items()
}
TAGS = ["snow", "winter", "toronto", "park", "dog", "firstsnow", "in", "adoginthepark"]


def ids_of(processor, text, guidance, length):
    processor.max_text_length = length
    batch = processor(text=[text], guidance=[guidance], allow_empty=True)
    assert batch["attention_mask"].all()
    return batch["input_ids"][0].tolist()


def hint_tokens(processor, tags):
    return len(processor.tokenizer(join_hashtags(tags), add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("name", MAKERS)
@given(
    words=st.lists(st.sampled_from(["dog", "a", "first", "snow", "toronto"]), max_size=60),
    tags=st.lists(st.sampled_from(TAGS), max_size=8, unique=True),
    length=st.integers(24, 120),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hashtags_are_whole_and_the_room_is_used(name, words, tags, length):
    """Would fail if a hashtag were cut, the limit overrun, tokens left free, or hashtags told that were not shown."""
    processor, text = PROCESSORS[name], " ".join(words)
    whole = ids_of(processor, text, tags, 10_000)
    ids = ids_of(processor, text, tags, length)
    if len(whole) <= length:
        assert ids == whole
        assert processor.fitting_guidance(text, tags) == tags
        return
    assert len(ids) <= length
    shown = processor.fitting_guidance(text, tags)
    assert shown == tags[: len(shown)]
    read = processor.tokenizer.decode(ids).split("#")[1:]
    assert [tag.replace("</s>", "").replace("en_XX", "").replace(" ", "") for tag in read] == shown
    alone = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    specials = len(whole) - len(alone) - hint_tokens(processor, tags)
    if len(shown) < len(tags):
        # The next one would have taken more than its half, and more than the words leave.
        more = hint_tokens(processor, tags[: len(shown) + 1])
        assert more > (length - specials) // 2 and more > length - specials - len(alone)
    else:
        # Only words were left out, a few characters of which may be more tokens than are left.
        assert len(ids) >= length - 8


@pytest.mark.parametrize("name", MAKERS)
def test_neither_pushes_the_other_out(name):
    """Would fail if a long description left no room for guidance, or much guidance none for the description."""
    processor = PROCESSORS[name]
    many = [f"{first}{second}" for first in TAGS for second in TAGS]
    for text, tags in (("dog " * 200, ["winter"]), ("a dog", many), ("dog " * 200, many)):
        ids = ids_of(processor, text, tags, 40)
        said, *shown = processor.tokenizer.decode(ids).split("#")
        assert "dog" in said and shown
        assert len(ids) > 24


def test_the_start_of_a_description_is_kept():
    """Would fail if a text that is cut for the guidance's sake lost its beginning, or gave way without need."""
    for name, processor in PROCESSORS.items():
        text = " ".join(["snow", "toronto", "dog"] * 20)
        ids = ids_of(processor, text, ["winter"], 48)
        said = processor.tokenizer.decode(ids, skip_special_tokens=True).split("#")[0].replace("en_XX", "")
        assert text.replace(" ", "").startswith(said.replace(" ", "")), name
        assert len(ids) >= 46, name


def test_a_hashtag_longer_than_all_room():
    """Would fail if one absurd hashtag overran the length or took the words away."""
    for processor in PROCESSORS.values():
        ids = ids_of(processor, "a dog", ["q" * 80, "snow"], 24)
        assert len(ids) <= 24 and "#" not in processor.tokenizer.decode(ids)
        assert processor.fitting_guidance("a dog", ["q" * 80, "snow"]) == []


def test_guidance_is_told_as_it_is_shown():
    """Would fail if hashtags beyond `num_guidance`, or hashtags in the description, counted."""
    processor = GGMProcessor(GGMVideoProcessor(), TOKENIZERS["bart"](), num_guidance=2, max_text_length=40)
    assert processor.fitting_guidance("a dog", ["snow", "dog", "park"]) == ["snow", "dog"]
    assert processor.fitting_guidance("a dog " + "#firstsnow " * 50, ["snow", "dog"]) == ["snow", "dog"]
    assert processor.fitting_guidance("", []) == []
