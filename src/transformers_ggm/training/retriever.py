"""Stage 2: the retriever learns which hashtags lie near a video (section 3.1)."""

import copy
import shutil
from pathlib import Path

import torch
from transformers import set_seed

from ..data import DataCollatorForHashtagRetrieval
from ..errors import DatasetError
from ..modeling import HashtagRetriever
from ..utils.files import atomic_folder
from .arguments import GeneratorArguments, set_scheduler_mode
from .callbacks import EvaluateLastStep
from .lora import base_retriever
from .model_card_callback import note_published
from .retriever_trainer import RetrieverTrainer
from .run import TrainingRun
from .run_records import TrainingRecord
from .teachers import with_teacher
from .trainer_datasets import READ_BY
from .training_arguments import CONTRASTIVE
from .weights import save_weights


def make_retriever(run: TrainingRun) -> HashtagRetriever:
    """The retriever before training."""
    set_seed(run.training.seed)
    query = run.retriever.retriever_query
    if run.lora.starts_from_trained:
        return HashtagRetriever.from_pretrained(base_retriever(run), dtype=torch.float32)
    if run.scratch_config is not None:
        config = run.scratch_config.retriever_config(run.shorts.retriever_processor.tokenizer, query=query)
        retriever = HashtagRetriever(config)
    else:
        retriever = HashtagRetriever.from_backbone_pretrained(run.model.retriever, query=query)
    retriever.config.max_inverse_temperature = run.retriever.retriever_max_inverse_temperature
    return retriever


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
        with atomic_folder(run.folders.retriever) as folder:
            shutil.copytree(base_retriever(run), folder, dirs_exist_ok=True)
    run.process.wait_for_everyone()


def retriever_training_arguments(run: TrainingRun) -> GeneratorArguments:
    """The generator's training arguments with what is the retriever's own."""
    arguments = copy.copy(run.training)
    arguments.output_dir = str(run.folders.retriever_run)
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
    for name in CONTRASTIVE:
        setattr(arguments, name, getattr(run.retriever, f"retriever_{name}"))
    set_scheduler_mode(arguments)
    return arguments


def train_retriever(run: TrainingRun) -> None:
    """Writes `checkpoint/retriever`."""
    if run.is_done("retriever", run.folders.retriever, run.folders.retriever_run):
        return
    if run.lora.starts_from_trained:
        check_query(run, base_retriever(run))
    if run.lora.keep_retriever:
        keep_retriever(run)
        return
    model = make_retriever(run)
    splits = {}
    for split in ("train", "validation"):
        splits[split] = run.shorts.for_retriever(split, only_pairs=True)
        if len(splits[split]) < run.process.num_processes:
            raise DatasetError(
                f"The split '{split}' has {len(splits[split])} rows with a hashtag and {READ_BY[model.config.query]}: "
                f"too few to train the retriever in {run.process.num_processes} process(es)."
            )
    arguments = retriever_training_arguments(run)
    global_batch = len(splits["train"]) // run.process.num_processes
    arguments.per_device_train_batch_size = min(arguments.per_device_train_batch_size, global_batch)
    processor = run.shorts.retriever_processor
    trainer_class, teaching = with_teacher(run, "retriever", RetrieverTrainer)
    trainer = trainer_class(
        model,
        arguments,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        processing_class=processor,
        data_collator=DataCollatorForHashtagRetrieval(
            processor,
            query=model.config.query,
            counts=run.shorts.hashtag_counts,
            rare_hashtag_power=run.retriever.retriever_rare_hashtag_power,
            frames_per_clip=run.retriever.retriever_frames_per_clip,
            seed=run.training.seed,
        ),
        callbacks=[EvaluateLastStep()],
        **teaching,
    )
    trainer.model_card_callback.facts = run.facts()
    trainer.train(resume_from_checkpoint=run.checkpoint_to_resume(run.folders.retriever_run))
    best_step = trainer.state.best_global_step
    if best_step is not None and run.process.is_main_process:
        note_published(TrainingRecord(run.folders.retriever_run), trainer.state.log_history, best_step)
    if run.process.is_main_process:
        with atomic_folder(run.folders.retriever) as folder:
            save_weights(trainer.accelerator.unwrap_model(model), folder, run.stage.weights_dtype)
            processor.save_pretrained(folder)
    run.process.wait_for_everyone()
