"""Description, transcript, screen text and guidance as one text: the order, what stands between, who gives way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processing_samples import TOKENIZERS, mbart

from transformers_ggm.errors import InputError
from transformers_ggm.processing import GGMProcessor, GGMVideoProcessor, join_hashtags
from transformers_ggm.processing.row_text import TextShares, encode_text, fitting_guidance, shared_room

MAKERS = {**TOKENIZERS, "mbart": mbart}
READ = {"transcript_share": 0.2, "screen_text_share": 0.1}
TEXTS = ("first snow", "a dog in toronto", "park")


def made(name, **options):
    return GGMProcessor(GGMVideoProcessor(size={"shortest_edge": 16}), MAKERS[name](), **options)


def ids_of(processor, text="", guidance=(), **options):
    batch = processor(text=[text], guidance=[list(guidance)], allow_empty=True, **options)
    return batch["input_ids"][0].tolist()


def bare(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("name", MAKERS)
def test_all_parts_in_their_order(name):
    """Would fail if a part came elsewhere, or words of two parts touched each other without anything between."""
    processor = made(name, **READ)
    ids = ids_of(processor, TEXTS[0], ["snow", "winter"], transcript=[TEXTS[1]], screen_text=[TEXTS[2]])
    tokenizer = processor.tokenizer
    special = set(tokenizer.all_special_ids)
    parts, open_part = [], False
    for token in ids:
        if token in special:
            open_part = False
            continue
        if not open_part:
            parts.append([])
            open_part = True
        parts[-1].append(token)
    assert parts == [bare(tokenizer, part) for part in (*TEXTS, join_hashtags(["snow", "winter"]))]


@pytest.mark.parametrize("name", MAKERS)
def test_missing_texts_change_nothing(name):
    """Would fail if a row without transcript and screen text had other tokens than in a model that reads neither."""
    plain, reading = made(name), made(name, **READ)
    for text, guidance in (("first snow", ["snow"]), ("", ["snow"]), ("first snow", []), ("", []), ("dog " * 600, [])):
        expected = ids_of(plain, text, guidance)
        assert ids_of(reading, text, guidance, transcript=[None], screen_text=[""]) == expected
        assert ids_of(reading, text, guidance) == expected
        # And the one does not read what the other does.
        assert ids_of(plain, text, guidance, transcript=["a dog"], screen_text=["park"]) == expected


@pytest.mark.parametrize("name", MAKERS)
def test_one_text_stands_in_the_place_of_the_description(name):
    """Would fail if separators stood for texts that are missing."""
    plain, reading = made(name), made(name, **READ)
    for guidance in ([], ["snow", "winter"]):
        assert ids_of(reading, "", guidance, transcript=["a dog"]) == ids_of(plain, "a dog", guidance)
        assert ids_of(reading, "", guidance, screen_text=["park"]) == ids_of(plain, "park", guidance)


@pytest.mark.parametrize("name", ["bart", "mbart"])
@given(
    lengths=st.tuples(*[st.integers(0, 40)] * 3),
    tags=st.integers(0, 12),
    length=st.integers(24, 90),
)
@settings(max_examples=40, deadline=None)
def test_room_is_shared(name, lengths, tags, length):
    """Would fail if a long part pushed another below its share, the limit were overrun, or room were left unused."""
    tokenizer = MAKERS[name]()
    shares = TextShares(0.2, 0.1, 0.4)
    texts = [" ".join(["dog"] * count) for count in lengths]
    guidance = ["snow", "winter", "park", "toronto"][: tags % 5] * (tags // 5 + 1)
    whole = encode_text(tokenizer, texts, guidance, 10_000, shares)
    ids = encode_text(tokenizer, texts, guidance, length, shares)
    if len(whole) <= length:
        assert ids == whole
        return
    shown = fitting_guidance(tokenizer, texts, guidance, length, shares)
    hint = len(bare(tokenizer, join_hashtags(guidance[:shown])))
    assert len(ids) <= length
    words = (
        len(whole) - sum(len(bare(tokenizer, text)) for text in texts) - len(bare(tokenizer, join_hashtags(guidance)))
    )
    room = length - words
    if shown < len(guidance):
        # Hashtags go whole and last: the next one would be above their share, and more than the texts leave.
        more = len(bare(tokenizer, join_hashtags(guidance[: shown + 1])))
        needed = sum(len(bare(tokenizer, text)) for text in texts)
        assert more > int(room * 0.4) and more > room - needed
    assert hint <= max(int(room * 0.4), room - sum(len(bare(tokenizer, text)) for text in texts))
    if sum(map(bool, lengths)) > 1:
        # But for the rounding down of shares, all of the room is used.
        assert len(ids) >= length - 3 - (0 if shown == len(guidance) else length)


def test_shared_room_by_hand():
    """Would fail if a text got less than its share while another got more, against numbers worked out by hand."""
    assert shared_room([100, 100, 100], [0.5, 0.25, 0.25], 80) == [40, 20, 20]
    assert shared_room([10, 100, 100], [0.5, 0.25, 0.25], 80) == [10, 35, 35]
    assert shared_room([100, 3, 100], [0.5, 0.25, 0.25], 80) == [51, 3, 26]
    assert shared_room([5, 5, 5], [0.5, 0.25, 0.25], 80) == [5, 5, 5]
    assert shared_room([5, 5], [0.5, 0.5], -3) == [0, 0]


def test_guidance_share():
    """Would fail if the guidance's share were not what the option says, also where there is one text alone."""
    long, tags = "dog " * 200, [f"snow{letter}{other}" for letter in "abcdefghij" for other in "abcdefghij"]
    shown = {}
    for share in (0.2, 0.5, 0.8):
        processor = made("bart", guidance_share=share, max_text_length=80, num_guidance=100)
        ids = ids_of(processor, long, tags)
        shown[share] = processor.fitting_guidance(long, tags)
        hint = len(bare(processor.tokenizer, join_hashtags(shown[share])))
        assert len(ids) == 80 and hint <= 76 * share < hint + 12
    assert len(shown[0.2]) < len(shown[0.5]) < len(shown[0.8])


def test_told_guidance_is_that_beside_all_texts():
    """Would fail if hashtags were told as shown that a transcript left no room for."""
    processor = made("bart", **READ, max_text_length=40)
    tags = ["snow", "winter", "park", "toronto", "dog", "firstsnow"] * 3
    alone = processor.fitting_guidance("a dog", tags)
    beside = processor.fitting_guidance("a dog", tags, transcript="snow " * 60)
    assert len(beside) < len(alone)
    ids = ids_of(processor, "a dog", tags, transcript=["snow " * 60])
    assert processor.tokenizer.decode(ids).count("#") == len(beside)


def test_what_is_remembered_and_refused(tmp_path):
    """Would fail if a checkpoint forgot what it reads, or shares were taken that leave nothing to the description."""
    reading = {"read_speech": "openai/whisper-small", "min_log_probability": -0.7}
    made("bart", **READ, guidance_share=0.4, text_reading=reading).save_pretrained(tmp_path)
    loaded = GGMProcessor.from_pretrained(tmp_path)
    assert (loaded.transcript_share, loaded.screen_text_share, loaded.guidance_share) == (0.2, 0.1, 0.4)
    assert loaded.read_texts == ("description", "transcript", "screen_text") and loaded.text_reading == reading
    assert made("bart").read_texts == ("description",)
    for wrong in ({"guidance_share": 1.0}, {"transcript_share": -0.1}, {"transcript_share": 0.5}):
        with pytest.raises(InputError, match="less than 1"):
            made("bart", **wrong)
    with pytest.raises(InputError, match=r"transcript\[0\] is a int"):
        loaded(text=["a"], transcript=[3])
    with pytest.raises(InputError, match="empty description"):
        loaded(text=[""], transcript=[""])
    assert loaded(text=[""], transcript=["a dog"])["input_ids"].shape[0] == 1
