"""Words of hashtags in many languages, against splits that were written down by hand."""

import math
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.evaluation import get_word_splitter, split_words, word_splitter_name
from transformers_ggm.processing import split_hashtag
from transformers_ggm.utils.hashtag_words import LANGUAGES, shows_words
from transformers_ggm.utils.unigrams import known_languages, unigrams_of

wordfreq = pytest.importorskip("wordfreq")


def read_splits(name):
    splits = defaultdict(list)
    for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()[1:]:
        language, hashtag, words = line.split("\t")
        splits[language].append((hashtag, tuple(words.split())))
    return splits


SPLITS = read_splits("hashtag_splits.tsv")


def share_right(split, language, splits=SPLITS):
    return sum(tuple(split(hashtag)) == words for hashtag, words in splits[language]) / len(splits[language])


@pytest.mark.parametrize(
    "language, at_least", [("en", 0.90), ("es", 0.95), ("fr", 0.95), ("de", 0.80), ("pt", 0.95), ("ru", 0.95)]
)
def test_most_hashtags_are_split_as_people_read_them(language, at_least):
    """Would fail if the likeliest words were not found, or a language were mistaken for another."""
    assert len(SPLITS[language]) >= 300
    assert all("".join(words) == hashtag for hashtag, words in SPLITS[language])
    right = share_right(split_hashtag, language)
    assert right >= at_least
    assert right > share_right(split_words, language)


@pytest.mark.parametrize("language", ["en", "es", "fr", "de", "pt", "ru"])
def test_hashtags_that_were_written_down_later(language):
    """Would fail if the splitter were good at the list that its costs were chosen on, and at no other hashtags."""
    splits = read_splits("hashtag_splits_unseen.tsv")
    assert not {tag for tag, _ in splits[language]} & {tag for tag, _ in SPLITS[language]}
    assert share_right(split_hashtag, language, splits) >= 0.9


@pytest.mark.parametrize("language", ["es", "fr", "pt"])
def test_accents_may_be_left_out(language):
    """Would fail if #anonovo were not read as #añonovo is."""
    plain = str.maketrans("áéíóúâêôãõàèùçñîïüœ", "aeiouaeoaoaeucniiuo")
    accented = [(hashtag.translate(plain), words) for hashtag, words in SPLITS[language] if not hashtag.isascii()]
    right = sum(split_hashtag(tag) == tuple(word.translate(plain) for word in words) for tag, words in accented)
    assert right / len(accented) >= 0.9


@pytest.mark.parametrize(
    "hashtag, words",
    [
        ("FirstSnow", ("first", "snow")),
        ("schönesWetter", ("schönes", "wetter")),
        ("ПервыйСнег", ("первый", "снег")),
        ("DIYProjects", ("diy", "projects")),
        ("XyzzyQwert", ("xyzzy", "qwert")),
        ("blue_square", ("blue", "square")),
        ("東京Travel", ("東京", "travel")),
        ("80smusic", ("80s", "music")),
        ("route66", ("route", "66")),
        ("3dprinting", ("3d", "printing")),
        ("2026", ("2026",)),
        ("_", ("_",)),
        ("NASA", ("nasa",)),
    ],
)
def test_capitals_signs_and_digits(hashtag, words):
    """Would fail if words were sought where capitals show them, or digits were torn apart."""
    assert split_hashtag(hashtag) == words


@pytest.mark.parametrize(
    "hashtag, words",
    [
        ("ありがとう東京", ("ありがとう", "東京")),
        ("눈사람", ("눈", "사람")),
        ("जन्मदिनमुबारक", ("जन्मदिन", "मुबारक")),
        ("رمضانكريم", ("رمضان", "كريم")),
        ("καλημέρακόσμε", ("καλημέρα", "κόσμε")),
        ("ที่รัก", ("ที่", "รั", "ก")),
        ("ქართული", ("ქართული",)),
    ],
)
def test_other_scripts(hashtag, words):
    """Would fail if only Latin and Cyrillic letters were read, or marks were torn from their letters."""
    assert split_hashtag(hashtag) == words


def test_a_language_that_is_named_is_looked_at():
    """Would fail if a row's language changed nothing."""
    assert split_hashtag("godjulönskar", "sv") == ("god", "jul", "önskar")
    assert split_hashtag("tedanke", "de") == ("te", "danke")
    assert split_hashtag("snowday", "xx") == split_hashtag("snowday") == ("snow", "day")


@given(st.text(st.characters(categories=("Ll", "Lo", "Nd", "Mn")), min_size=1, max_size=30))
def test_nothing_is_lost(hashtag):
    """Would fail if a letter, mark or digit of any script were dropped or moved."""
    assert "".join(split_hashtag(hashtag)) == hashtag.lower()


def test_the_likeliest_split_is_found():
    """Would fail if Viterbi's algorithm missed the best split, by trying all splits of a few hashtags."""
    unigrams = unigrams_of(LANGUAGES["Greek"])

    def cost(words):
        rows = [unigrams.rows.get(word) for word in words]
        known = [-math.inf if row is None else unigrams.log_probabilities[row, 0] for row in rows]
        return sum(max(value, -10 - 2.5 * len(word)) for value, word in zip(known, words))

    def splits(text):
        yield (text,)
        for end in range(1, len(text)):
            yield from ((text[:end], *rest) for rest in splits(text[end:]))

    for hashtag in ("καλημέρα", "καλόμήνα", "ζζηθάλασσα"):
        assert cost(split_hashtag(hashtag)) == pytest.approx(max(map(cost, splits(hashtag))))


def test_languages_have_lists():
    """Would fail if a language of the table had no list, or stood under two scripts."""
    languages = [language for of_script in LANGUAGES.values() for language in of_script]
    assert set(languages) <= known_languages()
    assert len(set(languages)) == len(languages)


def test_its_name():
    """Would fail if the splitter were not found by its name, or reports did not say its version."""
    assert get_word_splitter("wordfreq") is split_hashtag
    assert word_splitter_name("wordfreq") == f"wordfreq {word_splitter_name(wordfreq.zipf_frequency).split()[-1][:-1]}"


def test_words_that_show():
    """Would fail if a capital at the beginning alone were taken for the mark of a word inside."""
    assert shows_words("schönesWetter") and shows_words("NYCMarathon")
    assert not shows_words("Snow") and not shows_words("SNOW") and not shows_words("first_snow")


def test_without_the_library(monkeypatch):
    """Would fail if it were not said what to install."""
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(ImportError, match=r"transformers-ggm\[recommend\]"):
        known_languages()
