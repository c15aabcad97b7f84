"""What is said in a clip and what stands on its screen, read by models."""

from .frame_choice import distinct_frames
from .screen_reader import ScreenOptions, ScreenReader
from .speech_loading import load_speech_reader
from .speech_reader import SpeechReader
from .transcripts import SpeechThresholds, Transcript

__all__ = [
    "ScreenOptions",
    "ScreenReader",
    "SpeechReader",
    "SpeechThresholds",
    "Transcript",
    "distinct_frames",
    "load_speech_reader",
]
