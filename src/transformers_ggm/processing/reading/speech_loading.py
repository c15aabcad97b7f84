"""From the name of a checkpoint to what reads speech with it."""

from pathlib import Path
from typing import Any

from transformers import MODEL_FOR_CTC_MAPPING, MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING, AutoConfig

from ...errors import CheckpointError
from ...utils.hub_snapshots import local_folder
from ...utils.opening import foreign
from .faster_whisper_reader import FasterWhisperReader
from .speech_reader import SpeechReader
from .transcripts import SpeechThresholds
from .transformers_speech import CTCReader, SeqToSeqReader, WhisperReader

# A checkpoint has its weights in one of these, and repositories of transformers' often in other forms besides.
_CTRANSLATE2_WEIGHTS = "model.bin"
_FILES = ("*.json", "*.txt", "*.model", "model.safetensors", "model-*.safetensors", _CTRANSLATE2_WEIGHTS)


def load_speech_reader(
    name: str,
    *,
    device: str | None = None,
    thresholds: SpeechThresholds | None = None,
    voice_activity: bool = True,
    **hub: Any,
) -> SpeechReader:
    """
    Loads a reader of speech.

    Args:
        name (`str`): Folder or Hub id of an `automatic-speech-recognition` model of transformers (Whisper, Moonshine,
            Wav2Vec2, ...), with safetensors, or of a Whisper in CTranslate2's format, which faster-whisper reads.
        device (`str`, *optional*): Such as `"cpu"` or `"cuda:0"`; a GPU by default, where there is one.
        thresholds ([`SpeechThresholds`], *optional*): From where on a transcript is not believed.
        voice_activity (`bool`, defaults to `True`): Whether only those parts are read in which Silero VAD hears a
            voice.
        **hub: `revision`, `token`, `cache_dir` and `local_files_only`, as in `huggingface_hub.snapshot_download`.

    Returns:
        [`SpeechReader`].

    Raises:
        CheckpointError: Neither a folder nor a repository that can be read, or no speech model.
        ImportError: The extra `speech` is needed, and not installed.

    Example:

    ```python
    from transformers_ggm.processing import decode_media
    from transformers_ggm.processing.reading import load_speech_reader

    reader = load_speech_reader("openai/whisper-tiny")
    first_frame = {"sample_timestamps": lambda seconds: [0.0]}
    clip = decode_media("clip.mp4", **first_frame, sampling_rate=16_000, max_audio_seconds=60.0)
    reader.read([clip.audio])[0].believed
    ```
    """
    failure = f"{name} is neither a folder nor a repository with a speech model: check the name."
    folder = local_folder(name, _FILES, failure, **hub)
    settings = {"device": device, "thresholds": thresholds, "voice_activity": voice_activity}
    if (folder / _CTRANSLATE2_WEIGHTS).is_file():
        return FasterWhisperReader(folder, **settings)
    return _transformers_class(folder, name)(folder, **settings)


def _transformers_class(folder: Path, name: str) -> type[SpeechReader]:
    with foreign(name, CheckpointError):
        config = AutoConfig.from_pretrained(folder)
    if config.model_type == "whisper":
        return WhisperReader
    if type(config) in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING:
        return SeqToSeqReader
    if type(config) in MODEL_FOR_CTC_MAPPING:
        return CTCReader
    raise CheckpointError(
        f"{name} is a model of the kind {config.model_type!r}, which writes down no speech: give one for "
        "automatic-speech-recognition, such as openai/whisper-tiny."
    )
