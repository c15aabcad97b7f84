"""Stage 2: the retriever learns which hashtags lie near a video (section 3.1)."""

import copy
import shutil
from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import Trainer, set_seed

from ..data import DataCollatorForHashtagRetrieval
from ..data.collator import is_true_of
from ..errors import DatasetError
from ..modeling import HashtagRetriever, hashtag_contrastive_loss
from ..utils.files import atomic_folder
from .arguments import GGMTrainingArguments, set_scheduler_mode
from .callbacks import EpochCallback, EvaluateLastStep, last_checkpoint
from .lora import base_retriever
from .model_card_callback import ModelCardCallback, note_published
from .run import TrainingRun
from .trainers import ShortsTrainerMixin, changed
from .weights import save_weights

READ_BY = {"video": "a video", "text": "a description", "video+text": "a video or a description"}


class HashtagRetrieverTrainer(ShortsTrainerMixin, Trainer):
    """
    Trains with the contrastive loss over the batches of all processes, so that the loss depends on the global batch
    and not on how many processes share it.
    """

    def get_train_dataloader(self):
        # Processes exchange their vectors, which takes batches of one size.
        with changed(self.args, dataloader_drop_last=True):
            return super().get_train_dataloader()

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        hashtag_ids, true_hashtag_ids = inputs.pop("hashtag_ids"), inputs.pop("true_hashtag_ids")
        outputs = model(**inputs)
        video_embeds, hashtag_embeds = outputs.video_embeds, outputs.hashtag_embeds
        if model.training and self.args.world_size > 1:
            video_embeds = gather_with_gradients(video_embeds, self.accelerator)
            hashtag_embeds = gather_with_gradients(hashtag_embeds, self.accelerator)
            hashtag_ids = self.accelerator.gather(hashtag_ids)
            true_hashtag_ids = self.accelerator.gather(true_hashtag_ids)
        is_true = is_true_of(hashtag_ids, true_hashtag_ids)
        loss = hashtag_contrastive_loss(video_embeds, hashtag_embeds, outputs.logit_scale, is_true)
        return (loss, outputs) if return_outputs else loss

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        with torch.no_grad():
            loss = self.compute_loss(model, self._prepare_inputs(inputs))
        return loss.detach(), None, None


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


def make_retriever(run: TrainingRun) -> HashtagRetriever:
    """The retriever before training."""
    set_seed(run.training.seed)
    query = run.retriever.retriever_query
    if run.lora.starts_from_trained:
        return HashtagRetriever.from_pretrained(base_retriever(run), dtype=torch.float32)
    if run.scratch_config is not None:
        config = run.scratch_config.retriever_config(run.retriever_processor.tokenizer, query=query)
        return HashtagRetriever(config)
    return HashtagRetriever.from_backbone_pretrained(run.model.retriever, query=query)


def check_query(run: TrainingRun, folder: Path) -> None:
    """
    Raises:
        ValueError: the retriever that training starts from goes by another query than the arguments say.
    """
    query = HashtagRetriever.config_class.from_pretrained(folder).query
    if query != run.retriever.retriever_query:
        raise ValueError(
            f"The retriever of the base checkpoint seeks by {query!r}, but `retriever_query` is "
            f"{run.retriever.retriever_query!r}: give --retriever_query {query}."
        )


def keep_retriever(run: TrainingRun) -> None:
    """Writes the retriever of the base checkpoint into `checkpoint/retriever` as it is."""
    if run.process.is_main_process:
        with atomic_folder(run.retriever_dir) as folder:
            shutil.copytree(base_retriever(run), folder, dirs_exist_ok=True)
    run.process.wait_for_everyone()


def retriever_training_arguments(run: TrainingRun) -> GGMTrainingArguments:
    """The generator's training arguments with what is the retriever's own."""
    arguments = copy.copy(run.training)
    arguments.output_dir = str(run.retriever_run_dir)
    arguments.learning_rate = run.retriever.retriever_learning_rate
    arguments.num_train_epochs = run.retriever.retriever_num_train_epochs
    arguments.max_steps = -1
    arguments.per_device_train_batch_size = run.retriever.retriever_per_device_train_batch_size
    arguments.per_device_eval_batch_size = run.retriever.retriever_per_device_train_batch_size
    arguments.gradient_accumulation_steps = 1  # in-batch negatives do not add up over accumulated batches
    arguments.warmup_steps = run.retriever.retriever_warmup_steps
    arguments.weight_decay = run.retriever.retriever_weight_decay
    arguments.label_smoothing_factor = 0.0  # pairs have no labels
    arguments.neftune_noise_alpha = None
    arguments.include_num_input_tokens_seen = "no"
    arguments.predict_with_generate = False
    arguments.load_best_model_at_end = True
    arguments.metric_for_best_model = "eval_loss"
    arguments.greater_is_better = False
    arguments.save_total_limit = 1
    arguments.push_to_hub = False
    set_scheduler_mode(arguments)
    return arguments


def train_retriever(run: TrainingRun) -> None:
    """Writes `checkpoint/retriever`."""
    if run.is_done("retriever", run.retriever_dir, run.retriever_run_dir):
        return
    if run.lora.starts_from_trained:
        check_query(run, base_retriever(run))
    if run.lora.keep_retriever:
        keep_retriever(run)
        return
    model = make_retriever(run)
    splits = {}
    for split in ("train", "validation"):
        splits[split] = run.retriever_shorts(split, only_pairs=True)
        if len(splits[split]) < run.process.num_processes:
            raise DatasetError(
                f"The split '{split}' has {len(splits[split])} rows with a hashtag and {READ_BY[model.config.query]}: "
                f"too few to train the retriever in {run.process.num_processes} process(es)."
            )
    arguments = retriever_training_arguments(run)
    global_batch = len(splits["train"]) // run.process.num_processes
    arguments.per_device_train_batch_size = min(arguments.per_device_train_batch_size, global_batch)
    settings = {
        "processor": run.retriever_processor,
        "query": model.config.query,
        "counts": run.hashtag_counts,
        "rare_hashtag_power": run.retriever.retriever_rare_hashtag_power,
        "seed": run.training.seed,
    }
    collator = DataCollatorForHashtagRetrieval(**settings, frames_per_clip=run.retriever.retriever_frames_per_clip)
    eval_collator = DataCollatorForHashtagRetrieval(**settings)
    eval_collator.set_epoch(0)  # the same pairs in every validation, so that the losses can be compared
    trainer = HashtagRetrieverTrainer(
        model,
        arguments,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        data_collator=collator,
        eval_data_collator=eval_collator,
        callbacks=[EpochCallback(collator), EvaluateLastStep(), ModelCardCallback(run, run.retriever_run_dir)],
    )
    trainer.train(resume_from_checkpoint=last_checkpoint(run.retriever_run_dir))
    if trainer.state.best_global_step is not None:
        note_published(run, run.retriever_run_dir, trainer.state.log_history, trainer.state.best_global_step)
    if run.process.is_main_process:
        with atomic_folder(run.retriever_dir) as folder:
            save_weights(trainer.accelerator.unwrap_model(model), folder, run.stage.weights_dtype)
            run.retriever_processor.save_pretrained(folder)
    run.process.wait_for_everyone()
