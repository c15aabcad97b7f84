"""Clips below a folder, named by their paths."""

import os

import pytest
from served import posted

from transformers_ggm.errors import RequestError
from transformers_ggm.serving.rooted_clips import rooted_clip


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "clips"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "clip.mp4").write_bytes(b"clip")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (tmp_path / "clips2").mkdir()
    (tmp_path / "clips2" / "near.mp4").write_bytes(b"secret")
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / "outside").symlink_to(tmp_path)
    (folder / "inside.mp4").symlink_to(folder / "a" / "clip.mp4")
    (folder / "round").symlink_to(folder / "round")
    os.mkfifo(folder / "pipe.mp4")
    return folder


@pytest.mark.parametrize("path", ["a/clip.mp4", "./a/../a/clip.mp4", "inside.mp4"])
def test_what_is_below_is_read(path, root):
    """Would fail if a clip below the folder could not be named."""
    assert rooted_clip(root, path) == os.path.realpath(root / "a" / "clip.mp4")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.mp4", "a/../../secret.mp4", "/etc/passwd", "link.mp4", "outside/secret.mp4", "../clips2/near.mp4",
        "round", "a", ".", "", "missing.mp4", "a\0.mp4", "pipe.mp4", "~/x", "a/clip.mp4/x", "x" * 5000,
    ],
)  # fmt: skip
def test_what_is_not_is_refused(path, root):
    """Would fail if a path, or a link below the folder, led out of it; or if the answer told what is there."""
    with pytest.raises(RequestError) as caught:
        rooted_clip(root, path)
    assert caught.value.status == 404
    assert str(caught.value) == "path: there is no such file below the folder that this server reads."


def test_paths_of_requests(root, suggest):
    """Would fail if a server read files though nobody told it to, or a message told where its folder is."""
    assert posted(suggest, json={"path": "a/clip.mp4"}).status_code == 403
    no_clip = posted(suggest, json={"path": "a/clip.mp4"}, given={"root": str(root)})
    assert no_clip.status_code == 422 and "a/clip.mp4" in no_clip.text and str(root) not in no_clip.text
    assert posted(suggest, json={"path": "../secret.mp4"}, given={"root": str(root)}).status_code == 404
