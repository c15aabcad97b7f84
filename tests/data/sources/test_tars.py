import tarfile

import pytest
from source_samples import (
    add_member,
    make_rows,
    only_row,
    read_back,
    write_tar,
)

from transformers_ggm.data.sources import open_shorts
from transformers_ggm.data.sources.files import expand_pattern
from transformers_ggm.errors import DatasetError


def test_folder_of_tars(tmp_path):
    """Would fail if tars were not put into the splits that their names or folders tell."""
    rows = make_rows()
    write_tar(tmp_path / "train-0.tar", rows[:2])
    write_tar(tmp_path / "train-1.tar", rows[2:4], first=2)
    write_tar(tmp_path / "test-0.tar", rows[4:])
    sources = open_shorts(tmp_path)
    assert [read_back(source) for source in sources.values()] == [rows[:4], rows[4:]]
    (tmp_path / "validation").mkdir()
    (tmp_path / "test-0.tar").rename(tmp_path / "validation" / "0.tar")
    assert {split: read_back(source) for split, source in open_shorts(tmp_path).items()} == {"validation": rows[4:]}


def test_members_of_tars(tmp_path):
    """Would fail if other members, links or folders of a tar were read, or anything of it written to the disk."""
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        folder = tarfile.TarInfo("../x.mp4")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        add_member(tar, "../clip.WEBM", b"clip")
        add_member(tar, "../clip.jpg", b"cover")
        add_member(tar, "../._clip.mp4", b"resource fork")
        add_member(tar, "../clip.txt", "\ufeff at the #lake\n".encode())
        link = tarfile.TarInfo("../y.mp4")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert only_row(tmp_path / "a.tar") == {
        "video": b"clip",
        "file_name": "../clip.WEBM",
        "description": "at the",
        "hashtags": ["lake"],
    }
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_fields_of_tars_named_like_clips(tmp_path):
    """Would fail if a field such as the URL that a clip came from were taken for the clip, or for another one."""
    _tar(("a.mp4", b"x"), ("a.json", b'{"url": "https://host/a", "tags": ["a"]}'))(tmp_path / "a.tar")
    row = only_row(tmp_path / "a.tar")
    assert (row["video"], row["file_name"], row["url"]) == (b"x", "a.mp4", "https://host/a")


def test_limit_of_members(tmp_path):
    """Would fail if a clip beyond the limit were read whole, or looked like one within the limit."""
    write_tar(tmp_path / "a.tar", [{"clip": b"x" * 5000, "tags": ["a"]}])
    (row,) = open_shorts(tmp_path / "a.tar", max_bytes=1000)[None].rows()
    assert len(row["video"]) == 1001


def test_start_in_a_tar_reads_no_earlier_clip(tmp_path, monkeypatch):
    """Would fail if resuming read the clips before, which takes as long as the first time."""
    read = []
    extract = tarfile.TarFile.extractfile
    monkeypatch.setattr(
        tarfile.TarFile, "extractfile", lambda tar, member: read.append(member.name) or extract(tar, member)
    )
    write_tar(tmp_path / "a.tar", make_rows())
    source = open_shorts(tmp_path / "a.tar")[None]
    assert read
    assert not [name for name in read if name.endswith(".mp4")]
    read.clear()
    list(source.rows(5))
    assert read == [f"shorts/000{number}.{extension}" for number in (5, 6) for extension in ("mp4", "json")]


def _tar(*members):
    def write(path):
        with tarfile.open(path, "w") as tar:
            for name, content in members:
                add_member(tar, name, content)

    return write


def _cut(size):
    def write(path):
        write_tar(path, make_rows())
        path.write_bytes(path.read_bytes()[:size])

    return write


def _damaged(path):
    write_tar(path, make_rows())
    content = bytearray(path.read_bytes())
    content[2048:2100] = b"?" * 52
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_tar(), "has no samples"),
        (_tar(("notes", b"x"), ("a.npy", b"x"), ("b.pkl", b"x")), "has no samples"),
        (_tar(("a.mp4", b"x"), ("b.mp4", b"x"), ("a.txt", b"x"), ("b.txt", b"x")), "must follow one another"),
        (_tar(("a.mp4", b"x"), ("a.mov", b"x"), ("a.txt", b"x")), "the sample has 'mp4' twice"),
        (_tar(("a.json", b'{"txt": "b"}'), ("a.txt", b"x")), "the sample has 'txt' twice"),
        (_tar(("a.mp4", b"x"), ("a.json", b"x")), "a.json is not valid JSON"),
        (
            _tar(("a.json", b'{"text": "a", "n": 1}'), ("b.json", b'{"text": "a", "n": "x"}')),
            "sample b: the field 'n'",
        ),
        (_cut(540), "cannot be read as an uncompressed tar"),
        (_cut(1600), "cannot be read as an uncompressed tar|not valid JSON"),
        (_cut(2300), "is damaged at byte 2048"),
        (_damaged, "is damaged at byte 2048"),
    ],
)
def test_broken_tars(write, message, tmp_path):
    """Would fail if samples of a broken tar were lost unnoticed, or the message did not name the tar."""
    write(tmp_path / "a.tar")
    with pytest.raises(DatasetError, match=message) as raised:
        open_shorts(tmp_path / "a.tar")
    assert "a.tar" in str(raised.value)


def test_patterns(tmp_path):
    """Would fail if a pattern named other files than a shell's, or a file with such a name could not be read."""
    assert expand_pattern("s3://b/{a,b}-{9..11}.tar") == [f"s3://b/{x}-{n}.tar" for x in "ab" for n in (9, 10, 11)]
    assert expand_pattern("s3://b/{x}.tar") == ["s3://b/{x}.tar"]
    for name in ("b.tar", "a.tar", "c[1].tar"):
        write_tar(tmp_path / name, make_rows())
    assert expand_pattern(f"{tmp_path}/?.tar") == [f"{tmp_path}/a.tar", f"{tmp_path}/b.tar"]
    assert open_shorts(tmp_path / "c[1].tar")[None].num_rows == len(make_rows())
    assert open_shorts(f"{tmp_path}/[ab].tar")[None].num_rows == 2 * len(make_rows())
