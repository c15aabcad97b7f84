"""Which trainings of a run have a teacher, and what they become by it."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedModel
from transformers.utils import CONFIG_NAME, logging

from ..errors import ArgumentError
from ..modeling import GGMForHashtagClassification, GGMForHashtagGeneration, HashtagRetriever
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..utils.checkpoint_layout import CLASSIFIER_FOLDER, RETRIEVER_FOLDER
from .distillation import (
    ClassifierDistillationTrainer,
    GGMDistillationTrainer,
    RetrieverDistillationTrainer,
    check_same_tokens,
)
from .run import TrainingRun

logger = logging.get_logger(__name__)

_MODELS: dict[str, tuple[type[PreTrainedModel], str, type]] = {
    "generator": (GGMForHashtagGeneration, "", GGMDistillationTrainer),
    "retriever": (HashtagRetriever, RETRIEVER_FOLDER, RetrieverDistillationTrainer),
    "classifier": (GGMForHashtagClassification, CLASSIFIER_FOLDER, ClassifierDistillationTrainer),
}
# What a batch of frames or sounds is made by. How many there are of them is the student's choice.
_PICTURES = ("size", "crop_size", "do_center_crop", "image_mean", "image_std", "rescale_factor", "data_format")


def with_teacher(run: TrainingRun, part: str, trainer_class: type) -> tuple[type, dict[str, Any]]:
    """
    The trainer of a part, and its further arguments, with the teacher that the run names, if it has that part.

    Args:
        run ([`TrainingRun`]): the run.
        part (`str`): `"generator"`, `"retriever"` or `"classifier"`.
        trainer_class (`type`): the one without a teacher.

    Raises:
        ArgumentError: the teacher has no generator, or reads other tokens, frames or sounds than its student.
        CheckpointError: its weights cannot be read.
    """
    if run.distillation.teacher is None:
        return trainer_class, {}
    model_class, subfolder, taught_class = _MODELS[part]
    folder = Path(run.distillation.teacher, subfolder)
    if not (folder / CONFIG_NAME).is_file():
        if part == "generator":
            raise ArgumentError(f"`teacher` {folder} has no {CONFIG_NAME}: name the folder of a whole checkpoint.")
        logger.warning(f"`teacher` {run.distillation.teacher} has no {subfolder}/: the {part} is trained without.")
        return trainer_class, {}
    _check_inputs(run, part, folder)
    teacher = model_class.from_pretrained(folder)
    return taught_class, {"teacher": teacher, "distillation": run.distillation}


def _check_inputs(run: TrainingRun, part: str, folder: Path) -> None:
    if part == "classifier":
        student = run.shorts.processor
        if (folder / "tokenizer_config.json").is_file():
            check_same_tokens(student.tokenizer, AutoTokenizer.from_pretrained(folder), folder)
        return
    is_generator = part == "generator"
    student = run.shorts.processor if is_generator else run.shorts.retriever_processor
    teacher = (GGMProcessor if is_generator else HashtagRetrieverProcessor).from_pretrained(folder)
    check_same_tokens(student.tokenizer, teacher.tokenizer, folder)
    for name in _PICTURES:
        if getattr(student.video_processor, name, None) != getattr(teacher.video_processor, name, None):
            raise ArgumentError(
                f"`teacher` {folder} sees frames of another `{name}` than the model it is to teach: both read the"
                " same batch. Train with the teacher's backbones, or leave the teacher out."
            )
    if is_generator and _sounds(student) != _sounds(teacher):
        raise ArgumentError(f"`teacher` {folder} hears sounds by another feature extractor than its student.")


def _sounds(processor: GGMProcessor) -> dict[str, Any] | None:
    extractor = processor.feature_extractor
    return None if extractor is None else extractor.to_dict()
