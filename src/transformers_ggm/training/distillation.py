"""
Distillation from a teacher that may be weaker than its student (Lee et al., Findings of ACL 2023): yesterday's
checkpoint teaches today's larger model.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from ..errors import ArgumentError
from ..processing.token_ids import LABEL_PADDING
from .classification_trainer import HashtagClassificationTrainer
from .distillation_arguments import DistillationArguments
from .ggm_trainer import GGMTrainer
from .retriever_trainer import RetrieverTrainer

logger = logging.get_logger(__name__)

# Points of a metric: a teacher that was 13 behind its student did harm, one 2.2 behind helped.
FAR_BEHIND = 10


def soft_cross_entropy(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """
    KL(p_teacher || p_student) over the last dimension, both softened by a temperature. It is not multiplied by the
    temperature's square, as Hinton et al. (2015) do: the paper's loss has no such factor.

    Args:
        student, teacher (`torch.FloatTensor` of shape `(..., classes)`): logits.
        temperature (`float`).

    Returns:
        `torch.FloatTensor` of shape `(...)`, float32.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.training.distillation import soft_cross_entropy

    >>> logits = torch.tensor([[1.0, 2.0, 3.0]])
    >>> soft_cross_entropy(logits, logits + 5, temperature=2.0)
    tensor([0.])

    ```
    """
    target = (teacher.float() / temperature).log_softmax(-1)
    found = (student.float() / temperature).log_softmax(-1)
    return nn.functional.kl_div(found, target, reduction="none", log_target=True).sum(-1).clamp(min=0)


def binary_soft_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """
    The same for classes that are each true or not, a sigmoid apiece: the sum of their divergences.

    Args:
        student, teacher (`torch.FloatTensor` of shape `(..., classes)`): logits.
        temperature (`float`).
    """
    both = [torch.stack([logits, torch.zeros_like(logits)], dim=-1) for logits in (student, teacher)]
    return soft_cross_entropy(*both, temperature).sum(-1)


class DistillationMixin(ABC):
    """
    Adds a teacher to a trainer: L = alpha_hard * L_hard + alpha_soft * KL(p_teacher || p_student). The teacher reads
    the same batch, once, without gradients, in evaluation mode, and in bfloat16 where the training computes in it.
    Evaluation is without it.

    Args:
        *args, **kwargs: as for the trainer.
        teacher (`PreTrainedModel`): of the same kind as the model.
        distillation ([`DistillationArguments`], *optional*): weights and temperature; defaults to the paper's.
    """

    def __init__(self, *args, teacher: PreTrainedModel, distillation: DistillationArguments | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.distillation = DistillationArguments() if distillation is None else distillation
        self.teacher = teacher.to(self.args.device).eval().requires_grad_(False)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        if not model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        taught = dict(inputs)  # losses take out of a batch what is theirs
        hard, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        soft = self.soft_loss(outputs, taught, num_items_in_batch)
        progress = self.state.global_step / max(1, self.state.max_steps)
        loss = self.distillation.distillation_alpha_hard * hard + self.distillation.alpha_soft(progress) * soft
        return (loss, outputs) if return_outputs else loss

    def teach(self, inputs: dict[str, Any]) -> Any:
        """What the teacher gives for a batch."""
        with torch.no_grad(), self.compute_loss_context_manager():
            return self.teacher(**inputs)

    @abstractmethod
    def soft_loss(self, outputs: Any, inputs: dict[str, Any], num_items_in_batch: Any) -> torch.Tensor:
        """The divergence from the teacher, a scalar on the scale of the trainer's own loss."""


class GGMDistillationTrainer(DistillationMixin, GGMTrainer):
    r"""
    [`GGMTrainer`] with a teacher, whose next-token distributions under teacher forcing, on the same targets in the
    same order, the student learns too.

    Args:
        *args, **kwargs: as for [`GGMTrainer`].
        teacher ([`GGMForHashtagGeneration`]): with the same tokens, see [`check_same_tokens`].
        distillation ([`DistillationArguments`], *optional*).

    Example:

    ```python
    >>> trainer = GGMDistillationTrainer(
    ...     student, arguments, train_dataset=posts, processing_class=processor, teacher=yesterdays_model
    ... )  # doctest: +SKIP
    >>> trainer.train()  # doctest: +SKIP

    ```
    """

    def soft_loss(self, outputs, inputs, num_items_in_batch):
        labels = inputs["labels"]
        taught = self.teach(inputs).logits
        each = soft_cross_entropy(outputs["logits"], taught, self.distillation.distillation_temperature)
        counted = (labels != LABEL_PADDING).to(each.device)
        total = (each * counted).sum()
        if num_items_in_batch is None:
            return total / counted.sum().clamp(min=1)
        return self.loss_shares * total / torch.as_tensor(num_items_in_batch, device=total.device)


class ClassifierDistillationTrainer(DistillationMixin, HashtagClassificationTrainer):
    """
    The classifier's trainer with a teacher, whose distribution over the hashtags the student learns too.

    Args:
        *args, **kwargs: as for the classifier's trainer.
        teacher ([`GGMForHashtagClassification`]): with the same hashtags in the same order and the same objective.
        distillation ([`DistillationArguments`], *optional*).

    Raises:
        ArgumentError: the teacher has other hashtags or another objective.
    """

    def __init__(self, *args, teacher, **kwargs):
        super().__init__(*args, teacher=teacher, **kwargs)
        for name in ("hashtags", "objective"):
            if getattr(teacher.config, name) != getattr(self.model.config, name):
                raise ArgumentError(f"the teacher's `{name}` is another than the classifier's, so it cannot teach it.")

    def soft_loss(self, outputs, inputs, num_items_in_batch):
        is_softmax = self.teacher.config.objective == "softmax"
        divergence = soft_cross_entropy if is_softmax else binary_soft_loss
        taught = self.teach(inputs).logits
        each = divergence(outputs["logits"], taught, self.distillation.distillation_temperature)
        # The objective of sigmoids is a mean over the hashtags.
        return each.mean() if is_softmax else each.mean() / taught.shape[-1]


class RetrieverDistillationTrainer(DistillationMixin, RetrieverTrainer):
    """
    [`RetrieverTrainer`] with a teacher, whose similarities of the process's own batch the student learns too: of each
    query to the hashtags, and of each hashtag to the queries.

    Args:
        *args, **kwargs: as for [`RetrieverTrainer`].
        teacher ([`HashtagRetriever`]): with the same tokens and query.
        distillation ([`DistillationArguments`], *optional*).
    """

    def soft_loss(self, outputs, inputs, num_items_in_batch):
        of_loss = ("hashtag_ids", "true_hashtag_ids", "hashtag_counts")
        asked = {name: value for name, value in inputs.items() if name not in of_loss}
        taught = _similarities(self.teach(asked))
        found = _similarities(outputs)
        temperature = self.distillation.distillation_temperature
        both_ways = [
            soft_cross_entropy(student, teacher, temperature).mean()
            for student, teacher in ((found, taught), (found.T, taught.T))
        ]
        return sum(both_ways) / 2


def _similarities(outputs: Any) -> torch.Tensor:
    """Scaled cosine similarities `(queries, hashtags)` of a batch."""
    return outputs.logit_scale * outputs.video_embeds @ outputs.hashtag_embeds.T


def check_same_tokens(student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase, name: str | Path) -> None:
    """
    Raises:
        ArgumentError: the two tokenizers have other tokens, so that a distribution over those of one says nothing of
            those of the other.
    """
    if student.get_vocab() != teacher.get_vocab() or student.all_special_ids != teacher.all_special_ids:
        raise ArgumentError(
            f"`teacher` {name} has another tokenizer than the model it is to teach: train the model with the teacher's"
            " (the same --text), or leave the teacher out."
        )


@torch.no_grad()
def init_from_teacher(student: nn.Module, teacher: nn.Module) -> int:
    """
    Copies the teacher's weights into the student's of the same names, as far as they reach: the first rows and columns
    of matrices that are larger in the student.

    Returns:
        `int`: how many of the student's weights were written.
    """
    known = dict(teacher.named_parameters())
    written = 0
    for name, weight in student.named_parameters():
        source = known.get(name)
        if source is None or source.ndim != weight.ndim:
            continue
        part = tuple(slice(min(sizes)) for sizes in zip(weight.shape, source.shape))
        weight[part] = source[part].to(weight)
        written += weight[part].numel()
    return written


def warn_if_far_behind(teacher: float, student: float, metric: str) -> None:
    """
    Tells of a teacher whose validation metric, of which more is better, is far below its student's: such a one was
    found to harm.
    """
    if student - teacher > FAR_BEHIND:
        logger.warning(
            f"The teacher is far behind its student: {metric} {teacher:.1f} against {student:.1f} on validation. Such"
            " teachers were found to harm: train without it, or with a better one."
        )
