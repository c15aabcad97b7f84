"""The retriever's trainer: a dataset of shorts in, a model that knows which hashtags lie near a clip out."""

from collections import Counter
from dataclasses import replace
from typing import Any

import torch
from accelerate import Accelerator
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging

from ..data import DataCollatorForHashtagRetrieval
from ..data.collator import is_true_of
from ..data.negative_hashtags import CompositionalNegatives, MinedNegatives, RandomNegatives
from ..errors import ArgumentError
from ..modeling import HashtagContrastiveLoss, HashtagRetriever
from ..modeling.contrastive_loss import propensity_weights
from ..processing import HashtagRetrieverProcessor
from ..processing.hashtag_fields import read_hashtags
from ..retrieval import HashtagPool
from .fit_whitening import whiten
from .guidance import retrieve
from .run_records import TrainingRecord
from .shorts_trainer import ShortsTrainerMixin, changed
from .trainer_datasets import retriever_rows
from .training_arguments import RetrieverTrainingArguments

logger = logging.get_logger(__name__)


class RetrieverTrainer(ShortsTrainerMixin, Trainer):
    r"""
    `Trainer` for [`HashtagRetriever`]: contrastive learning of pairs of a query (the video, as published) and one of
    its hashtags, drawn anew in every epoch. The loss is that of the global batch, however many processes share it; a
    hashtag that is true of another row's clip is not that row's negative. Clips are decoded by the data loader's
    workers (`dataloader_num_workers`), anew in every epoch.

    Args:
        model ([`HashtagRetriever`]): the model.
        args ([`RetrieverTrainingArguments`], *optional*): defaults to those with the output folder `"retriever"`.
        train_dataset (`datasets.Dataset`, *optional*): with the columns that [`ShortsDataset`] tells of; or a split
            of [`~transformers_ggm.data.load_prepared`] or what [`~transformers_ggm.data.decode_split`] gives. Rows
            with no hashtag, or without what the model's query is made of, are left out with a warning.
        eval_dataset (`datasets.Dataset` or `dict[str, datasets.Dataset]`, *optional*): as `train_dataset`. Of each row
            the same hashtag is taken in every validation.
        processing_class ([`HashtagRetrieverProcessor`]): the model's processor, which is saved with it.
        data_collator ([`DataCollatorForHashtagRetrieval`], *optional*): another one than that with the defaults, the
            model's query and the arguments' `seed`: it says how hashtags and frames are drawn.
        **kwargs: as for `Trainer`.

    Raises:
        ArgumentError: there is no `processing_class`, the arguments have `remove_unused_columns`, a dataset is a
            stream, there are fewer rows than a batch takes, or FSDP is to cut the model up.
        DatasetError: a dataset has no column `hashtags`, or neither `video` nor `description`, or no row to learn
            from.

    Example:

    ```python
    >>> from datasets import Dataset
    >>> from transformers_ggm import HashtagRetriever, HashtagRetrieverProcessor
    >>> from transformers_ggm import RetrieverTrainer, RetrieverTrainingArguments
    >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT

    >>> posts = {"video": ["a.mp4", "b.mp4"], "hashtags": [["snow", "toronto"], ["lake"]]}
    >>> trainer = RetrieverTrainer(
    ...     HashtagRetriever.from_pretrained(f"{DEMO_CHECKPOINT}/retriever"),
    ...     RetrieverTrainingArguments("outputs/retriever", per_device_train_batch_size=2, use_cpu=True),
    ...     train_dataset=Dataset.from_dict(posts),
    ...     processing_class=HashtagRetrieverProcessor.from_pretrained(f"{DEMO_CHECKPOINT}/retriever"),
    ... )
    >>> trainer.train()  # doctest: +SKIP

    ```
    """

    part = "retriever"

    def __init__(
        self,
        model: HashtagRetriever,
        args: TrainingArguments | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: HashtagRetrieverProcessor | None = None,
        data_collator: DataCollatorForHashtagRetrieval | None = None,
        **kwargs,
    ):
        args = RetrieverTrainingArguments("retriever") if args is None else args
        if processing_class is None:
            raise ArgumentError("`processing_class` is missing: give the model's `HashtagRetrieverProcessor`.")
        if data_collator is None:
            data_collator = DataCollatorForHashtagRetrieval(processing_class, query=model.config.query, seed=args.seed)
        eval_data_collator = replace(data_collator, frames_per_clip=0, negatives=None)
        eval_data_collator.set_epoch(0)  # the same pairs in every validation, so that the losses can be compared
        super().__init__(
            model,
            args,
            data_collator=data_collator,
            eval_data_collator=eval_data_collator,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            **kwargs,
        )
        if self.is_fsdp_enabled:
            raise ArgumentError(
                "The retriever is not cut up by FSDP: every process needs all of it to encode the pool's hashtags."
                " Launch its stage without FSDP, as docs/devices.md tells, and the generator's with it."
            )
        self.loss = HashtagContrastiveLoss(
            decoupled=getattr(args, "decoupled_loss", False),
            false_negative_power=getattr(args, "false_negative_power", 0.0),
            negative_margin=getattr(args, "negative_margin", None),
            matryoshka_dims=tuple(getattr(args, "matryoshka_dims", None) or ()),
        )
        self.propensity_power = getattr(args, "propensity_power", 0.0)
        if self.train_dataset is not None:
            self._set_negatives(getattr(args, "negatives", "batch"))

    def _set_negatives(self, kind: str) -> None:
        """Has the collator of training draw further negatives, and count hashtags where their loss goes by that."""
        if kind == "batch" and not self.propensity_power:
            return
        counts = hashtag_counts(self.train_dataset)
        collator = self.data_collator
        if collator.counts is None:
            collator.counts = counts
        if kind == "random":
            collator.negatives = RandomNegatives(list(counts))
        elif kind == "compositional":
            collator.negatives = CompositionalNegatives(list(counts))
        elif kind == "mined":
            collator.negatives = MinedNegatives(list(counts), len(self.train_dataset))
            self.add_callback(MineNegatives(self, collator.negatives))
        if kind != "batch":
            collator.num_negatives = self.args.num_negatives

    def _rows_of(self, dataset: Any, name: str | None) -> Any:
        return retriever_rows(dataset, self.data_collator.processor, self.data_collator.query, name)

    def get_train_dataloader(self):
        num_rows, batch_size = len(self.train_dataset), self.args.train_batch_size * self.args.world_size
        if num_rows < batch_size:
            raise ArgumentError(
                f"`per_device_train_batch_size` is {self.args.per_device_train_batch_size}, but there are {num_rows}"
                f" rows to learn from, fewer than one batch of {batch_size}: make it smaller."
            )
        # Processes exchange their vectors, which takes batches of one size.
        with changed(self.args, dataloader_drop_last=True):
            return super().get_train_dataloader()

    def train(self, *args, **kwargs):
        """
        As in transformers. Where there is validation, it comes before the training, too: if the loss was smaller
        before than after it, a warning says so; the record beside the checkpoints has both. With `whitening_power`,
        what was trained is whitened at the end, and a whitening that the model had is left out before.
        """
        whitening_power = getattr(self.args, "whitening_power", None)
        if whitening_power is not None:
            self.model.remove_whitening()
        validates = self.eval_dataset is not None and self.args.eval_strategy != "no"
        with changed(self.args, eval_on_start=validates):
            output = super().train(*args, **kwargs)
        self._compare_with_untrained()
        if whitening_power is not None:
            self._whiten(whitening_power)
        return output

    def _whiten(self, power: float) -> None:
        model = self.accelerator.unwrap_model(self.model)
        whiten(
            model, self.processing_class, self.train_dataset, list(hashtag_counts(self.train_dataset)), power,
            self.args.per_device_eval_batch_size, self.args.dataloader_num_workers,
        )  # fmt: skip

    def _compare_with_untrained(self) -> None:
        losses = {entry["step"]: entry["eval_loss"] for entry in self.state.log_history if "eval_loss" in entry}
        if 0 not in losses or len(losses) == 1:
            return
        best = self.state.best_global_step if self.args.load_best_model_at_end else None
        trained = losses.get(best, losses[max(losses)])
        if self.is_world_process_zero():
            TrainingRecord(self.args.output_dir).add(untrained={"loss": losses[0]})
        if trained > losses[0]:
            logger.warning(
                f"The retriever is worse than before its training: its loss on the validation split was"
                f" {losses[0]:.4g} and is {trained:.4g}. Use the untrained one, or train with a smaller learning rate."
            )

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        hashtag_ids, true_hashtag_ids = inputs.pop("hashtag_ids"), inputs.pop("true_hashtag_ids")
        counts = inputs.pop("hashtag_counts", None)
        outputs = model(**inputs)
        video_embeds, hashtag_embeds = outputs.video_embeds, outputs.hashtag_embeds
        if model.training and self.args.world_size > 1:
            num_pairs = len(video_embeds)
            video_embeds = gather_with_gradients(video_embeds, self.accelerator)
            # The pairs of all processes come before the further negatives of any.
            parts = (hashtag_embeds[:num_pairs], hashtag_embeds[num_pairs:])
            hashtag_embeds = torch.cat([gather_with_gradients(part, self.accelerator) for part in parts if len(part)])
            ids = (hashtag_ids[:num_pairs], hashtag_ids[num_pairs:])
            hashtag_ids = torch.cat([self.accelerator.gather(part) for part in ids if len(part)])
            true_hashtag_ids = self.accelerator.gather(true_hashtag_ids)
            counts = None if counts is None else self.accelerator.gather(counts)
        is_true = is_true_of(hashtag_ids, true_hashtag_ids)
        is_weighed = model.training and self.propensity_power and counts is not None
        weights = propensity_weights(counts, self.propensity_power) if is_weighed else None
        loss = self.loss(video_embeds, hashtag_embeds, outputs.logit_scale, is_true, weights)
        return (loss, outputs) if return_outputs else loss

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        with torch.no_grad():
            loss = self.compute_loss(model, self._prepare_inputs(inputs))
        return loss.detach(), None, None


def hashtag_counts(rows: Any) -> Counter[str]:
    """How often the rows of a training use each hashtag."""
    columns = getattr(rows, "dataset", rows)
    hashtags = columns["hashtags"] if hasattr(columns, "column_names") else [row["hashtags"] for row in columns]
    return Counter(tag for row in hashtags for tag in read_hashtags(row).hashtags)


class MineNegatives(TrainerCallback):
    """
    Finds for each row of the training the hashtags that the retriever, as it is when an epoch begins, takes for the
    nearest.

    Args:
        trainer ([`RetrieverTrainer`]), negatives ([`MinedNegatives`]): whose they are.
    """

    def __init__(self, trainer: RetrieverTrainer, negatives: MinedNegatives):
        self.trainer, self.negatives = trainer, negatives

    def on_epoch_begin(self, args, state, control, **kwargs):
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        was_training = model.training
        processor = self.trainer.processing_class
        pool = HashtagPool.build(self.negatives.hashtags, model, processor, progress_bar=False)
        found = retrieve(
            self.trainer.train_dataset, model.eval(), processor, pool, k=50,
            batch_size=args.per_device_eval_batch_size, description="Mining negatives",
        )  # fmt: skip
        self.negatives.mined(found)
        model.train(was_training)


def gather_with_gradients(vectors: torch.Tensor, accelerator: Accelerator) -> torch.Tensor:
    """
    The vectors of all processes, each of which holds the loss of the whole batch. Gradients flow into those of this
    process, as many times as there are processes: of what the processes have, the mean is taken.

    Args:
        vectors (`torch.Tensor` of shape `(batch, dim)`): of this process, as many as of every other.
        accelerator (`Accelerator`): the trainer's.

    Returns:
        `torch.Tensor` of shape `(processes * batch, dim)`.
    """
    everyone = accelerator.gather(vectors.detach())
    start = accelerator.process_index * len(vectors)
    own = vectors + (accelerator.num_processes - 1) * (vectors - vectors.detach())
    return torch.cat([everyone[:start], own, everyone[start + len(vectors) :]])
