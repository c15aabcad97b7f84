"""Arguments of the training with a teacher."""

from dataclasses import dataclass, field

from ..errors import ArgumentError
from .check_arguments import check_weights


@dataclass
class DistillationArguments:
    """What a teacher adds to the losses of the trainings that have one."""

    teacher: str | None = field(
        default=None,
        metadata={"help": "Checkpoint, a folder, whose generator, retriever or classifier teaches the new one."},
    )
    distillation_alpha_hard: float = field(default=1.0, metadata={"help": "Weight of the loss on the targets."})
    distillation_alpha_soft: float = field(
        default=4.0, metadata={"help": "Weight of the divergence from the teacher, at the start."}
    )
    distillation_alpha_soft_end: float = field(
        default=1.0, metadata={"help": "That at the end; it falls, or rises, steadily."}
    )
    distillation_temperature: float = field(
        default=2.0, metadata={"help": "What both models' logits are divided by (the paper does not give it)."}
    )
    init_from_teacher: bool = field(
        default=False,
        metadata={"help": "Start with the teacher's weights as far as they reach, which the paper found to harm."},
    )

    def __post_init__(self):
        check_weights(self, ("distillation_alpha_hard", "distillation_alpha_soft", "distillation_alpha_soft_end"))
        if not 0 < self.distillation_temperature < float("inf"):
            raise ArgumentError(
                f"`distillation_temperature` is {self.distillation_temperature}, but has to be above 0."
            )
        if self.init_from_teacher and self.teacher is None:
            raise ArgumentError("`init_from_teacher` needs a `teacher`.")

    def alpha_soft(self, progress: float) -> float:
        """The weight of the teacher at a share, 0 to 1, of the training."""
        return self.distillation_alpha_soft + progress * (
            self.distillation_alpha_soft_end - self.distillation_alpha_soft
        )
