"""
The stage `classifier`: the baselines that choose from the training hashtags (Yu et al., ACL 2023, appendix A), BERT,
ViT and ViT-BERT, and their ranking of the hashtags as guidance for the generator in place of the retriever's.
"""

import copy

import numpy as np
import torch
from transformers import AutoTokenizer, EvalPrediction, PreTrainedTokenizerBase, set_seed

from ..data import DataCollatorForHashtagClassification
from ..data.shorts import SPLITS
from ..data.stored import clip_column
from ..errors import CheckpointError, DatasetError, InputError
from ..evaluation import best_threshold, hashtags_above, mean_metrics
from ..evaluation.metrics import exact_match_per_video
from ..modeling import GGMForHashtagClassification
from ..modeling.backbones import load_tower_weights
from ..utils.files import atomic_folder, write_json
from .arguments import GeneratorArguments, set_scheduler_mode
from .callbacks import EvaluateLastStep, KeepBestCheckpoints, best_checkpoints
from .classification_trainer import HashtagClassificationTrainer
from .classifier_ranking import classify
from .figures import metrics_of, summary_of, write_predictions
from .pool_and_guidance import write_guidance
from .run import TrainingRun
from .teachers import with_teacher
from .weights import save_weights

# The validation metric that decides which checkpoint is the best.
METRIC = "f1"


def make_classifier(run: TrainingRun) -> GGMForHashtagClassification:
    """The classifier before training, with the training hashtags by their frequency."""
    set_seed(run.training.seed)
    arguments, retriever = run.classifier, run.folders.retriever
    modalities, hashtags = arguments.classifier_modalities, list(run.shorts.hashtag_counts)
    overrides = {"objective": arguments.classifier_objective, "dropout": arguments.classifier_dropout}
    from_retriever = run.model.vision_from_retriever and "video" in modalities
    if from_retriever and not retriever.is_dir():
        raise CheckpointError(f"{retriever} is missing: run the stage 'retriever' first.")
    if run.scratch_config is not None:
        try:
            model = GGMForHashtagClassification(
                run.scratch_config.classifier_config(run.shorts.processor.tokenizer, hashtags, modalities, **overrides)
            )
        except ValueError as error:
            raise InputError(f"No classifier can be made of {run.model.scratch_config}: {error}") from error
        if from_retriever:
            load_tower_weights(model.vision_encoder, str(retriever), "vision")
    else:
        vision = str(retriever) if from_retriever else run.model.vision
        model = GGMForHashtagClassification.from_backbones_pretrained(
            hashtags,
            vision=vision if "video" in modalities else None,
            text=arguments.classifier_text if "text" in modalities else None,
            **overrides,
        )
    if run.model.freeze_vision and model.vision_encoder is not None:
        model.vision_encoder.requires_grad_(False)
    return model


def make_tokenizer(run: TrainingRun, model: GGMForHashtagClassification) -> PreTrainedTokenizerBase:
    """The tokenizer of the classifier's text encoder, which pads on the right and cuts off what that cannot take."""
    if run.model.scratch_config is not None:
        tokenizer = copy.deepcopy(run.shorts.processor.tokenizer)
    else:
        tokenizer = AutoTokenizer.from_pretrained(run.classifier.classifier_text)
    lengths = [tokenizer.model_max_length, run.model.max_text_length]
    positions = getattr(model.config.text_config, "max_position_embeddings", None)
    if positions is not None:
        lengths.append(positions - _skipped_positions(model.text_encoder))
    tokenizer.model_max_length = min(lengths)
    tokenizer.padding_side = "right"
    return tokenizer


def _skipped_positions(encoder: torch.nn.Module) -> int:
    """How many positions come before that of the first token: RoBERTa and its kin count from the padding's id on."""
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return module.padding_idx + 1
    return 0


def make_collator(run: TrainingRun, model: GGMForHashtagClassification) -> DataCollatorForHashtagClassification:
    """The collator of training, evaluation and inference alike: nothing is drawn."""
    return DataCollatorForHashtagClassification(
        model.config.hashtags,
        tokenizer=None if model.text_encoder is None else make_tokenizer(run, model),
        video_processor=None if model.vision_encoder is None else run.shorts.processor.video_processor,
    )


def classifier_training_arguments(run: TrainingRun) -> GeneratorArguments:
    """The generator's training arguments with what is the classifier's own."""
    arguments = copy.copy(run.training)
    arguments.output_dir = str(run.folders.classifier_run)
    arguments.learning_rate = run.classifier.classifier_learning_rate
    arguments.num_train_epochs = run.classifier.classifier_num_train_epochs
    arguments.max_steps = -1
    arguments.per_device_train_batch_size = run.classifier.classifier_per_device_train_batch_size
    arguments.warmup_steps = run.classifier.classifier_warmup_steps
    arguments.label_smoothing_factor = 0.0  # Trainer's smooths labels that are class ids
    arguments.neftune_noise_alpha = None
    arguments.include_num_input_tokens_seen = "no"
    arguments.predict_with_generate = False
    arguments.prediction_loss_only = False
    arguments.load_best_model_at_end = False  # the best checkpoint is taken below
    arguments.metric_for_best_model = METRIC
    arguments.greater_is_better = True
    arguments.push_to_hub = False
    set_scheduler_mode(arguments)
    return arguments


def make_trainer(
    run: TrainingRun, model: GGMForHashtagClassification, collator: DataCollatorForHashtagClassification
) -> HashtagClassificationTrainer:
    """A trainer on the prepared training and validation splits."""
    validation = run.shorts.for_classifier("validation")
    references = validation.dataset["hashtags"][:]
    hashtags = np.array(model.config.hashtags, dtype=object)

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        scores, columns = prediction.predictions
        threshold = best_threshold(scores, hashtags[columns], references)
        predictions = hashtags_above(scores, hashtags[columns], threshold)
        return {**mean_metrics(exact_match_per_video(predictions, references)), "threshold": threshold}

    trainer_class, teaching = with_teacher(run, "classifier", HashtagClassificationTrainer)
    trainer = trainer_class(
        model,
        classifier_training_arguments(run),
        train_dataset=run.shorts.for_classifier("train"),
        eval_dataset=validation,
        data_collator=collator,
        eval_data_collator=collator,
        compute_metrics=compute_metrics,
        callbacks=[EvaluateLastStep(), KeepBestCheckpoints(1, METRIC)],
        **teaching,
    )
    trainer.model_card_callback.facts = run.facts()
    return trainer


def train_classifier(run: TrainingRun) -> None:
    """
    Writes the best model by the validation F1, with its tokenizer and video processor, and the hashtags it ranks first
    for every row, into `classifier/`; and its metrics on the test split beside the generator's.
    """
    if run.is_done("classifier", run.folders.classifier, run.folders.classifier_run):
        return
    rows = run.shorts.rows("train")
    has_clips = any(clip is not None for clip in rows[clip_column(rows)])
    if "video" in run.classifier.classifier_modalities and not has_clips:
        raise DatasetError(f"No training row of {run.data.data_dir} has a clip: use --classifier_modalities text.")
    model = make_classifier(run)
    collator = make_collator(run, model)
    trainer = make_trainer(run, model, collator)
    trainer.train(resume_from_checkpoint=run.checkpoint_to_resume(run.folders.classifier_run))
    if run.process.is_main_process:
        write_classifier(run, collator)
    run.process.wait_for_everyone()


def write_classifier(run: TrainingRun, collator: DataCollatorForHashtagClassification) -> None:
    """
    Writes `classifier/` from the best checkpoint, and the metrics; the folder, which says that all is there, last.
    """
    best = best_checkpoints(run.folders.classifier_run, METRIC, 1)[0]
    with atomic_folder(run.folders.classifier) as folder:
        save_weights(GGMForHashtagClassification.from_pretrained(best), folder, run.stage.weights_dtype)
        # As it was stored, so that the metrics are those of the folder.
        model = GGMForHashtagClassification.from_pretrained(folder).to(run.process.device).eval()
        shorts = {split: run.shorts.for_classifier(split) for split in SPLITS}
        rankings = {
            split: classify(
                rows, model, collator, batch_size=run.training.per_device_eval_batch_size,
                num_workers=run.training.dataloader_num_workers, description=f"Classifying ({split})",
            )
            for split, rows in shorts.items()
        }  # fmt: skip
        references = {split: rows.dataset["hashtags"][:] for split, rows in shorts.items()}
        model.config.threshold = best_threshold(*rankings["validation"], references["validation"])
        model.config.save_pretrained(folder)
        for part in (collator.tokenizer, collator.video_processor):
            if part is not None:
                part.save_pretrained(folder)
        (folder / "guidance").mkdir()
        recalls = {
            split: write_guidance(folder / "guidance", split, ranking.hashtags.tolist(), references[split])
            for split, ranking in rankings.items()
        }
        predictions = hashtags_above(*rankings["test"], model.config.threshold)
        write_predictions(run, "classifier_test_predictions.jsonl", shorts["test"].dataset, predictions)
        summary = {
            **summary_of([metrics_of(predictions, shorts["test"].dataset)], recalls["test"], len(predictions)),
            "modality": model.config.modality,
            "objective": model.config.objective,
            "threshold": model.config.threshold,
        }
        write_json(run.folders.evaluation / "classifier_test.json", summary)
