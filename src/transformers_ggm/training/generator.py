"""Stage 5: the generator learns to write hashtags (section 3.3)."""

import copy
from typing import TYPE_CHECKING

from transformers import set_seed

from ..data import DataCollatorForHashtagGeneration
from ..errors import CheckpointError
from ..hub_cards.training_curve import TRAINING_CURVE, write_training_curve
from ..modeling import GGMForHashtagGeneration, InstructedForHashtagGeneration
from ..modeling.backbones import load_tower_weights
from ..processing.hashtag_tokens import hashtag_start_ids
from ..utils.checkpoint_layout import CONFIGURATIONS
from ..utils.files import atomic_folder
from .arguments import GeneratorArguments, ModelArguments, set_scheduler_mode
from .automated_tasks import WITH_TASKS
from .callbacks import EvaluateLastStep, KeepBestCheckpoints, last_checkpoint, step_of
from .distillation import GGMDistillationTrainer, init_from_teacher, warn_if_far_behind
from .ggm_trainer import GGMTrainer
from .instructed import compose_instructed, instructed_collator
from .instructed_trainer import InstructedTrainer
from .lora import load_base, make_adapter, save_adapter
from .model_card_callback import note_published
from .run import TrainingRun, remove
from .run_records import TrainingRecord
from .teachers import with_teacher
from .weights import save_weights

if TYPE_CHECKING:
    from peft import PeftModel


def make_generator(run: TrainingRun) -> "GGMForHashtagGeneration | PeftModel":
    """The generator before training, or what of it is trained: a base with an adapter."""
    if run.trains_base_generator:
        return load_generator_of_base(run)
    if not run.lora.use_lora:
        return compose_generator(run)
    if not run.lora.starts_from_trained:
        write_base(run)
    return make_adapter(run)


def load_generator_of_base(run: TrainingRun) -> GGMForHashtagGeneration | InstructedForHashtagGeneration:
    """The generator of a checkpoint, all of whose weights are trained on."""
    set_seed(run.training.seed)
    model = load_base(run)
    if not run.model.is_instructed:
        freeze_parts(model, run.model)
        if model.config.vision_source == "retriever":  # which one pass is to serve, as before
            model.get_encoder("video").requires_grad_(False)
    return model


def write_base(run: TrainingRun) -> None:
    """Writes `base/`, the new-made model that an adapter changes, but in a training that goes on."""
    if last_checkpoint(run.folders.generator_run) is None and run.process.is_main_process:
        with atomic_folder(run.folders.base) as folder:
            compose_generator(run).save_pretrained(folder)
            run.shorts.processor.save_pretrained(folder)
    run.process.wait_for_everyone()


def generator_class(run: TrainingRun) -> type[GGMForHashtagGeneration | InstructedForHashtagGeneration]:
    """Of the model that the run trains."""
    return InstructedForHashtagGeneration if run.model.is_instructed else GGMForHashtagGeneration


def compose_generator(run: TrainingRun) -> GGMForHashtagGeneration | InstructedForHashtagGeneration:
    """A new generator, of the backbones that the arguments name."""
    arguments = run.model
    if arguments.is_instructed:
        return compose_instructed(run)
    set_seed(run.training.seed)
    overrides = {
        "frame_position_embedding": arguments.frame_position_embedding,
        "patch_pooling": arguments.patch_pooling,
        "pointer_head": arguments.pointer_head,
        "text_position_embedding": arguments.text_position_embedding,
        "position_biased_input": arguments.position_biased_input,
        "fusion": arguments.fusion,
        "fusion_num_attention_heads": arguments.fusion_num_attention_heads,
        "fusion_dropout": arguments.fusion_dropout,
    }
    if arguments.restart_positions:
        overrides["position_restart_token_ids"] = hashtag_start_ids(run.shorts.processor.tokenizer)
    retriever = str(run.folders.retriever)
    from_retriever = arguments.vision_from_retriever and "video" in arguments.inputs
    if from_retriever and arguments.freeze_vision:
        overrides["vision_source"] = "retriever"
    if run.scratch_config is not None:
        model = GGMForHashtagGeneration(
            run.scratch_config.generator_config(run.shorts.processor.tokenizer, fusion_init="normal", **overrides)
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


def generator_collator(run: TrainingRun, training: bool = True) -> DataCollatorForHashtagGeneration:
    """The collator of training, or with `training=False` of inference, where nothing is drawn."""
    if run.model.is_instructed:
        return instructed_collator(run, training)
    return DataCollatorForHashtagGeneration(
        run.shorts.processor,
        training=training,
        target_order=run.data.target_order,
        guidance_dropout=run.data.guidance_dropout,
        frame_dropout=run.data.frame_dropout,
        audio_dropout=run.data.audio_dropout,
        description_dropout=run.data.description_dropout,
        inputs=run.model.inputs,
        blank_video=run.data.blank_video,
        seed=run.training.seed,
    )


def generator_training_arguments(run: TrainingRun) -> GeneratorArguments:
    """The training arguments with what the stage does in another way."""
    arguments = copy.copy(run.training)
    arguments.output_dir = str(run.folders.generator_run)
    arguments.load_best_model_at_end = False  # the best checkpoints are chosen below, of which there are several
    arguments.push_to_hub = False  # the finished checkpoint is pushed as a whole, see publish.py
    set_scheduler_mode(arguments)
    return arguments


def make_trainer(
    run: TrainingRun, model: "GGMForHashtagGeneration | PeftModel", arguments: GeneratorArguments
) -> GGMTrainer:
    """A trainer on the prepared training and validation splits with their guidance."""
    keep_best = KeepBestCheckpoints(
        run.stage.num_best_checkpoints, arguments.metric_for_best_model, arguments.greater_is_better
    )
    trainer_class, teaching = with_teacher(
        run, "generator", InstructedTrainer if run.model.is_instructed else GGMTrainer
    )
    if run.distillation.init_from_teacher:
        init_from_teacher(model, teaching["teacher"])
    if run.automated_tasks.automated_tasks:
        trainer_class, teaching = WITH_TASKS[trainer_class], {**teaching, "automated_tasks": run.automated_tasks}
    trainer = trainer_class(
        model,
        arguments,
        train_dataset=run.shorts.for_generator("train"),
        eval_dataset=run.shorts.for_generator("validation"),
        processing_class=run.shorts.processor,
        data_collator=generator_collator(run),
        callbacks=[EvaluateLastStep(), keep_best],
        **teaching,
    )
    trainer.model_card_callback.facts = run.facts()
    return trainer


def train_generator(run: TrainingRun) -> None:
    """Writes the best model or adapter by the validation metric, and its processor, into `checkpoint/`."""
    check_kind_of_result(run)
    if run.is_done("generator", run.generator_result, run.folders.generator_run):
        return
    model = make_generator(run)
    trainer = make_trainer(run, model, generator_training_arguments(run))
    trainer.train(resume_from_checkpoint=run.checkpoint_to_resume(run.folders.generator_run))
    if run.distillation.teacher is not None:
        compare_with_teacher(trainer)
    if run.process.is_main_process:
        best = run.best_generators()[0]
        with atomic_folder(run.folders.best) as folder:
            if run.lora.use_lora:
                save_adapter(best, folder, run.stage.weights_dtype)
            else:
                save_weights(generator_class(run).from_pretrained(best), folder, run.stage.weights_dtype)
            run.shorts.processor.save_pretrained(folder)
            history, step = trainer.state.log_history, step_of(best)
            write_training_curve(history, folder, run.training.metric_for_best_model, step)
        note_published(TrainingRecord(run.folders.generator_run), history, step)
        # Not that of an earlier training beside these weights.
        remove(run.folders.checkpoint / TRAINING_CURVE)
        publish_files(run.folders.best, run.folders.checkpoint)
    run.process.wait_for_everyone()


def compare_with_teacher(trainer: GGMDistillationTrainer) -> None:
    """Warns where the student has left its teacher far behind on the validation split."""
    arguments = trainer.args
    if not arguments.greater_is_better or trainer.state.best_metric is None:
        return
    of_teacher = GGMTrainer(
        trainer.teacher,
        arguments,
        eval_dataset=trainer.eval_dataset,
        processing_class=trainer.processing_class,
        data_collator=trainer.eval_data_collator,
    )
    metric = arguments.metric_for_best_model
    metrics = of_teacher.evaluate()
    warn_if_far_behind(metrics[f"eval_{metric.removeprefix('eval_')}"], trainer.state.best_metric, metric)


def check_kind_of_result(run: TrainingRun) -> None:
    """
    Raises:
        CheckpointError: the output folder holds a whole model where an adapter is to be trained, or the reverse.
    """
    other = next(name for name in CONFIGURATIONS if name != run.generator_result.name)
    if (run.folders.checkpoint / other).is_file():
        raise CheckpointError(
            f"{run.folders.checkpoint} holds {other}: a whole model and an adapter do not go into one folder. Choose "
            "another --output_dir."
        )


def publish_files(source, target) -> None:
    """
    Moves the files of a finished folder into the checkpoint; the configuration, which says that all is there, last.
    """
    target.mkdir(exist_ok=True)
    for file in sorted(source.iterdir(), key=lambda file: file.name in CONFIGURATIONS):
        if file.is_dir():  # which would not take the place of another one
            remove(target / file.name)
        file.replace(target / file.name)
    source.rmdir()
