"""The libraries that reading needs, which are extras of this package."""

from types import ModuleType


def import_faster_whisper() -> ModuleType:
    """
    The library, with its detector of voices as `vad`.

    Raises:
        ImportError: faster-whisper is not installed; tells how to.
    """
    try:
        import faster_whisper.vad
    except ImportError as error:
        raise ImportError(
            "Reading speech needs faster-whisper, which also finds out where somebody speaks: pip install "
            "'transformers-ggm[speech]'. A model of transformers does without, where `voice_activity` is False."
        ) from error
    return faster_whisper


def import_rapidocr() -> ModuleType:
    """
    The library, which does nothing without onnxruntime.

    Raises:
        ImportError: rapidocr or onnxruntime is not installed; tells how to.
    """
    try:
        import onnxruntime  # noqa: F401
        import rapidocr
    except ImportError as error:
        raise ImportError(
            "Reading the screen needs rapidocr and onnxruntime: pip install 'transformers-ggm[ocr]'."
        ) from error
    return rapidocr
