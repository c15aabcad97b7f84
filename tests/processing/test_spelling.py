"""Which spellings are one, by what platforms and people write, and by properties over all of Unicode."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transformers_ggm.processing.spelling import fold_spelling

SAME = [
    ("İstanbul", "istanbul", "ISTANBUL", "İSTANBUL", "i̇stanbul"),
    ("Straße", "STRASSE", "STRAẞE", "strasse"),
    ("Σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"),
    ("ὀδός_μου", "ὈΔΌΣ_ΜΟΥ"),
    ("ＳＮＯＷ２４", "snow24", "𝐬𝐧𝐨𝐰24", "ˢⁿᵒʷ24"),
    ("ﬁsh", "fish", "ﬁSH"),
    ("café", "cafe\u0301", "CAFÉ"),
    ("ガス", "ｶﾞｽ", "カ\u3099ス"),
    ("ㄱㄴ", "ﾡﾤ"),
    ("メ〜テレ", "メ～テレ"),
    ("葛\U000e0100", "葛"),
    ("snow\ufe0f", "sno\u200cw", "\u200dsnow", "snow\u034f", "snow\u3164", "snow"),
    ("می\u200cخواهم", "می\u200c\u200cخواهم", "\u200cمی\u200cخواهم\u200c"),
    ("رو\u200cها", "روها"),
    ("ﺳﻼﻡ", "سلام"),
    ("ꭰ", "Ꭰ"),
    ("į\u0307\u0301", "į\u0301", "Į\u0301"),
    ("ǆ", "Ǆ", "ǅ", "dž"),
    ("ᾳ", "ᾼ", "αι"),
    ("ŉ", "ʼN"),
]
# What people read as another word, or as one that is badly set, and so stays what it is.
APART = [
    ("ısı", "isi"),
    ("cafe", "café"),
    ("می\u200cخواهم", "میخواهم"),
    ("ශ්\u200dරී", "ශ්රී"),
    ("র\u200d্যাব", "র্যাব"),
    ("snow_day", "snowday"),
    ("か゛", "が"),
]
WHOLE = ["น้ำ", "ທຳ", "ㅋㅋㅋ", "ㅠㅠ", "ﷺ", "한국", "می\u200cخواهم", "ශ්\u200dරී", "র\u200d্যাব", "καλός", "kırmızı"]


@pytest.mark.parametrize("spellings", SAME, ids=lambda spellings: spellings[0])
def test_one_form_for_all_spellings(spellings):
    """Would fail if a pool held a hashtag twice because of case, width, style, order of marks or what nobody sees."""
    assert len({fold_spelling(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(("one", "other"), APART)
def test_other_words_stay_apart(one, other):
    """Would fail if a word were turned into another one."""
    assert fold_spelling(one) != fold_spelling(other)


@pytest.mark.parametrize("word", WHOLE)
def test_words_stay_readable(word):
    """Would fail if folding took letters apart that people write whole, or joiners out of words that need them."""
    assert fold_spelling(word) == unicodedata.normalize("NFC", word)


ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# What is rare among all characters, and hard.
HARD = st.text(
    st.sampled_from("aIiİıßẞΣσς\u0307\u0301\u0328\u0345jﾀﾞ゛゙ำㄱﾡ가\u200c\u200d\u034fﬁſKǰＡ学ـمیക്രශ්රী_7"), max_size=8
)


@settings(max_examples=500)
@given(ANY | HARD)
@example("\u3164ᄀ\u1160")
def test_folding_twice_changes_nothing(text):
    """Would fail if one hashtag had two normal forms."""
    folded = fold_spelling(text)
    assert fold_spelling(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)


@settings(max_examples=500)
@given(ANY | HARD)
def test_case_and_order_of_marks_do_not_count(text):
    """Would fail if a text and its capitals, or its composed and decomposed forms, folded to two forms."""
    if "\u0131" in text or "\u0345" in unicodedata.normalize("NFD", text):
        return  # a letter of its own; and the Greek iota below, which becomes a letter between marks as a capital
    expected = fold_spelling(text)
    for form in (text.upper(), text.lower(), text.swapcase(), text.casefold()):
        assert fold_spelling(form) == expected
    for form in ("NFC", "NFD"):
        assert fold_spelling(unicodedata.normalize(form, text)) == expected
