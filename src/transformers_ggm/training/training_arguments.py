"""The arguments of the trainers: transformers' own, with the defaults of the paper."""

from dataclasses import dataclass, field

from transformers import Seq2SeqTrainingArguments, TrainingArguments

from ..hub_cards.results import METRICS
from .check_arguments import REFUSED_BY_TRAINERS, check_numbers, check_refused


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
    metric_for_best_model: str = field(default="loss", metadata={"help": "Validation metric that decides."})
