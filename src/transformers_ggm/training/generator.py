"""Stage 5: the generator learns to write hashtags (section 3.3)."""

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import Seq2SeqTrainer, set_seed

from ..data import DataCollatorForHashtagGeneration
from ..errors import CheckpointError
from ..evaluation import hashtag_metrics
from ..hub_cards.training_curve import TRAINING_CURVE, write_training_curve
from ..modeling import GGMForHashtagGeneration
from ..modeling.backbones import load_tower_weights
from ..processing import GGMProcessor
from ..utils.checkpoint_layout import CONFIGURATIONS
from ..utils.files import atomic_folder
from .arguments import GGMTrainingArguments, ModelArguments, set_scheduler_mode
from .callbacks import EpochCallback, EvaluateLastStep, KeepBestCheckpoints, last_checkpoint, step_of
from .check_arguments import generates
from .lora import make_adapter, save_adapter
from .model_card_callback import ModelCardCallback, note_published
from .run import TrainingRun, remove
from .trainers import ShortsTrainerMixin
from .weights import save_weights

if TYPE_CHECKING:
    from peft import PeftModel


class HashtagGenerationTrainer(ShortsTrainerMixin, Seq2SeqTrainer):
    """`Seq2SeqTrainer` for shorts, with metrics of every row just once."""

    def evaluation_loop(self, *args, **kwargs):
        # Seq2SeqTrainer keeps the rows that fill up the last batch of several processes: they would count twice.
        self.gather_function = self.accelerator.gather_for_metrics
        return super().evaluation_loop(*args, **kwargs)

    def train(self, resume_from_checkpoint=None, **kwargs):
        """As in transformers; a model that FSDP is to cut up goes on from whole weights."""
        if resume_from_checkpoint is not None and self._is_cut_later():
            self.model.load_state_dict(type(self.model).from_pretrained(resume_from_checkpoint).state_dict())
        return super().train(resume_from_checkpoint, **kwargs)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        # PyTorch cannot load one module that has several names, as the word embeddings do, into its shards.
        if not self._is_cut_later():
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _is_cut_later(self) -> bool:
        return self.is_fsdp_enabled and isinstance(self.model, GGMForHashtagGeneration)


def make_generator(run: TrainingRun) -> "GGMForHashtagGeneration | PeftModel":
    """The generator before training, or what of it is trained: a base with an adapter."""
    if not run.lora.use_lora:
        return compose_generator(run)
    if not run.lora.starts_from_trained:
        write_base(run)
    return make_adapter(run)


def write_base(run: TrainingRun) -> None:
    """Writes `base/`, the new-made model that an adapter changes, but in a training that goes on."""
    if last_checkpoint(run.generator_run_dir) is None and run.process.is_main_process:
        with atomic_folder(run.base_dir) as folder:
            compose_generator(run).save_pretrained(folder)
            run.processor.save_pretrained(folder)
    run.process.wait_for_everyone()


def compose_generator(run: TrainingRun) -> GGMForHashtagGeneration:
    """A new generator, of the backbones that the arguments name."""
    set_seed(run.training.seed)
    arguments = run.model
    overrides = {
        "frame_position_embedding": arguments.frame_position_embedding,
        "patch_pooling": arguments.patch_pooling,
        "fusion": arguments.fusion,
        "fusion_num_attention_heads": arguments.fusion_num_attention_heads,
        "fusion_dropout": arguments.fusion_dropout,
    }
    retriever = str(run.retriever_dir)
    from_retriever = arguments.vision_from_retriever and "video" in arguments.inputs
    if from_retriever and arguments.freeze_vision:
        overrides["vision_source"] = "retriever"
    if run.scratch_config is not None:
        model = GGMForHashtagGeneration(
            run.scratch_config.generator_config(run.processor.tokenizer, fusion_init="normal", **overrides)
        )
        if from_retriever:
            load_tower_weights(model.get_encoder("video"), retriever, "vision")
    else:
        vision = retriever if from_retriever else arguments.vision
        model = GGMForHashtagGeneration.from_backbones_pretrained(vision, arguments.text, arguments.audio, **overrides)
    model.use_published_decoding(max_length=arguments.max_target_length)
    freeze_parts(model, arguments)
    return model


def freeze_parts(model: GGMForHashtagGeneration, arguments: ModelArguments) -> None:
    """Leaves out of training what is to stay as it is, and what no input reaches."""
    if arguments.freeze_vision:
        model.get_encoder("video").requires_grad_(False)
    if "video" not in arguments.inputs:
        for name, parameter in model.get_encoder().named_parameters():
            parameter.requires_grad_(name.startswith("text_encoder."))


def decode_hashtags(processor: GGMProcessor, ids: np.ndarray) -> list[list[str]]:
    """Hashtags of a padded array of token ids, in which the Trainer marks padding with -100."""
    return processor.decode_hashtags(np.where(ids == -100, processor.tokenizer.pad_token_id, ids))


def make_eval_collator(
    run: TrainingRun, model: GGMForHashtagGeneration | None = None
) -> DataCollatorForHashtagGeneration:
    """
    The collator of evaluation and inference, where nothing is drawn, shuffled or dropped.

    Args:
        run ([`TrainingRun`]).
        model ([`GGMForHashtagGeneration`], *optional*): see [`DataCollatorForHashtagGeneration`].
    """
    return DataCollatorForHashtagGeneration(run.processor, training=False, model=model, **shown_inputs(run))


def shown_inputs(run: TrainingRun) -> dict[str, Any]:
    """What collators show to the generator, in training and after it."""
    return {"inputs": run.model.inputs, "blank_video": run.data.blank_video}


def generator_training_arguments(run: TrainingRun) -> GGMTrainingArguments:
    """The training arguments with what the stage does in another way."""
    arguments = copy.copy(run.training)
    arguments.output_dir = str(run.generator_run_dir)
    arguments.load_best_model_at_end = False  # the best checkpoints are chosen below, of which there are several
    arguments.push_to_hub = False  # the finished checkpoint is pushed as a whole, see publish.py
    set_scheduler_mode(arguments)
    return arguments


def make_trainer(
    run: TrainingRun, model: GGMForHashtagGeneration, arguments: GGMTrainingArguments
) -> HashtagGenerationTrainer:
    """A trainer on the prepared training and validation splits with their guidance."""
    processor = run.processor
    # Trainer keeps labels that it smooths from the model, which makes its decoder's inputs of them otherwise.
    of_labels = model if arguments.label_smoothing_factor else None
    collator = DataCollatorForHashtagGeneration(
        processor,
        target_order=run.data.target_order,
        guidance_dropout=run.data.guidance_dropout,
        frame_dropout=run.data.frame_dropout,
        audio_dropout=run.data.audio_dropout,
        description_dropout=run.data.description_dropout,
        seed=run.training.seed,
        model=of_labels,
        **shown_inputs(run),
    )

    def compute_metrics(prediction) -> dict[str, float]:
        return hashtag_metrics(
            decode_hashtags(processor, prediction.predictions), decode_hashtags(processor, prediction.label_ids)
        )

    return HashtagGenerationTrainer(
        model,
        arguments,
        train_dataset=run.generator_shorts("train"),
        eval_dataset=run.generator_shorts("validation"),
        data_collator=collator,
        eval_data_collator=make_eval_collator(run, of_labels),
        compute_metrics=compute_metrics if generates(arguments) else None,
        callbacks=[
            EpochCallback(collator),
            EvaluateLastStep(),
            KeepBestCheckpoints(
                run.stage.num_best_checkpoints, arguments.metric_for_best_model, arguments.greater_is_better
            ),
            ModelCardCallback(run, run.generator_run_dir),
        ],
    )


def train_generator(run: TrainingRun) -> None:
    """Writes the best model or adapter by the validation metric, and its processor, into `checkpoint/`."""
    check_kind_of_result(run)
    if run.is_done("generator", run.generator_result, run.generator_run_dir):
        return
    model = make_generator(run)
    trainer = make_trainer(run, model, generator_training_arguments(run))
    trainer.train(resume_from_checkpoint=last_checkpoint(run.generator_run_dir))
    if run.process.is_main_process:
        best = run.best_generators()[0]
        with atomic_folder(run.output_dir / "runs" / "best") as folder:
            if run.lora.use_lora:
                save_adapter(best, folder, run.stage.weights_dtype)
            else:
                save_weights(GGMForHashtagGeneration.from_pretrained(best), folder, run.stage.weights_dtype)
            run.processor.save_pretrained(folder)
            history, step = trainer.state.log_history, step_of(best)
            write_training_curve(history, folder, run.training.metric_for_best_model, step)
        note_published(run, run.generator_run_dir, history, step)
        # Not that of an earlier training beside these weights.
        remove(run.checkpoint_dir / TRAINING_CURVE)
        publish_files(run.output_dir / "runs" / "best", run.checkpoint_dir)
    run.process.wait_for_everyone()


def check_kind_of_result(run: TrainingRun) -> None:
    """
    Raises:
        CheckpointError: the output folder holds a whole model where an adapter is to be trained, or the reverse.
    """
    other = next(name for name in CONFIGURATIONS if name != run.generator_result.name)
    if (run.checkpoint_dir / other).is_file():
        raise CheckpointError(
            f"{run.checkpoint_dir} holds {other}: a whole model and an adapter do not go into one folder. Choose "
            "another --output_dir."
        )


def publish_files(source, target) -> None:
    """
    Moves the files of a finished folder into the checkpoint; the configuration, which says that all is there, last.
    """
    target.mkdir(exist_ok=True)
    for file in sorted(source.iterdir(), key=lambda file: file.name in CONFIGURATIONS):
        file.replace(target / file.name)
    source.rmdir()
