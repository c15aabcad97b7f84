"""What lies in a folder: clips by the decoder's own list, and what is left out."""

import os

import pytest

from transformers_ggm.data.clip_files import FolderContents, clips_not_among, summary_of_left_out
from transformers_ggm.errors import DatasetError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_what_is_no_clip_is_named(tmp_path):
    """
    Would fail if a clip were left out for its extension, its case or what a download left behind it, or if what is
    left out were not told.
    """
    clips = [
        "a.MP4",
        "b.ts",
        "c.flv",
        "d.wmv",
        "e.mts",
        "f.ogv",
        "g.m2ts",
        "h.mp4?token=a.b",
        "more/i.3gp",
        "what?.mov",
    ]
    others = [
        "notes.txt",
        "song.mp3",
        "cover.heic",
        "no_extension",
        "mp4",
        "song.ogg",
        ".hidden.mp4",
        "more/page.html",
    ]
    touch(tmp_path, *clips, *others, "metadata.jsonl", "more/metadata.csv", ".cache/z.mp4")
    os.symlink(tmp_path / "nowhere", tmp_path / "link.mp4")
    contents = FolderContents.of(tmp_path)
    assert contents.clips == sorted(clips)
    assert contents.metadata == ["metadata.jsonl", "more/metadata.csv"]
    assert contents.left_out == sorted([*others, ".cache", "link.mp4"])
    told = summary_of_left_out(contents.left_out)
    assert "2 hidden" in told and "1 .txt" in told and "2 without extension" in told and "1 .heic" in told
    assert clips_not_among(tmp_path, [tmp_path / name for name in clips[1:]]) == [str(tmp_path / "a.MP4")]


def test_a_folder_without_clips_says_what_it_has(tmp_path):
    """Would fail if a folder of files with other names were told to be empty, without a hint at what is in it."""
    touch(tmp_path, "a.dv", "b.dv")
    with pytest.raises(DatasetError, match=r"no clip in .*mp4.*2 \.dv"):
        FolderContents.of(tmp_path).require_clips(tmp_path)
    with pytest.raises(DatasetError, match="is not a folder"):
        FolderContents.of(tmp_path / "missing")


def test_linked_folders_are_gone_through_once(tmp_path):
    """Would fail if linked folders were left out, gone through twice, in circles, or led out of the folder's own."""
    folder, elsewhere = tmp_path / "clips", tmp_path / "elsewhere"
    touch(folder, "a.mp4", "real/b.mp4")
    touch(elsewhere, "c.mp4", "deep/d.mp4")
    touch(tmp_path, "beside.mp4")
    for name, target in {
        "1 real": folder / "real",
        "2 other": elsewhere,
        "3 other again": elsewhere,
        "4 deep": elsewhere / "deep",
        "5 up": tmp_path,
        "6 self": folder,
        "real/7 circle": folder / "real",
    }.items():
        os.symlink(target, folder / name, target_is_directory=True)
    os.symlink(elsewhere, elsewhere / "circle", target_is_directory=True)
    contents = FolderContents.of(folder)
    assert contents.clips == ["2 other/c.mp4", "2 other/deep/d.mp4", "a.mp4", "real/b.mp4"]
    assert contents.left_out == ["5 up/"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything can be read here")
def test_a_folder_that_cannot_be_read_is_told(tmp_path):
    """Would fail if a folder without permission were passed over in silence."""
    touch(tmp_path, "a.mp4", "closed/b.mp4")
    (tmp_path / "closed").chmod(0)
    assert FolderContents.of(tmp_path).left_out == ["closed/"]
    (tmp_path / "closed").chmod(0o700)
