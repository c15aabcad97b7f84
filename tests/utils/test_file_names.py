"""Names of files: bytes that are no text, and letters that are written in two ways."""

import json
import os
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.utils.file_names import (
    as_on_disk,
    name_key,
    readable_name,
    storable_path,
    whole_text,
    whole_texts,
)
from transformers_ggm.utils.opening import local_name

NAMES_OF_BYTES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name and b"/" not in name)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)


@pytest.mark.skipif(sys.platform == "win32", reason="paths have no bytes there")
@given(NAMES_OF_BYTES)
def test_names_of_any_bytes_are_text_that_can_be_stored(name):
    """Would fail if bytes of a name could not be stored, or came back as others."""
    decoded = os.fsdecode(name)
    readable_name(decoded).encode("utf-8")
    path = f"/clips/{decoded}"
    stored = storable_path(path)
    stored.encode("utf-8")
    assert os.fsencode(local_name(stored)) == os.fsencode(os.path.abspath(path))
    line = json.dumps(decoded, ensure_ascii=False).encode("utf-8", "backslashreplace")
    assert os.fsencode(json.loads(line)) == name


@given(ANY_TEXT)
def test_any_text_becomes_whole(text):
    """Would fail if a text with half of an emoji stayed one that no tokenizer takes, or a whole text were changed."""
    whole = whole_text(text)
    whole.encode("utf-8")
    readable_name(text).encode("utf-8")
    assert whole_text(whole) == whole
    if not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        assert whole == text == readable_name(text)
    assert whole_texts({text: [text, 1, None]}) == {whole: [whole, 1, None]}


def test_two_halves_are_joined():
    """Would fail if the two halves of an emoji, as some programs write them, became two signs of damage."""
    assert whole_text("\ud83d\ude00 \ud83d") == "\U0001f600 \ufffd"


@given(st.text(max_size=20))
def test_spellings_of_a_name_have_one_key(text):
    """Would fail if a name decomposed, as macOS once stored them, had another key than composed."""
    assert name_key(unicodedata.normalize("NFD", text)) == name_key(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize("stored, asked", [("NFD", "NFC"), ("NFC", "NFD")])
def test_files_are_found_under_the_other_spelling(tmp_path, stored, asked):
    """Would fail if only the last part of a path were compared, or the file of just this name were passed over."""
    if sys.platform == "darwin":
        pytest.skip("the disk takes both for one")
    name = "été/première neige 가.mp4"
    there, wanted = unicodedata.normalize(stored, name), unicodedata.normalize(asked, name)
    path = tmp_path / there
    path.parent.mkdir()
    assert as_on_disk(str(tmp_path), wanted) == str(tmp_path / wanted)  # not there yet, which must not be kept in mind
    path.write_bytes(b"other")
    assert as_on_disk(str(tmp_path), wanted) == str(path)
    assert as_on_disk(str(tmp_path), wanted + "x") == os.path.join(tmp_path, wanted + "x")
    exact = tmp_path / wanted
    exact.parent.mkdir()
    exact.write_bytes(b"own")
    assert as_on_disk(str(tmp_path), wanted) == str(exact)
