"""
What a teacher is worth to a generator that starts from nothing: the three factors of "distillation from a weak
teacher" (Lee et al., Findings of ACL 2023), measured on rendered shorts.

    ggm render-shorts --output_dir shorts
    python examples/compare_teachers.py --data_dir shorts --output_dir outputs/teachers

The teachers have half of their students' width, three quarters and all of it. Students have the bundled checkpoint's
shape, hear nothing and see as its retriever does, which guides them too. Each way is trained with each seed. Told
are the steps until ROUGE-1 on validation clips reaches a goal, and the ROUGE-1 at the end. What an earlier run trained
is read again.
"""

import json
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from over_seeds import mean_and_deviation

from transformers_ggm import (
    GGMConfig,
    GGMForHashtagGeneration,
    GGMProcessor,
    GGMTrainer,
    GGMTrainingArguments,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
    add_guidance,
    load_shorts,
)
from transformers_ggm.data import DataCollatorForHashtagGeneration, decode_split
from transformers_ggm.modeling.backbones import load_tower_weights
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.training.distillation import GGMDistillationTrainer, init_from_teacher
from transformers_ggm.training.distillation_arguments import DistillationArguments
from transformers_ggm.utils.files import write_json

# Width of each teacher's text backbone; a student's is 128.
TEACHERS = {"weak": 64, "middle": 96, "strong": 128}
# Hearing takes half of the time of a step.
INPUTS = ["text", "video"]


@dataclass(frozen=True)
class Way:
    """A way to be taught; without a teacher, none."""

    name: str
    teacher: str | None = None
    alpha_soft: float = 4.0
    alpha_soft_end: float = 1.0
    starts_as_teacher: bool = False


WAYS = (
    Way("no teacher"),
    Way("weak teacher, weight 4 to 1", "weak"),
    Way("middle teacher, weight 4 to 1", "middle"),
    Way("strong teacher, weight 4 to 1", "strong"),
    Way("strong teacher, weight 1", "strong", alpha_soft=1.0),
    Way("strong teacher, weight 4", "strong", alpha_soft_end=4.0),
    Way("middle teacher, weight 4 to 1, and its weights", "middle", starts_as_teacher=True),
)


def main() -> None:
    options = parse_options()
    splits = guided_splits(options)
    teachers = train_teachers(options, splits)
    for name, (_, rouge) in teachers.items():
        print(f"teacher, {name}: ROUGE-1 {rouge:.1f}", flush=True)
    results: dict[str, list[dict]] = {}
    for seed in options.seeds:
        for way in WAYS:
            results.setdefault(way.name, []).append(taught(options, splits, way, teachers, seed))
            print(f"seed {seed}, {way.name}: {results[way.name][-1]}", flush=True)
    print("\n".join(table(results, options.goal)))


def parse_options() -> Namespace:
    parser = ArgumentParser(description="Measures what a teacher is worth to a generator that starts from nothing.")
    add_options(parser, validation_clips=120)
    parser.add_argument("--goal", type=float, default=60, help="the ROUGE-1 to which steps are counted")
    return parser.parse_args()


def add_options(parser: ArgumentParser, validation_clips: int) -> None:
    """What is trained on, how long and how often."""
    parser.add_argument("--data_dir", type=Path, required=True, help="folder of rendered shorts")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder for what is decoded and measured")
    parser.add_argument("--clips", type=int, default=1600, help="of training")
    parser.add_argument("--validation_clips", type=int, default=validation_clips)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])


def guided_splits(options: Namespace) -> dict[str, Dataset]:
    """Clips of training and validation, decoded, with the hashtags that the bundled retriever finds for them."""
    folder = Path(DEMO_CHECKPOINT, "retriever")
    retriever = HashtagRetriever.from_pretrained(folder, dtype=torch.float32)
    processors = GGMProcessor.from_pretrained(DEMO_CHECKPOINT), HashtagRetrieverProcessor.from_pretrained(folder)
    pool = HashtagPool.from_pretrained(Path(DEMO_CHECKPOINT, "hashtag_pool"), retriever=retriever)
    shorts = load_shorts(options.data_dir)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    splits = {}
    for name, count in (("train", options.clips), ("validation", options.validation_clips)):
        clips = shorts[name].select(range(min(len(shorts[name]), count)))
        decoded = decode_split(clips, options.output_dir / f"{name}.arrow", *processors, num_workers=2)
        splits[name] = add_guidance(decoded, retriever, processors[1], pool)
    return splits


def new_generator(seed: int, width: int = 128, **settings) -> GGMForHashtagGeneration:
    """A generator of the bundled one's shape, or narrower, that knows nothing but how its frozen vision encoder sees:
    as the retriever does."""
    torch.manual_seed(seed)
    config: Any = GGMConfig.from_pretrained(DEMO_CHECKPOINT, **settings)
    config.text_config.d_model = config.text_config.hidden_size = width
    model = GGMForHashtagGeneration(config)
    vision: Any = model.get_encoder("video")
    load_tower_weights(vision, str(Path(DEMO_CHECKPOINT, "retriever")), "vision")
    vision.requires_grad_(False)
    return model


def trained(
    options: Namespace,
    splits: dict[str, Dataset],
    model: GGMForHashtagGeneration,
    seed: int,
    processor: GGMProcessor | None = None,
    **teaching,
) -> GGMTrainer:
    """A trainer that has done its work, validated after each epoch."""
    processor = GGMProcessor.from_pretrained(DEMO_CHECKPOINT) if processor is None else processor
    arguments = GGMTrainingArguments(
        str(options.output_dir / "training"), num_train_epochs=options.epochs, learning_rate=0.002, warmup_steps=50,
        lr_scheduler_type="cosine", eval_strategy="epoch", save_strategy="no", per_device_eval_batch_size=50,
        generation_num_beams=1, seed=seed, disable_tqdm=True,
    )  # fmt: skip
    trainer_class = GGMDistillationTrainer if teaching else GGMTrainer
    trainer = trainer_class(
        model,
        arguments,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        processing_class=processor,
        data_collator=DataCollatorForHashtagGeneration(processor, guidance_dropout=0.1, inputs=INPUTS, seed=seed),
        **teaching,
    )
    trainer.train()
    return trainer


def curve(trainer: GGMTrainer) -> list[tuple[float, float]]:
    """Steps, and ROUGE-1 on validation after them."""
    return [(each["step"], each["eval_rouge1"]) for each in trainer.state.log_history if "eval_rouge1" in each]


def train_teachers(options: Namespace, splits: dict[str, Dataset]) -> dict[str, tuple[GGMForHashtagGeneration, float]]:
    """The three teachers, with their ROUGE-1 on validation."""
    teachers = {}
    for name, width in TEACHERS.items():
        folder = options.output_dir / f"teacher-{name}"
        told = folder / "rouge1.json"
        if not told.is_file():
            teacher = new_generator(100, width)
            trainer = trained(options, splits, teacher, 100)
            teacher.save_pretrained(folder)
            write_json(told, curve(trainer)[-1][1])
        teachers[name] = GGMForHashtagGeneration.from_pretrained(folder), json.loads(told.read_text())
    return teachers


def taught(options: Namespace, splits: dict[str, Dataset], way: Way, teachers: dict, seed: int) -> dict:
    """Steps to the goal and the ROUGE-1 at the end, of a student that is taught in one way."""
    path = options.output_dir / "students" / f"{way.name} {seed}.json"
    if not path.is_file():
        student, teaching = new_generator(seed), {}
        if way.teacher is not None:
            weights = DistillationArguments(
                distillation_alpha_soft=way.alpha_soft, distillation_alpha_soft_end=way.alpha_soft_end
            )
            teaching = {"teacher": teachers[way.teacher][0], "distillation": weights}
        if way.starts_as_teacher:
            init_from_teacher(student, teaching["teacher"])
        path.parent.mkdir(exist_ok=True)
        write_json(path, curve(trained(options, splits, student, seed, **teaching)))
    points = json.loads(path.read_text())
    reached = [step for step, rouge in points if rouge >= options.goal]
    return {"steps": reached[0] if reached else None, "end": points[-1][1]}


def table(results: dict[str, list[dict]], goal: float) -> list[str]:
    """Lines of Markdown, with the mean over seeds and their standard deviation."""
    lines = [f"| way | steps to ROUGE-1 {goal:g} | ROUGE-1 at the end |", "|---|---:|---:|"]
    for name, runs in results.items():
        steps = ", ".join("not reached" if run["steps"] is None else str(run["steps"]) for run in runs)
        lines.append(f"| {name} | {steps} | {mean_and_deviation([run['end'] for run in runs])} |")
    return lines


if __name__ == "__main__":
    main()
