"""One item of the pipeline's input, in any of its forms, as frames, sound and words."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..errors import InputError, MediaError
from ..processing import GGMProcessor, GGMVideoProcessor, Media, remove_hashtags
from ..processing.frame_geometry import same_frames
from ..processing.media import is_media_source
from ..processing.media.sources import path_of
from ..processing.reading.voice_activity import SPEECH_RATE
from ..processing.sound_features import sound_features, sound_waveform
from ..recommendation import Clues
from ..utils.file_names import whole_text
from .clip_reading import WantedReading
from .opened_clips import decoded_frames, decoded_sound, is_sound_decoder, is_video_decoder, own_file

FIELDS = ("video", "description", "audio", "sampling_rate")
# What recommenders, and some generators and retrievers, go by besides.
CLUES = ("transcript", "screen_text", "history", "time", "language", "country")


@dataclass(frozen=True)
class ItemFields:
    """What an item says.

    Attributes:
        video: What [`GGMVideoProcessor`] takes as one video, or `None`.
        description (`str`): The author's words, possibly empty.
        audio: Sound to be used instead of the video's own, or `None`.
        sampling_rate (`int` or `None`): Rate of `audio` in Hz, where it is a waveform.
        clues ([`Clues`], *optional*): What else is known, where that is asked for.
    """

    video: Any
    description: str
    audio: Any
    sampling_rate: int | None
    clues: Clues | None = None


def read_fields(
    item: Any, description: str = "", clues: Mapping[str, Any] | None = None, names: Sequence[str] = CLUES
) -> ItemFields:
    """Reads the fields of an item.

    Args:
        item: A dict with some of `FIELDS` (others are ignored), or a video.
        description (`str`): For an item without one.
        clues (`Mapping[str, Any]`, *optional*): Given, further clues are read, too; these are for an item without
            them.
        names (`Sequence[str]`, defaults to `CLUES`): Which clues.

    Raises:
        `InputError`: The item is `None`, a dict without any of the fields, or one of them is of a wrong kind.
    """
    fields = _read_fields(item, description, FIELDS if clues is None else (*FIELDS, *names))
    if clues is None:
        return fields
    own = item if isinstance(item, Mapping) and not is_stored_file(item) else {}
    known = {name: own[name] if own.get(name) is not None else clues.get(name) for name in names}
    given = {name: value for name, value in known.items() if value is not None}
    return replace(fields, clues=Clues(fields.description, **given))


def _read_fields(item: Any, description: str, names: Sequence[str]) -> ItemFields:
    if item is None:
        raise InputError("The item is None: pass a clip, or a dict with a `video` or a `description`.")
    if not isinstance(item, Mapping) or is_stored_file(item):
        return ItemFields(_clip(item), whole_text(description), None, None)
    if not any(name in item for name in names):
        raise InputError(f"The item has the fields {sorted(map(str, item))}, but needs a `video` or a `description`.")
    words = item.get("description")
    words = description if words is None else words
    if not isinstance(words, str):
        raise InputError(f"`description` is a {type(words).__name__}: it must be a string.")
    audio, sampling_rate = item.get("audio"), item.get("sampling_rate")
    if isinstance(audio, Mapping) and "array" in audio:
        audio, sampling_rate = audio["array"], audio.get("sampling_rate", sampling_rate)
    return ItemFields(_clip(item.get("video")), whole_text(words), _unpacked(audio), sampling_rate)


def item_name(item: Any) -> str | None:
    """The path or URL by which an item can be named, if it has one."""
    video = item.get("video", item) if isinstance(item, Mapping) else item
    if is_stored_file(video) and video.get("path") is not None:
        return video["path"]
    try:
        video = _unpacked(video)
        return path_of(video) if isinstance(video, (str, os.PathLike)) else None
    except (MediaError, InputError):  # which reading it raises, too
        return None


def load_item(
    fields: ItemFields,
    processor: GGMProcessor,
    retriever_video_processor: GGMVideoProcessor | None,
    blank_video: bool = True,
    classifier_video_processor: GGMVideoProcessor | None = None,
    reading: WantedReading | None = None,
) -> dict[str, Any]:
    """Decodes an item once, and resizes its frames for the generator and, where they see others, for the retriever
    and a classifier.

    Args:
        fields ([`ItemFields`]): The item.
        processor ([`GGMProcessor`]): Frame rule, frame size and sampling rate.
        retriever_video_processor ([`GGMVideoProcessor`], *optional*): Frame size of the retriever; `None` where it is
            not to see the clip.
        blank_video (`bool`, defaults to `True`): Whether sound without picture gets one black frame.
        classifier_video_processor ([`GGMVideoProcessor`], *optional*): Frame size of the clues' frames; by default the
            generator's.
        reading ([`WantedReading`], *optional*): What is to be read in the clip, where the item has clues.

    Returns:
        `dict` with `frames` and `retriever_frames` (f, 3, h, w) uint8, `input_features` (...) float32, each `None`
        where there is none, and `description` (`str`); where the item has clues, `clues` ([`Clues`]) with frames and
        sound; where something is to be read, `to_read`, with `speech` (n,) float32 at 16 kHz and `screen` (f, 3, h, w)
        uint8, in the clip's own size, each `None` where there is none.

    Raises:
        `MediaError`: The clip or the sound cannot be read.
        `InputError`: There is nothing to go by, or one of the fields is of a wrong kind.
    """
    hears = processor.feature_extractor is not None
    video = fields.video
    if is_video_decoder(video):
        video = decoded_frames(video, processor.video_processor.sample_timestamps)
    speech_seconds = 0.0 if reading is None else reading.speech_seconds(fields.clues)
    if is_media_source(video):
        others = (retriever_video_processor, classifier_video_processor)
        # As small as they are seen, unless something else looks at the clip's own frames, too.
        resize = not (reading is not None and reading.reads_screen(fields.clues)) and all(
            other is None or same_frames(processor.video_processor, other) for other in others
        )
        video = _decoded(video, fields, processor, blank_video, speech_seconds, resize)
    waveform = None
    heard, rate = video if fields.audio is None and isinstance(video, Media) else fields.audio, fields.sampling_rate
    if is_sound_decoder(heard) and (hears or speech_seconds):
        heard, rate = decoded_sound(heard, max(processor.max_audio_seconds, speech_seconds))
    if hears:
        waveform = sound_waveform(heard, processor.sampling_rate, rate, processor.max_audio_seconds, 0)
    frames = retriever_frames = clue_frames = None
    if video is not None and not (isinstance(video, Media) and video.frames is None):
        frames = processor.video_processor.frames_of(video)
        retriever_frames = _frames_for(retriever_video_processor, video, frames, processor)
        clue_frames = _frames_for(classifier_video_processor or processor.video_processor, video, frames, processor)
    elif waveform is not None and blank_video:
        size = processor.video_processor.crop_size
        frames = torch.zeros(1, 3, size["height"], size["width"], dtype=torch.uint8)
    has_words = bool(remove_hashtags(fields.description))
    clues = fields.clues
    if frames is None and not has_words and not (clues is not None and (clues.text or clues.history)):
        raise InputError(
            "The item has no video and its description is empty (hashtags in it do not count): give it a `video` or a"
            " `description`, or leave it out."
        )
    loaded = {
        "frames": frames,
        "retriever_frames": retriever_frames,
        "input_features": None if waveform is None else sound_features(processor.feature_extractor, waveform),
        "description": fields.description,
    }
    if clues is not None:
        sound = None if waveform is None else torch.as_tensor(waveform)
        loaded["clues"] = replace(clues, frames=clue_frames, sound=sound)
    if reading is not None:
        speech = sound_waveform(heard, SPEECH_RATE, rate, speech_seconds, 0) if speech_seconds else None
        screen = None
        if frames is not None and video is not None and reading.reads_screen(clues):
            as_it_is = {"do_resize": False, "do_center_crop": False}
            screen = reading.frames(processor.video_processor.frames_of(video, **as_it_is))
        loaded["to_read"] = {"speech": speech, "screen": screen}
    return loaded


def _decoded(
    video: Any, fields: ItemFields, processor: GGMProcessor, blank_video: bool, speech_seconds: float, resize: bool
) -> Media:
    """A clip's frames, and so much of its own sound as is heard or read."""
    hears = processor.feature_extractor is not None
    if fields.audio is not None or not (hears or speech_seconds):
        return processor.video_processor.decode(video, resize=resize)
    if not speech_seconds:
        return processor.decode_media(video, blank_video=blank_video, resize=resize)
    return processor.video_processor.decode(
        video,
        sampling_rate=processor.sampling_rate if hears else SPEECH_RATE,
        max_audio_seconds=max(processor.max_audio_seconds if hears else 0.0, speech_seconds),
        blank_video=blank_video and hears,
        resize=resize,
    )


def _frames_for(
    video_processor: GGMVideoProcessor | None, video: Any, frames: torch.Tensor, processor: GGMProcessor
) -> torch.Tensor | None:
    """The frames that an encoder sees: the generator's, where they are the same; `None` for one that does not look."""
    if video_processor is None:
        return None
    return frames if same_frames(processor.video_processor, video_processor) else video_processor.frames_of(video)


def is_stored_file(value: Any) -> bool:
    """Whether this is an entry of a `Video` or `Audio` column of `datasets` that is not decoded."""
    return isinstance(value, Mapping) and bool(value) and set(value) <= {"path", "bytes"}


def _unpacked(value: Any) -> Any:
    if hasattr(value, "as_py"):
        value = value.as_py()  # a value of pyarrow
    if not is_stored_file(value):
        return own_file(value)
    return value["bytes"] if value.get("bytes") is not None else value.get("path")


def _clip(value: Any) -> Any:
    """What an item calls its video, checked to be one, so that nothing unknown is taken for a clip."""
    video = _unpacked(value)
    if isinstance(video, (list, tuple)):
        is_clip = all(isinstance(image, (Image.Image, np.ndarray, torch.Tensor)) for image in video)
    elif isinstance(video, np.ndarray):
        is_clip = video.dtype.kind in "uif"
    else:
        is_clip = video is None or is_media_source(video) or isinstance(video, (Media, torch.Tensor))
    if not (is_clip or is_video_decoder(video)):
        raise InputError(
            f"The item's clip is a {type(video).__name__}{_of_what(video)}: pass a path, a URL, bytes, a file object,"
            " frames as an array (f, h, w, 3) or as a list of images, or a dict with a `video`; several clips as a"
            " list of items."
        )
    return video


def _of_what(video: Any) -> str:
    return f" of {type(video[0]).__name__}" if isinstance(video, (list, tuple)) and video else ""
