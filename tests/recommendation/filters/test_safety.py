"""Which hashtags are not fit to be shown."""

import pytest

pytest.importorskip("ahocorasick_rs", reason="pip install transformers-ggm[safety]")
pytest.importorskip("wordfreq", reason="pip install transformers-ggm[safety]")

from hypothesis import given
from hypothesis import strategies as st
from safety_cases import HELD_OUT, innocent_hashtags, unsafe_hashtags
from safety_disguises import common_pairs, disguised_hashtags

from transformers_ggm.data import starter_hashtags
from transformers_ggm.errors import InputError
from transformers_ggm.recommendation.filters import (
    BlockedFilter,
    SafetyFilter,
    Term,
    read_terms,
    safety_terms,
    shared_safety_filter,
)
from transformers_ggm.recommendation.filters.term_finder import TermFinder
from transformers_ggm.recommendation.filters.term_lists import CATEGORIES


@pytest.mark.parametrize("disguises", [None, HELD_OUT], ids=["known", "held out"])
def test_unsafe_hashtags_are_caught_however_they_are_disguised(disguises):
    """Would fail if fewer than 95 % of 2,000 hashtags in five languages were caught."""
    cases = list(unsafe_hashtags(disguises))
    caught = shared_safety_filter().removed([hashtag for *_, hashtag in cases])
    missed = [case for case, found in zip(cases, caught) if found is None]
    assert len(cases) >= 2000
    assert len(missed) <= 0.05 * len(cases), missed[:20]


def test_letters_sounds_and_slips_disguise_no_term():
    """Would fail if fewer than 95 % of 2,400 hashtags of 37 further kinds in six languages were caught."""
    cases = list(disguised_hashtags())
    found = shared_safety_filter().removed([hashtag for *_, hashtag in cases])
    missed = [case for case, reason in zip(cases, found) if reason is None]
    assert len(cases) == 2400
    assert len(missed) <= 0.05 * len(cases), missed[:20]


def test_common_words_pass():
    """Would fail if more than 1 % of 2,400 pairs of common words in six languages were taken for a term."""
    pairs = list(common_pairs())
    wrong = [found for found in shared_safety_filter().removed(pairs) if found is not None]
    assert len(pairs) == 2400
    assert len(wrong) <= 0.01 * len(pairs), wrong


def test_help_and_warnings_pass():
    """Would fail if hashtags against what they name were left out, or a word of help hid a slur."""
    advice = [
        "stopsuicide",
        "worldsuicidepreventionday",
        "prevencióndrogas",
        "drogenberatung",
        "nonauviol",
        "setembroamarelo",
    ]
    advice += [
        "prevençãoaosuicídio",
        "nazidocumentary",
        "analcancerawareness",
        "预防自杀",
        "反传销",
        "drugawarenessweek",
        "stopchildabuse",
        "vivirsindrogas",
        "nazisraus",
        "nonaunazisme",
    ]
    assert [found for found in shared_safety_filter().removed(advice) if found is not None] == []
    harmful = ["stopniggers", "suicidegoals", "suic1depr3vention", "endmylife", "proanasupport"]
    assert None not in shared_safety_filter().removed(harmful)


def test_innocent_look_alikes_pass():
    """Would fail if letters alone counted, as they do where Scunthorpe and therapists are left out."""
    innocent = innocent_hashtags()
    wrong = [found for found in shared_safety_filter().removed(innocent) if found is not None]
    assert len(wrong) <= 0.01 * len(innocent), wrong


def test_the_starter_list_passes():
    """Would fail if an evergreen hashtag of our own list were left out."""
    assert [found for found in shared_safety_filter().removed(starter_hashtags()) if found is not None] == []


@pytest.mark.parametrize(
    "hashtag", ["thinspo", "proana", "thinspoo", "th1nspo", "thynspo", "pro_ana", "proanaa", "killyourself", "自_杀"]
)
def test_self_harm_is_found_in_its_misspellings(hashtag):
    """Would fail if the variants that general lists miss were shown."""
    [found] = shared_safety_filter().removed([hashtag])
    assert found is not None and found.category == "self-harm"


def test_categories_and_severity_choose_terms():
    """Would fail if a category that does not count left something out, or a mild term counted among harmful ones."""
    drugs = SafetyFilter(["drugs"])
    assert [found and found.category for found in drugs.removed(["cocaine", "thinspo"])] == ["drugs", None]
    assert SafetyFilter(min_severity=3).removed(["bullshit"]) == [None]
    with pytest.raises(InputError, match="no category 'rugs'"):
        SafetyFilter(["rugs"])
    with pytest.raises(InputError, match="min_severity"):
        SafetyFilter(min_severity=4)


def test_own_lists_have_no_term_twice_and_known_categories():
    """Would fail if a data file had a category that nobody can choose, or a severity out of range."""
    terms = safety_terms()
    assert {term.category for term in terms} == set(CATEGORIES)
    assert {term.severity for term in terms} <= {1, 2, 3}
    assert len({term.text for term in terms}) == len(terms)


def test_lists_of_others_are_read(tmp_path):
    """Would fail if a list of one term a line, as LDNOOBW's, or one in our form were read differently."""
    plain, own = tmp_path / "en.txt", tmp_path / "own.tsv"
    plain.write_text("bad word\nworse\n", encoding="utf-8")
    own.write_text("category\tseverity\tterms\nours\t2\tone, two words\n", encoding="utf-8")
    assert [term.text for term in read_terms(plain)] == ["bad word", "worse"]
    assert read_terms(own)[1] == Term("two words", "ours", 2)
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no terms"):
        read_terms(tmp_path / "empty.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_terms(tmp_path / "missing.txt")


def test_further_terms_and_allowed_phrases_count():
    """Would fail if one's own terms were not sought, or an allowed phrase were left out."""
    own = SafetyFilter(terms=[Term("zorblax", "ours")], allowed=["heroin chic"])
    found = own.removed(["myz0rblax", "heroinchic"])
    assert found[0].category == "ours" and found[1] is None


def test_a_classifier_judges_what_lists_let_pass():
    """Would fail if a classifier were not asked, or were asked about what is left out already."""
    asked = []

    def classifier(sentences, top_k):
        asked.extend(sentences)
        return [
            [{"label": "toxic", "score": 0.9 if "snow" in text else 0.1}, {"label": "safe", "score": 0.9}]
            for text in sentences
        ]

    found = SafetyFilter(model=classifier).removed(["snowstorm", "lake", "cocaine"])
    assert [each and each.because for each in found] == ["model", None, "cocaine"]
    assert len(asked) == 2 and "snowstorm" in asked[0]


def test_many_terms_find_what_few_find():
    """Would fail if a long list changed what a term of it is found in."""
    digits = str.maketrans("0123456789", "abcdefghij")
    terms = [Term(f"zq{number:05d}x".translate(digits), "t") for number in range(2_000)]
    hashtag = f"my{terms[7].text}day"
    many, few = TermFinder(terms), TermFinder(terms[:10])
    assert many.find(hashtag).term == few.find(hashtag).term == terms[7]


def test_blocked_hashtags_are_not_shown_joined_split_or_disguised():
    """Would fail if an owner's block could be got round, or blocked words that only have its letters."""
    blocked = BlockedFilter(["acme", "summer sale", "*promo*"])
    bad = ["acme", "acmeshop", "buyacme2024", "ac_me", "4cme", "аcme", "summersale", "summer_sale", "bigpr0moday"]
    assert [hashtag for hashtag, found in zip(bad, blocked.removed(bad)) if found is None] == []
    fine = ["placement", "summer", "sale", "macmeadows"]
    assert blocked.removed(fine) == [None] * len(fine)


_BLOCKED = BlockedFilter(["acmecorp", "summer sale", "*promo*"])
_WAYS = [
    str.upper,
    "_".join,
    lambda text: "\u200b".join(text),
    lambda text: text + text[-1] * 3,
    lambda text: text.translate(str.maketrans("aeos", "4305")),
    lambda text: text.translate(str.maketrans("aceop", "асеор")),
    lambda text: "".join(chr(ord(letter) + 0xFEE0) for letter in text),
    lambda text: "my" + text + "2026",
]


@given(st.sampled_from(["acmecorp", "summersale", "bigpromoday"]), st.sampled_from(_WAYS), st.sampled_from(_WAYS[:4]))
def test_no_block_is_got_round_by_two_disguises(word, first, second):
    """Would fail if a blocked word or pattern were shown where it is disguised in one way and then in another."""
    assert _BLOCKED.removed([second(first(word))])[0] is not None


@given(st.text(alphabet="bdfghijknqtuvwxyz日雪é", max_size=20))
def test_other_letters_are_never_blocked(text):
    """Would fail if a hashtag without the letters of any block were left out."""
    assert _BLOCKED.removed([text or "x"]) == [None]


def test_blocks_by_category_and_bad_blocks():
    """Would fail if a category were not blocked, or a pattern that matches everything did so unasked."""
    [found] = BlockedFilter(categories=["drugs"]).removed(["cocaine"])
    assert (found.reason, found.category) == ("blocked", "drugs")
    assert BlockedFilter().removed(["snow"]) == [None]
    with pytest.raises(InputError, match="matches every hashtag"):
        BlockedFilter(["*"])
    assert BlockedFilter(["*"], everything=True).removed(["snow"])[0].because == "*"
    for bad in ("", "#", "__"):
        with pytest.raises(InputError, match="no letters"):
            BlockedFilter([bad])
    with pytest.raises(InputError, match="lists of strings"):
        BlockedFilter("acme")
