"""Hashtags for short videos: the Guided Generative Model (GGM, Yu et al., ACL 2023) for transformers."""

import sys
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING

from .version import __version__ as __version__


def _is_command() -> bool:
    """Whether this is the process of `ggm ...` or `python -m transformers_ggm ...`."""
    program = PurePath(sys.argv[0]).name if getattr(sys, "argv", None) else ""
    if program != "-m":  # what Python says until it knows the module's file
        return program in ("ggm", "ggm.exe")
    return sys.orig_argv[sys.orig_argv.index("-m") + 1] == __name__


# Importing PyTorch and transformers takes seconds. The command loads what it needs once it knows that it needs it, so
# that its help comes at once; for everybody else, importing this package makes its classes known to transformers.
if TYPE_CHECKING or not _is_command():
    from .data import DataCollatorForHashtagGeneration, load_shorts
    from .errors import MediaError
    from .hub import push_checkpoint_to_hub, save_remote_code
    from .modeling import (
        GGMConfig,
        GGMForHashtagClassification,
        GGMForHashtagGeneration,
        GGMModel,
        HashtagClassifierConfig,
        HashtagRetriever,
        HashtagRetrieverConfig,
    )
    from .pipelines import DEMO_CHECKPOINT, HashtagGenerationPipeline, registration  # noqa: F401
    from .processing import (
        GGMProcessor,
        GGMVideoProcessor,
        HashtagRetrieverProcessor,
        extract_hashtags,
        is_valid_hashtag,
        normalize_hashtag,
    )
    from .retrieval import HashtagPool
else:

    def __getattr__(name: str):
        """For code that a command runs, and that imports this package by itself."""
        if name in __all__:
            for folder in ("data", "errors", "hub", "modeling", "pipelines", "processing", "retrieval", "training"):
                module = import_module(f".{folder}", __name__)
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "DataCollatorForHashtagGeneration",
    "GGMConfig",
    "GGMForHashtagClassification",
    "GGMForHashtagGeneration",
    "GGMModel",
    "GGMProcessor",
    "GGMVideoProcessor",
    "HashtagClassifierConfig",
    "HashtagGenerationPipeline",
    "HashtagPool",
    "HashtagRetriever",
    "HashtagRetrieverConfig",
    "HashtagRetrieverProcessor",
    "MediaError",
    "extract_hashtags",
    "is_valid_hashtag",
    "load_shorts",
    "normalize_hashtag",
    "push_checkpoint_to_hub",
    "save_remote_code",
]
