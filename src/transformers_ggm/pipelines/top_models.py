"""The kinds of models that a checkpoint may have at its top, with what the pipeline needs for each."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel, ProcessorMixin

from ..modeling import GGMConfig, InstructedConfig, RetrievalOnlyConfig
from ..processing import ClipProcessor, GGMProcessor, InstructedProcessor
from .ggm_writing import GGMWriter
from .instructed_writer import InstructedWriter
from .writing import HashtagWriter


@dataclass(frozen=True)
class TopModel:
    """
    One kind of model.

    Attributes:
        processor (`type[ProcessorMixin]`): of the processor beside the model.
        writer (`type[HashtagWriter]`, *optional*): of what writes hashtags by it; `None` for none.
    """

    processor: type[ProcessorMixin]
    writer: type[HashtagWriter] | None

    def writer_of(self, *parts: Any) -> HashtagWriter | None:
        """What writes hashtags in a pipeline of these parts: the arguments of [`HashtagWriter`]."""
        return None if self.writer is None else self.writer(*parts)


# By model type.
TOP_MODELS = {
    GGMConfig.model_type: TopModel(GGMProcessor, GGMWriter),
    InstructedConfig.model_type: TopModel(InstructedProcessor, InstructedWriter),
    RetrievalOnlyConfig.model_type: TopModel(ClipProcessor, None),
}


def top_model(model: PreTrainedModel) -> TopModel:
    """The kind of a model; models of other types are taken for a GGM."""
    return TOP_MODELS.get(model.config.model_type, TOP_MODELS[GGMConfig.model_type])
