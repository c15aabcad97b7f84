"""What computes the models of a pipeline."""

from transformers import PreTrainedModel

from ..backends import use_openvino
from ..errors import InputError
from ..modeling import HashtagRetriever
from ..recommendation import Recommender
from ..utils.checkpoint_layout import OPENVINO_FOLDER
from .components import Checkpoint


def choose_backend(
    backend: str,
    int8: bool,
    model: PreTrainedModel,
    retriever: HashtagRetriever | None,
    recommender: Recommender | None,
    checkpoint: Checkpoint,
) -> None:
    """
    Puts models in OpenVINO's hands, where that was asked for.

    Args:
        backend (`str`), int8 (`bool`): as of [`HashtagGenerationPipeline`].
        model (`PreTrainedModel`), retriever ([`HashtagRetriever`], *optional*), recommender ([`Recommender`],
            *optional*): changed in place.
        checkpoint ([`Checkpoint`]): where they are from, which may have an `openvino/`.

    Raises:
        InputError: there is no such backend, or it cannot compute the model here.
        CheckpointError: what the checkpoint has for it cannot be read.
    """
    if backend == "openvino":
        use_openvino(model, retriever, recommender, checkpoint.folders([OPENVINO_FOLDER]).get(OPENVINO_FOLDER), int8)
    elif backend != "torch":
        raise InputError(f'backend={backend!r}: use "torch" or "openvino".')
    elif int8:
        raise InputError(
            'int8=True rounds what OpenVINO computes: pass backend="openvino" with it, for a checkpoint that was'
            " exported by `ggm export CHECKPOINT --clips FOLDER --int8`, or leave it out."
        )
