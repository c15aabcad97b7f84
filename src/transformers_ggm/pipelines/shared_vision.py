"""Whether a generator shares the vision encoder of its retriever, so that it runs once for both."""

import torch
from transformers.utils import logging

from ..modeling import GGMForHashtagGeneration, HashtagRetriever
from ..modeling.backbones import tower_of
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..processing.frame_geometry import same_frames

logger = logging.get_logger(__name__)


def shares_vision(
    model: GGMForHashtagGeneration,
    processor: GGMProcessor,
    retriever: HashtagRetriever | None,
    retriever_processor: HashtagRetrieverProcessor | None,
) -> bool:
    """
    Whether one pass of the retriever's vision tower serves both: the model says so (`vision_source="retriever"`), the
    retriever's query reads the video, and the retriever is the one that the model was trained with. Of another
    retriever a warning is given, and both vision encoders run.

    Args:
        model ([`GGMForHashtagGeneration`]), processor ([`GGMProcessor`]): The generator and its processor.
        retriever ([`HashtagRetriever`], *optional*), retriever_processor ([`HashtagRetrieverProcessor`], *optional*):
            Those that guidance comes from; none without guidance.
    """
    if model.config.vision_source != "retriever" or retriever is None or not retriever.config.query_reads_video:
        return False
    alike = same_pixel_values(processor.video_processor, retriever_processor.video_processor) and same_weights(
        model.get_encoder("video"), tower_of(retriever, "vision")
    )
    if not alike:
        logger.warning(
            "The model was trained to share the vision encoder of its retriever, but this retriever has another one:"
            " both encode the video, which takes longer."
        )
    return alike


def same_pixel_values(first, second) -> bool:
    """Whether two video processors make the same tensors."""
    names = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
    return same_frames(first, second) and all(_plain(first, name) == _plain(second, name) for name in names)


def _plain(video_processor, name: str):
    value = getattr(video_processor, name)
    return list(value) if isinstance(value, (list, tuple)) else value


def same_weights(own: torch.nn.Module, tower: torch.nn.Module) -> bool:
    """
    Whether all weights of a vision encoder are those of a tower, which may have more (a pooling layer). Weights that
    lie on different devices, or that have no values at hand since they are read from disk when needed, count as
    unlike: they cannot be compared where they are.
    """
    others = tower.state_dict()
    return all(name in others and _same(tensor, others[name]) for name, tensor in own.state_dict().items())


def _same(first: torch.Tensor, second: torch.Tensor) -> bool:
    return first.device == second.device and not first.is_meta and torch.equal(first, second)
