import json
import tempfile
from pathlib import Path

import pytest
from data_samples import write_metadata
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm import load_shorts, normalize_hashtag
from transformers_ggm.errors import DatasetError

GOOD = {"file_name": "a.mp4", "description": "first snow", "hashtags": ["Snow", "#winter", "snow"]}


@pytest.fixture
def train(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"a clip")
    return folder


def test_good_folder(train, tmp_path):
    """
    Would fail if a path were not absolute, hashtags not normalised or doubled, or a split taken that is not there.
    """
    write_metadata(train, [GOOD, {"hashtags": ["lake"]}])
    write_metadata(tmp_path / "test", [{"description": None, "hashtags": ["lake"]}])
    shorts = load_shorts(tmp_path)
    assert list(shorts) == ["train", "test"]
    video = str((train / "a.mp4").absolute())
    assert shorts["train"][0] == {"video": video, "description": "first snow", "hashtags": ["snow", "winter"]}
    assert shorts["train"][1] == {"video": None, "description": "", "hashtags": ["lake"]}
    assert shorts["test"][0]["description"] == ""


def test_relative_folder(train, tmp_path, monkeypatch):
    """Would fail if paths of clips depended on the working directory of whoever reads them later."""
    write_metadata(train, [GOOD])
    monkeypatch.chdir(tmp_path)
    assert Path(load_shorts("../" + tmp_path.name)["train"][0]["video"]).is_absolute()


def test_further_fields_are_kept(train, tmp_path):
    """Would fail if a field that the first row lacks were dropped, or a nested one changed."""
    rows = [{"hashtags": ["a"]}, {"hashtags": ["b"], "id": 7, "causes": {"seen": ["b"], "heard": []}}]
    write_metadata(train, rows)
    first, second = load_shorts(tmp_path)["train"]
    assert (first["id"], second["id"], second["causes"]) == (None, 7, {"seen": ["b"], "heard": []})


def test_blank_lines_and_byte_order_mark(train, tmp_path):
    """Would fail if a file that an editor on Windows saved, or an empty last line, were refused."""
    line = json.dumps(GOOD)
    (train / "metadata.jsonl").write_bytes(b"\xef\xbb\xbf" + line.encode() + b"\r\n\r\n" + line.encode() + b"\r\n\n")
    assert len(load_shorts(tmp_path)["train"]) == 2


BAD_ROWS = {
    "missing file": ({**GOOD, "file_name": "b.mp4"}, DatasetError, r"b\.mp4 does not exist"),
    "a folder as file": ({**GOOD, "file_name": "."}, DatasetError, "does not exist"),
    "invalid JSON": ('{"hashtags": ["a"]', DatasetError, "not valid JSON"),
    "no object": ("[1, 2]", DatasetError, "not a JSON object"),
    "no hashtags": ({"description": "words"}, DatasetError, "there is no `hashtags`, which must be a list of strings"),
    "a number as description": ({"hashtags": ["a"], "description": 0}, DatasetError, "`description` must be a string"),
    "a number as file name": ({"hashtags": ["a"], "file_name": 7}, DatasetError, "`file_name` must be a string"),
    "a reserved field": ({"hashtags": ["a"], "frames": 3}, DatasetError, "rename the field 'frames'"),
}


@pytest.mark.parametrize("row, error, message", BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_row_is_named(train, tmp_path, row, error, message):
    """Would fail if a wrong row passed, or its message did not name file and line."""
    write_metadata(train, [GOOD, row])
    with pytest.raises(error, match=message) as caught:
        load_shorts(tmp_path)
    assert f"{train / 'metadata.jsonl'}, line 2" in str(caught.value)


def test_what_is_no_hashtag_is_counted(train, tmp_path, caplog):
    """Would fail if one bad label cost a row or the whole folder, or labels were lost without a word."""
    forms = [["Snow", 3, None], "#a#b", "lake; two words", ["two words"], None, {"name": "snow"}, ["#"], 2024]
    write_metadata(train, [{"hashtags": form} for form in forms])
    found = [["snow"], ["a", "b"], ["lake", "two", "words"], [], [], ["snow"], [], []]
    assert load_shorts(tmp_path)["train"]["hashtags"][:] == found
    assert f"{tmp_path}: 3 entries in the hashtags of 3 rows are no hashtags and were left out: '3'" in caplog.text
    assert "'two words'" in caplog.text and "'2024'" in caplog.text
    caplog.clear()
    write_metadata(train, [GOOD])
    load_shorts(tmp_path)
    assert not caplog.text


def test_not_utf8(train, tmp_path):
    """Would fail if a file in another encoding ended in a decoder's error."""
    (train / "metadata.jsonl").write_bytes('{"hashtags": ["é"]}'.encode("latin-1"))
    with pytest.raises(DatasetError, match="line 1 is not valid JSON"):
        load_shorts(tmp_path)


@pytest.mark.parametrize("values", [(1, "one"), ({"a": 1}, "one"), ([1], 2)])
def test_further_field_of_two_types(train, tmp_path, values):
    """Would fail if a field with different types in different rows ended in an error of Arrow."""
    write_metadata(train, [{"hashtags": ["a"], "id": value} for value in values])
    with pytest.raises(DatasetError, match="different types"):
        load_shorts(tmp_path)


def test_folder_without_metadata(train, tmp_path):
    """Would fail if a split folder without a metadata file were passed over."""
    with pytest.raises(DatasetError, match=r"train has no metadata\.jsonl"):
        load_shorts(tmp_path)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_metadata_without_rows(train, tmp_path, content):
    """Would fail if a split without rows were taken for data."""
    (train / "metadata.jsonl").write_text(content)
    with pytest.raises(DatasetError, match="has no rows"):
        load_shorts(tmp_path)


def test_empty_folder(tmp_path):
    """Would fail if a folder without any split gave an empty data set."""
    with pytest.raises(DatasetError, match="none of the folders train, validation, test"):
        load_shorts(tmp_path)


def test_no_folder(tmp_path):
    """Would fail if a missing folder, or a file in its place, ended in another error."""
    (tmp_path / "file").write_text("")
    for name in ("missing", "file"):
        with pytest.raises(DatasetError, match="is no folder"):
            load_shorts(tmp_path / name)


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "description": st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20),
            "hashtags": st.lists(
                st.from_regex(r"#?[A-Za-zäöüÄÖÜ가-힣_0-9]{0,5}[a-zA-Z가]", fullmatch=True), max_size=4
            ),
            "likes": st.none() | st.integers(-(2**63), 2**63 - 1),
        }
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=40)
@given(rows=ROWS)
def test_round_trip(rows):
    """Would fail if any text, order or field changed on the way from `metadata.jsonl` into the data set."""
    with tempfile.TemporaryDirectory() as folder:
        write_metadata(Path(folder, "train"), rows)
        read = load_shorts(folder)["train"].to_list()
    expected = [
        {**row, "video": None, "hashtags": list(dict.fromkeys(map(normalize_hashtag, row["hashtags"])))}
        for row in rows
    ]
    assert read == expected
