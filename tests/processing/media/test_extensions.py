"""Which names are clips' names: the same that can be opened."""

import av
import pytest
from clip_samples import write_video

from transformers_ggm.processing import decode_media
from transformers_ggm.processing.media.extensions import CLIP_EXTENSIONS, clip_extension

CODECS = {"gif": "gif", "webm": "libvpx", "ogv": "libtheora", "mpg": "mpeg2video", "mpeg": "mpeg2video"}
CODECS |= dict.fromkeys(("vob", "dvd", "ts", "m2t", "mts", "m2ts"), "mpeg2video")
CODECS |= {"flv": "flv", "f4v": "libx264", "wmv": "wmv2", "asf": "wmv2", "psp": "libx264", "ismv": "libx264"}


@pytest.mark.parametrize("extension", sorted(CLIP_EXTENSIONS))
def test_what_is_taken_for_a_clip_can_be_opened(tmp_path, extension):
    """Would fail if the list of names had one whose files cannot be decoded."""
    try:
        path = write_video(
            tmp_path / f"a.{extension}", CODECS.get(extension, "mpeg4"), 5,
            pix_fmt="rgb8" if extension == "gif" else "yuv420p", size=(176, 144),
        )  # fmt: skip
    except (ValueError, av.FFmpegError):
        pytest.skip(f"this PyAV writes no .{extension}")
    assert len(decode_media(path, sample_timestamps=lambda duration: [0.0]).frames) == 1


def test_names_of_phones_and_the_web_are_known():
    """
    Would fail if a usual extension of a container that can be opened were missing, or a picture's or sound's there.
    """
    clips = "mp4,m4v,mov,webm,mkv,avi,gif,mpg,mpeg,3gp,3g2,ts,mts,m2ts,flv,f4v,wmv,asf,ogv,vob"
    others = "m4a,mka,wma,ogg,heic,avif,mks,srt,txt,json,jpg,png,mp3,wav"
    assert CLIP_EXTENSIONS.issuperset(clips.split(",")) and CLIP_EXTENSIONS.isdisjoint(others.split(","))


@pytest.mark.parametrize(
    "name, extension",
    [
        ("a.MOV", "mov"), ("a.tar.ts", "ts"), ("a.mp4?x=1&y=a.b/c", "mp4"), ("a?b.webm", "webm"), (".mp4", None),
        ("mp4", None), ("a.mp4.part", None), ("a.txt?file=b.mp4", "mp4"), ("", None), ("a.mp4\n", None),
    ],
)  # fmt: skip
def test_extensions_of_names(name, extension):
    """Would fail if what an address has behind a question mark hid the extension."""
    assert clip_extension(name) == extension
