"""The libraries that reading needs, which are extras of this package."""


def import_faster_whisper() -> None:
    """
    Raises:
        ImportError: faster-whisper is not installed; tells how to.
    """
    try:
        import faster_whisper  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Reading speech needs faster-whisper, which also finds out where somebody speaks: pip install "
            "'transformers-ggm[speech]'. A model of transformers does without, where `voice_activity` is False."
        ) from error


def import_rapidocr() -> None:
    """
    Raises:
        ImportError: rapidocr or onnxruntime is not installed; tells how to.
    """
    try:
        import onnxruntime  # noqa: F401
        import rapidocr  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Reading the screen needs rapidocr and onnxruntime: pip install 'transformers-ggm[ocr]'."
        ) from error
