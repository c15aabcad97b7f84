"""What is said and written in clips, read while they are prepared: decoded by workers, read here, many at a time."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import pyarrow as pa
import torch
from datasets import Features, Value
from torchvision.io import ImageReadMode, decode_image, encode_jpeg
from transformers.utils import logging

from ...errors import DatasetError, MediaError
from ...processing import Media
from ...processing.media.audio import resample
from ...processing.reading import ScreenReader, distinct_frames, load_speech_reader
from ...processing.reading.voice_activity import SPEECH_RATE
from .options import SCREEN_TEXT, TRANSCRIPT, ReadingOptions

logger = logging.get_logger(__name__)

# The field of a row with what is to be read of its clip, by the column that it is read for.
TO_READ = "to_read"
# Clips whose speech is read together.
_BATCH_ROWS = 16
# So that small letters stay as they are, and frames small on their way from the workers.
_JPEG_QUALITY = 95


def wanted_columns(row: Mapping[str, Any], options: ReadingOptions) -> list[str]:
    """The columns that are to be read for a row: what it has of its own is used as it is."""
    return [column for column in options.columns if row.get(column) is None]


def to_read(media: Media, wanted: list[str], options: ReadingOptions) -> dict[str, Any]:
    """
    What of a clip is to be read.

    Args:
        media ([`Media`]): the clip, decoded.
        wanted (`list[str]`): the columns.
        options ([`ReadingOptions`]): which frames, and how much of the sound.

    Returns:
        `dict`: for `transcript` the sound (n,) float32 at 16 kHz, or `None`; for `screen_text` JPEG files (n,) uint8
        of frames that differ.
    """
    found: dict[str, Any] = {}
    if TRANSCRIPT in wanted:
        found[TRANSCRIPT] = None
        if media.audio is not None:
            heard = media.audio[: round(options.speech_seconds * media.sampling_rate)]
            found[TRANSCRIPT] = resample(heard, media.sampling_rate, SPEECH_RATE)
    if SCREEN_TEXT in wanted:
        chosen = distinct_frames(media.frames, options.screen_frames)
        found[SCREEN_TEXT] = [encode_jpeg(media.frames[number], _JPEG_QUALITY) for number in chosen]
    return found


def with_read_columns(further: Features, options: ReadingOptions) -> Features:
    """
    The columns of a source with those that reading adds.

    Raises:
        DatasetError: the source has a column of that name without text in it.
    """
    for column in options.columns:
        kind = further.arrow_schema.field(column).type if column in further else pa.null()
        if not (pa.types.is_null(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise DatasetError(
                f"The column {column!r} of the source has the type {kind}, but reading writes text there: rename it, "
                f"as in columns={{'my_{column}': {column!r}}}, or leave it out with columns={{{column!r}: None}}."
            )
    return Features({**further, **{column: Value("large_string") for column in options.columns}})


class ClipReader:
    """
    Reads speech and screens of the clips of many rows.

    Args:
        options ([`ReadingOptions`]): what is read, and by what.

    Raises:
        ImportError: a package of the extra `speech` or `ocr` is missing.
        CheckpointError: there is no such speech model.
    """

    def __init__(self, options: ReadingOptions):
        self.columns = options.columns
        self.speech = self.screen = None
        if options.read_speech is not None:
            self.speech = load_speech_reader(
                options.read_speech, thresholds=options.thresholds, voice_activity=options.voice_activity
            )
        if options.read_screen:
            self.screen = ScreenReader(options.screen_options)

    def read(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """
        Rows with the columns that were read: text, `""` where there is none, `None` where nothing could be read, as in
        rows without a clip.

        Args:
            rows (iterable of `dict`): as [`prepare_clip`] gives them, with [`TO_READ`] where there is something to be
                read.
        """
        rows = iter(rows)
        while batch := list(islice(rows, _BATCH_ROWS)):
            material = [row.pop(TO_READ, {}) for row in batch]
            for row in batch:
                row.update({column: row.get(column) for column in self.columns})
            self._read_speech(batch, material)
            self._read_screens(batch, material)
            yield from batch

    def _read_speech(self, rows: list[dict[str, Any]], material: list[dict[str, Any]]) -> None:
        asked = [(row, found[TRANSCRIPT]) for row, found in zip(rows, material) if TRANSCRIPT in found]
        if not asked:
            return
        languages = [row["language"] if isinstance(row.get("language"), str) else None for row, _ in asked]
        transcripts = self.speech.read([sound for _, sound in asked], languages)
        for (row, _), transcript in zip(asked, transcripts):
            row[TRANSCRIPT] = transcript.believed

    def _read_screens(self, rows: list[dict[str, Any]], material: list[dict[str, Any]]) -> None:
        for row, found in zip(rows, material):
            if SCREEN_TEXT in found:
                frames = torch.stack([decode_image(file, ImageReadMode.RGB) for file in found[SCREEN_TEXT]])
                try:
                    row[SCREEN_TEXT] = self.screen.read(frames)
                except MediaError as error:
                    # One clip must not cost the others.
                    logger.warning(f"{row['file_name']}: {error}")
