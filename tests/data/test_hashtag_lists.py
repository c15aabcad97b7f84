"""What hashtag pools are made of."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transformers_ggm.data import read_hashtag_list, starter_hashtags
from transformers_ggm.data.hashtag_lists import hashtags_of_shorts
from transformers_ggm.errors import DatasetError, InputError

POSTS = [{"description": "a", "hashtags": ["Snow", "#lake"]}, {"description": "b", "hashtags": ["snow"]}]


def test_lines_of_text(tmp_path, monkeypatch):
    """Would fail if spellings were lost, or a line of what `ggm pool show` prints were taken for a hashtag."""
    text = '#FirstSnow\n\n  lake \nlake\n{"hashtag": "#sea", "count": 0}\n'
    (tmp_path / "hashtags.txt").write_text(text, encoding="utf-8-sig")
    wanted = {"#FirstSnow": 1, "lake": 2, "#sea": 0}
    assert read_hashtag_list(tmp_path / "hashtags.txt") == wanted
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert dict(read_hashtag_list("-")) == wanted


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_tables_with_counts(tmp_path, suffix):
    """Would fail if a kind of table were not read, or counts were added up as text."""
    rows, file = [("FirstSnow", 7), ("lake", 2), ("FirstSnow", 3)], tmp_path / f"hashtags{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.table({"hashtag": [tag for tag, _ in rows], "count": [n for _, n in rows]}), file)
    elif suffix == ".jsonl":
        file.write_text("".join(json.dumps({"hashtag": tag, "count": n}) + "\n" for tag, n in rows))
    else:
        mark = "\t" if suffix == ".tsv" else ","
        file.write_text(f"hashtag{mark}count\n" + "".join(f"{tag}{mark}{n}\n" for tag, n in rows))
    assert read_hashtag_list(file) == {"FirstSnow": 10, "lake": 2}


def test_counts_of_programs_that_know_gaps(tmp_path):
    """Would fail if counts as pandas writes them beside gaps, or spaces around them, were no numbers."""
    (tmp_path / "tags.csv").write_text("hashtag,count\n snow , 3.0 \n#lake,0\n")
    assert read_hashtag_list(tmp_path / "tags.csv") == {"snow": 3, "#lake": 0}


def test_posts(tmp_path):
    """Would fail if posts were not read as training reads them, or the test split's hashtags got into the pool."""
    lines = "".join(map("{}\n".format, map(json.dumps, POSTS)))
    (tmp_path / "posts.jsonl").write_text(lines)
    assert read_hashtag_list(tmp_path / "posts.jsonl") == {"snow": 2, "lake": 1}
    more = json.dumps({"description": "again", "hashtags": ["#Snow"]})
    (tmp_path / "more.jsonl").write_text(lines + more)
    assert read_hashtag_list(tmp_path / "more.jsonl") == {"Snow": 3, "lake": 1}
    for split, text in (("train", lines), ("test", lines.replace("lake", "secret"))):
        (tmp_path / "shorts" / split).mkdir(parents=True)
        (tmp_path / "shorts" / split / "metadata.jsonl").write_text(text)
    assert read_hashtag_list(tmp_path / "shorts") == {"snow": 2, "lake": 1}


def test_posts_with_columns_of_any_name(tmp_path):
    """Would fail if a column that prepared sets use, or two that could be one, ended what reads hashtags alone."""
    (tmp_path / "train").mkdir()
    more = {"duration": 7.5, "frames": 3, "error": None, "clip": "a"}
    with open(tmp_path / "train" / "metadata.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps({**post, **more}) + "\n" for post in POSTS)
    assert read_hashtag_list(str(tmp_path)) == {"snow": 2, "lake": 1}
    with open(tmp_path / "train" / "metadata.jsonl", "w", encoding="utf-8") as file:
        further = {**more, "tags": ["x"], "text": "b", "caption": "c", "path": "d", "url": "e"}
        file.writelines(json.dumps({**post, **further}) + "\n" for post in POSTS)
    assert hashtags_of_shorts(str(tmp_path)) == {"snow": 2, "lake": 1}
    with pytest.raises(DatasetError, match="several columns"):
        read_hashtag_list(str(tmp_path))


def test_the_starter_list():
    """Would fail if the list of the package could not be named."""
    assert read_hashtag_list("starter") == dict.fromkeys(starter_hashtags(), 1)


@pytest.mark.parametrize(
    "name, text, error, message",
    [
        ("a.txt", 'snow\n{"hashtag": "snow"}\n', InputError, "a.txt, line 2"),
        ("a.txt", "{snow\n", InputError, "a.txt, line 1"),
        ("a.csv", "hashtag,count\nsnow,many\n", InputError, "a.csv, line 2"),
        ("a.csv", "hashtag,count\n,3\n", InputError, "a.csv, line 2"),
        ("a.csv", "hashtag\nsnow\n", InputError, "count"),
        ("a.csv", "words\nsnow\n", DatasetError, "hashtags"),
        ("a.csv", "Hashtag;Count\nsnow;3\n", DatasetError, "has the columns 'hashtag' and 'count'"),
        ("a.csv", "hashtag,count\nsnow,-3\n", InputError, "a.csv, line 2"),
        ("a.csv", "hashtag,count\nsnow,2.5\n", InputError, "a.csv, line 2"),
        ("a.csv", "hashtag,count\nsnow,\n", InputError, "a.csv, line 2"),
        ("a.csv", "hashtag,count\ntwo words,3\n", InputError, "a.csv, line 2: 'two words'"),
        ("a.txt", "snow\n#123\n\nfirst snow\n", InputError, r"line 2 \('#123'\), line 4 \('first snow'\) cannot"),
        ("a.txt", "# a\n" * 7, InputError, "and 2 more"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, text, error, message):
    """Would fail if a file with a mistake gave a pool that lacks hashtags, or the message did not say where it is."""
    (tmp_path / name).write_text(text)
    with pytest.raises(error, match=message):
        read_hashtag_list(tmp_path / name)


def test_what_is_not_there(tmp_path):
    """Would fail if a foreign error got through, or one that does not name the file."""
    with pytest.raises(InputError, match=r"nowhere\.txt"):
        read_hashtag_list(tmp_path / "nowhere.txt")
    (tmp_path / "latin.txt").write_bytes("größe".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_hashtag_list(tmp_path / "latin.txt")
