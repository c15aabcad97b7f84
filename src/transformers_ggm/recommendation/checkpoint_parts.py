"""The parts of a checkpoint that sources are made of, each loaded when a source asks for it, and once."""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers.utils import PROCESSOR_NAME

from ..errors import CheckpointError
from ..modeling.modeling_ggm import GGMForHashtagGeneration
from ..modeling.modeling_hashtag_retriever import HashtagRetriever
from ..modeling.modeling_instructed import InstructedForHashtagGeneration
from ..processing import GGMProcessor, HashtagRetrieverProcessor, InstructedProcessor
from ..retrieval import DescriptionEncoder, HashtagPool, PostIndex, TextEncoder
from ..retrieval.post_files import read_posts
from ..utils.checkpoint_layout import (
    POOL_FOLDER,
    POSTS_FOLDER,
    RETRIEVER_FOLDER,
    TEXT_ENCODER_FOLDER,
    WORD_POOL_FOLDER,
    WORDS_FOLDER,
    read_configuration,
)
from .word_table import WordTable


class CheckpointParts:
    """
    What [`CandidateSource.from_settings`] makes a source of: parts that were loaded already, else those of a folder.

    Args:
        folder (`Path`): The checkpoint's; a source of one's own may read more from it.
        device (`torch.device`, *optional*): Where models that are loaded here are put; the CPU by default.
        loaded: Of `retriever`, `retriever_processor`, `hashtag_pool`, `model`, `processor` and `classifier` (a
            [`ClassifierSource`]) those that are loaded already; `None` stands for none.

    Attributes:
        guidance ([`CandidateSource`], *optional*): where a generator's guidance comes from.
        examples ([`PostsSource`], *optional*): where the similar posts come from that it is shown.
    """

    def __init__(self, folder: Path, device: torch.device | None = None, **loaded: Any):
        self.folder, self.device = folder, device or torch.device("cpu")
        self.classifier = loaded.pop("classifier", None)
        self.guidance, self.examples = None, None
        vars(self).update({name: part for name, part in loaded.items() if part is not None})

    @cached_property
    def retriever(self) -> HashtagRetriever:
        return self._model(HashtagRetriever, self.folder / RETRIEVER_FOLDER)

    @cached_property
    def retriever_processor(self) -> HashtagRetrieverProcessor:
        folder = self.folder / RETRIEVER_FOLDER
        source = folder if folder.is_dir() else Path(self.retriever.name_or_path)
        return self._part(HashtagRetrieverProcessor, source)

    @cached_property
    def hashtag_pool(self) -> HashtagPool:
        return self._part(HashtagPool, self.folder / POOL_FOLDER)

    @cached_property
    def model(self) -> GGMForHashtagGeneration | InstructedForHashtagGeneration:
        kind = InstructedForHashtagGeneration if self._is_instructed else GGMForHashtagGeneration
        return self._model(kind, self.folder)

    @cached_property
    def processor(self) -> GGMProcessor | InstructedProcessor:
        return self._part(InstructedProcessor if self._is_instructed else GGMProcessor, self.folder)

    @cached_property
    def words(self) -> WordTable:
        """The counts of hashtags."""
        return WordTable.from_pretrained(self.folder / WORDS_FOLDER)

    @cached_property
    def text_encoder(self) -> TextEncoder:
        encoder = self._part(TextEncoder, self.folder / TEXT_ENCODER_FOLDER)
        encoder.model.to(self.device)
        return encoder

    @cached_property
    def word_pool(self) -> HashtagPool:
        """Hashtags by the vectors that the text encoder gave their words."""
        return self._part(HashtagPool, self.folder / WORD_POOL_FOLDER)

    @cached_property
    def posts(self) -> PostIndex:
        """The index of posts with its encoder: the text encoder, else the retriever."""
        contents = read_posts(self.folder / POSTS_FOLDER)
        if contents.vectors is None:
            return PostIndex(contents)
        own = (self.folder / TEXT_ENCODER_FOLDER).is_dir()
        if own and self.text_encoder.fingerprint() == contents.encoder_fingerprint:
            return PostIndex(contents, self.text_encoder)
        if own and not self._has_retriever:
            return PostIndex(contents, self.text_encoder)  # which refuses it
        return PostIndex(contents, DescriptionEncoder(self.retriever, self.retriever_processor))

    @property
    def _is_instructed(self) -> bool:
        """Whether a language model writes the hashtags."""
        path = self.folder / PROCESSOR_NAME
        return path.is_file() and read_configuration(path).get("processor_class") == InstructedProcessor.__name__

    @property
    def _has_retriever(self) -> bool:
        return "retriever" in vars(self) or (self.folder / RETRIEVER_FOLDER).is_dir()

    def _model(self, kind: type, folder: Path) -> Any:
        return self._part(kind, folder).to(self.device).eval()

    def _part(self, kind: type, folder: Path) -> Any:
        if not folder.is_dir():
            raise CheckpointError(
                f"{folder} is missing, from which a source loads its {kind.__name__}: save or download the whole"
                " checkpoint again, or pass the part that you have (retriever=, hashtag_pool=, model=, ...)."
            )
        try:
            return kind.from_pretrained(folder)
        except CheckpointError:
            raise
        except (OSError, ValueError, SafetensorError) as error:
            raise CheckpointError(f"{folder} cannot be loaded as a {kind.__name__}: {error}") from error
