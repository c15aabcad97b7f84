"""The arguments of the trainers: transformers' own, with the defaults of the paper."""

from dataclasses import dataclass, field
from typing import Any

from transformers import Seq2SeqTrainingArguments, TrainingArguments

from ..errors import ArgumentError
from ..hub_cards.results import METRICS
from .check_arguments import REFUSED_BY_TRAINERS, check_numbers, check_refused

NEGATIVES = ("batch", "random", "mined", "compositional")
# Switches of the retriever's loss, and of its space.
CONTRASTIVE = (
    "decoupled_loss", "propensity_power", "false_negative_power", "negatives", "num_negatives", "negative_margin",
    "matryoshka_dims", "whitening_power",
)  # fmt: skip


@dataclass
class ShortsTrainingArguments:
    """What [`GGMTrainingArguments`] and [`RetrieverTrainingArguments`] set and check alike; made of one of them."""

    warmup_steps: float = field(default=20, metadata={"help": "Steps of linear warm-up."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save: as eval_strategy, or 'best'."})
    remove_unused_columns: bool = field(default=False, metadata={"help": "The collator needs every column."})
    report_to: str = field(default="none", metadata={"help": "Where to log: tensorboard, wandb, ..."})

    def __post_init__(self):
        check_refused(self, REFUSED_BY_TRAINERS)
        check_numbers(self)
        super().__post_init__()


@dataclass
class GGMTrainingArguments(ShortsTrainingArguments, Seq2SeqTrainingArguments):
    """
    Arguments of [`GGMTrainer`]: `Seq2SeqTrainingArguments` with the settings of the released research code. Everything
    that is not listed is as in transformers, so that training begins without validation (`eval_strategy="no"`).

    Args:
        learning_rate (`float`, *optional*, defaults to 5e-5): peak learning rate.
        num_train_epochs (`float`, *optional*, defaults to 30).
        per_device_train_batch_size (`int`, *optional*, defaults to 32): clips per process.
        warmup_steps (`float`, *optional*, defaults to 20): steps of linear warm-up.
        predict_with_generate (`bool`, *optional*, defaults to `True`): generate hashtags in validation, of which there
            are metrics then, rather than compute the loss alone.
        metric_for_best_model (`str`, *optional*, defaults to `"rouge1"`): the metric by which
            `load_best_model_at_end` chooses.

    Raises:
        ArgumentError: an argument is one that the trainers cannot be used with, or its value is out of range.

    Example:

    ```python
    >>> from transformers_ggm import GGMTrainingArguments
    >>> arguments = GGMTrainingArguments("outputs/ggm", eval_strategy="epoch", load_best_model_at_end=True)
    >>> arguments.learning_rate, arguments.num_train_epochs, arguments.predict_with_generate
    (5e-05, 30.0, True)

    ```
    """

    learning_rate: float = field(default=5e-5, metadata={"help": "Peak learning rate of the generator."})
    num_train_epochs: float = field(default=30.0, metadata={"help": "Epochs of the generator."})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "Clips per process."})
    per_device_eval_batch_size: int = field(default=8, metadata={"help": "Clips per process in evaluation."})
    predict_with_generate: bool = field(
        default=True, metadata={"help": "Generate hashtags in validation, not only compute the loss."}
    )
    metric_for_best_model: str = field(
        default="rouge1", metadata={"help": f"Validation metric that decides: {', '.join(METRICS)}, or loss."}
    )
    include_num_input_tokens_seen: str = field(
        default="no", metadata={"help": "Which text tokens of the generator are counted: all, non_padding or no."}
    )


@dataclass
class RetrieverTrainingArguments(ShortsTrainingArguments, TrainingArguments):
    """
    Arguments of [`RetrieverTrainer`]: `TrainingArguments` with the settings that `train.py` uses for the retriever.

    Args:
        learning_rate (`float`, *optional*, defaults to 1e-5): peak learning rate.
        num_train_epochs (`float`, *optional*, defaults to 10).
        per_device_train_batch_size (`int`, *optional*, defaults to 64): pairs per process. The negatives of a pair are
            the others of its batch, so that no batch may be larger than the training data.
        warmup_steps (`float`, *optional*, defaults to 20): steps of linear warm-up.
        weight_decay (`float`, *optional*, defaults to 0.01).
        decoupled_loss (`bool`, *optional*, defaults to `False`), false_negative_power (`float`, *optional*, defaults
            to 0.0), negative_margin (`float`, *optional*), matryoshka_dims (`list[int]`, *optional*): see
            [`HashtagContrastiveLoss`].
        propensity_power (`float`, *optional*, defaults to 0.0): see [`propensity_weights`].
        negatives (`str`, *optional*, defaults to `"batch"`): `"random"` adds any hashtags to those of the batch,
            `"mined"` those that the retriever, as it is when an epoch begins, finds near to each row, and
            `"compositional"` those that share a word with one of the row's.
        num_negatives (`int`, *optional*, defaults to 1): so many of them for each pair.
        whitening_power (`float`, *optional*): what was trained is whitened with this power, from 0 to 1: see
            [`HashtagRetriever.fit_whitening`].
        metric_for_best_model (`str`, *optional*, defaults to `"loss"`): the metric by which `load_best_model_at_end`
            chooses.

    Raises:
        ArgumentError: an argument is one that the trainers cannot be used with, or its value is out of range.

    Example:

    ```python
    >>> from transformers_ggm import RetrieverTrainingArguments
    >>> arguments = RetrieverTrainingArguments("outputs/retriever")
    >>> arguments.learning_rate, arguments.per_device_train_batch_size
    (1e-05, 64)

    ```
    """

    learning_rate: float = field(default=1e-5, metadata={"help": "Peak learning rate of the retriever."})
    num_train_epochs: float = field(default=10.0, metadata={"help": "Epochs of the retriever."})
    per_device_train_batch_size: int = field(default=64, metadata={"help": "Pairs per process."})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "Pairs per process in evaluation."})
    weight_decay: float = field(default=0.01, metadata={"help": "AdamW's weight decay."})
    decoupled_loss: bool = field(default=False, metadata={"help": "Leave the positive out of the loss's denominator."})
    propensity_power: float = field(
        default=0.0, metadata={"help": "A pair counts its hashtag's uses to the power of minus this."}
    )
    false_negative_power: float = field(
        default=0.0, metadata={"help": "How fast negatives count less that lie near a true hashtag."}
    )
    negatives: str = field(
        default="batch",
        metadata={"help": f"Negatives beside those of the batch: {', '.join(NEGATIVES)}; 'batch' has none."},
    )
    num_negatives: int = field(default=1, metadata={"help": "So many of them for each pair."})
    negative_margin: float | None = field(
        default=None, metadata={"help": "Leave out those nearer than the positive's cosine less this."}
    )
    matryoshka_dims: list[int] | None = field(
        default=None, metadata={"help": "Numbers of a vector that are to be a vector of their own."}
    )
    whitening_power: float | None = field(
        default=None, metadata={"help": "Whiten the trained space with this power, from 0 (centre it) to 1."}
    )
    metric_for_best_model: str = field(default="loss", metadata={"help": "Validation metric that decides."})

    def __post_init__(self):
        super().__post_init__()
        check_contrastive(self)


def check_contrastive(arguments: Any, prefix: str = "") -> None:
    """
    Raises:
        ArgumentError: a switch of the retriever's loss, whose names begin with `prefix`, cannot be used.
    """
    values = {name: getattr(arguments, f"{prefix}{name}") for name in CONTRASTIVE}
    if values["negatives"] not in NEGATIVES:
        raise ArgumentError(f"`{prefix}negatives` is {values['negatives']!r}; choose from {NEGATIVES}.")
    if values["num_negatives"] < 1:
        raise ArgumentError(f"`{prefix}num_negatives` is {values['num_negatives']}, but must be 1 or more.")
    for name in ("propensity_power", "false_negative_power"):
        if not 0 <= values[name] < float("inf"):
            raise ArgumentError(f"`{prefix}{name}` is {values[name]}, but must be 0 or more.")
    if values["whitening_power"] is not None and not 0 <= values["whitening_power"] <= 1:
        raise ArgumentError(f"`{prefix}whitening_power` is {values['whitening_power']}, but must be from 0 to 1.")
    if values["negative_margin"] is not None and values["negatives"] == "batch":
        raise ArgumentError(f"`{prefix}negative_margin` is of further negatives: choose some by `{prefix}negatives`.")
