"""The list of hashtags that comes with the package."""

from collections import Counter
from pathlib import Path

import pytest

from transformers_ggm.data import starter_hashtags, starter_topics
from transformers_ggm.errors import InputError
from transformers_ggm.processing import is_valid_hashtag, normalize_hashtag, split_hashtag
from transformers_ggm.utils.hashtag_words import shows_words

LANGUAGES = ("en", "es", "fr", "de", "pt", "ru")
BLOCK_LISTS = Path(__file__).parents[3] / "shared" / "data" / "ldnoobw"
# Names that people use as words: none of them may be recommended to everyone.
BRANDS = set(
    """
    adidas airbnb android audi bmw burgerking cocacola crossfit disney ebay facebook ferrari ford frisbee
    fortnite gopro google gucci honda ikea instagram instapot iphone jacuzzi jeep kfc lego linkedin mcdonalds mercedes
    microsoft minecraft monopoly nasa netflix nike nintendo nutella oreo pepsi pinterest playstation pokemon polaroid
    popsicle porsche prada reddit roblox rollerblade rolex samsung scrabble snapchat sony spotify starbucks
    tabasco tesla tiktok toyota tupperware twitch twitter uber velcro vespa vogue volkswagen walmart whatsapp xbox
    youtube zara zumba
""".split()  # noqa: SIM905
)


# These are words as well.
WORDS_TOO = {"apple", "amazon", "shell", "steam", "target"}


def as_written(hashtag):
    """A hashtag in lower case, and the words that its capitals show."""
    return {hashtag.lower(), *(split_hashtag(hashtag) if shows_words(hashtag) else ())}


def test_there_are_enough_of_them():
    """Would fail if a language had too few to begin with, or the file were cut short."""
    assert len(starter_hashtags(["en"])) >= 3000
    for language in LANGUAGES[1:]:
        assert len(starter_hashtags([language])) >= 300


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_is_a_hashtag_and_stands_there_once(language):
    """Would fail if the pool refused one, or two were one hashtag in two spellings."""
    hashtags = starter_hashtags([language])
    assert [hashtag for hashtag in hashtags if not is_valid_hashtag(hashtag)] == []
    counts = Counter(map(normalize_hashtag, hashtags))
    assert [hashtag for hashtag, count in counts.items() if count > 1] == []


def test_all_languages_together_have_each_once():
    """Would fail if a word that two languages share were counted twice."""
    hashtags = starter_hashtags()
    assert len({hashtag.lower() for hashtag in hashtags}) == len(hashtags)
    assert set(starter_hashtags(["fr"], ["music"])) <= {*hashtags, *map(str.title, hashtags)}


def test_topics():
    """Would fail if a topic were nearly empty, or a language had hashtags about few things."""
    assert len(starter_topics()) >= 30
    for topic in starter_topics():
        assert len(starter_hashtags(["en"], [topic])) >= 25, topic
    for language in LANGUAGES:
        assert sum(bool(starter_hashtags([language], [topic])) for topic in starter_topics()) >= 25


def test_capitals_show_the_words():
    """Would fail if hashtags were written as nobody reads them, #firstsnow for #FirstSnow."""
    hashtags = starter_hashtags()
    assert {"FirstSnow", "FelizNavidad", "SchönesWetter", "ПервыйСнег"} <= set(hashtags)
    assert all(hashtag[0] == hashtag[0].upper() for hashtag in hashtags)
    assert sum(len(split_hashtag(hashtag)) > 1 for hashtag in hashtags) > len(hashtags) / 3


def test_no_brands():
    """Would fail if the list made advertisements."""
    named = {tag for tag in starter_hashtags() if as_written(tag) & (BRANDS | WORDS_TOO)}
    assert named <= {"ApplePie", "ApplePicking", "AppleCider", "AmazonRainforest", "SteamTrain"}


@pytest.mark.parametrize("language", ["en", "es", "fr", "de", "pt"])
def test_nothing_that_is_blocked(language):
    """Would fail if one of them were on a list of words not to be shown, as a whole or as one of its words."""
    file = BLOCK_LISTS / f"{language}.txt"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    blocked = {"".join(line.lower().split()) for line in file.read_text(encoding="utf-8").splitlines()} - {""}
    assert [tag for tag in starter_hashtags([language]) if as_written(tag) & blocked] == []


def test_what_there_is_not():
    """Would fail if a mistyped language or topic gave an empty pool."""
    with pytest.raises(InputError, match="'xx', only for en, es"):
        starter_hashtags(["xx"])
    with pytest.raises(InputError, match="'foods', only for food"):
        starter_hashtags(topics=["foods"])
    with pytest.raises(InputError, match=r"\['en'\]"):
        starter_hashtags("en")
