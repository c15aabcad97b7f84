"""
Whether a generator that learned with ten guiding hashtags can be shown more: absolute positions in its text encoder
against relative ones (Huang et al., Findings of EMNLP 2020), measured on rendered shorts.

    ggm render-shorts --output_dir shorts
    python examples/compare_positions.py --data_dir shorts --output_dir outputs/positions

Generators of the bundled checkpoint's shape, which hear nothing and see as its retriever does, are trained with each
kind of positions and each seed, guided by the retriever's ten nearest hashtags; then they write for the validation
clips with 10, 25 and 50. Told are the ROUGE-1 of each number and the seconds of a training. What an earlier run
trained is read again.
"""

import json
import time
from argparse import ArgumentParser, Namespace
from statistics import mean
from typing import Any

from compare_teachers import INPUTS, add_options, guided_splits, new_generator, trained
from datasets import Dataset
from over_seeds import mean_and_deviation

from transformers_ggm import GGMConfig, GGMForHashtagGeneration, GGMProcessor, GGMTrainer, GGMTrainingArguments
from transformers_ggm.data import DataCollatorForHashtagGeneration
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.processing.hashtag_tokens import hashtag_start_ids
from transformers_ggm.utils.files import write_json

TRAINED_WITH, NUMBERS = 10, (10, 25, 50)
KINDS = {
    "absolute": {},
    **{f"absolute and relative, method {n}": {"text_position_embedding": f"relative_{n}"} for n in (1, 2, 3, 4)},
    "relative alone, method 4": {"text_position_embedding": "relative_4", "position_biased_input": False},
    "the same, anew in each hashtag": {
        "text_position_embedding": "relative_4", "position_biased_input": False, "restarts": True,
    },
}  # fmt: skip


def main() -> None:
    options = parse_options()
    splits = guided_splits(options)
    results: dict[str, list[dict]] = {}
    for seed in options.seeds:
        for kind in options.kinds:
            results.setdefault(kind, []).append(measured(options, splits, kind, seed))
            print(f"seed {seed}, {kind}: {results[kind][-1]}", flush=True)
    print("\n".join(table(results)))


def parse_options() -> Namespace:
    parser = ArgumentParser(description="Measures whether generators can be shown more guidance than they learned by.")
    add_options(parser, validation_clips=240)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="default: all")
    return parser.parse_args()


def measured(options: Namespace, splits: dict[str, Dataset], kind: str, seed: int) -> dict:
    """ROUGE-1 by number of guiding hashtags, and the seconds of the training."""
    path = options.output_dir / "runs" / f"{kind} {seed}.json"
    if not path.is_file():
        processor = processor_of(TRAINED_WITH)
        settings = dict(KINDS[kind])
        if settings.pop("restarts", False):
            settings["position_restart_token_ids"] = hashtag_start_ids(processor.tokenizer)
        start = time.perf_counter()
        model = new_generator(seed, **settings)
        trained(options, splits, model, seed, processor)
        seconds = time.perf_counter() - start
        path.parent.mkdir(exist_ok=True)
        write_json(path, {"seconds": seconds, **{str(n): rouge1(options, splits, model, n) for n in NUMBERS}})
    return json.loads(path.read_text())


def processor_of(num_guidance: int) -> GGMProcessor:
    """The bundled one, which shows so many hashtags, whatever their length."""
    processor = GGMProcessor.from_pretrained(DEMO_CHECKPOINT, num_guidance=num_guidance)
    text: Any = GGMConfig.from_pretrained(DEMO_CHECKPOINT).text_config
    processor.max_text_length = text.max_position_embeddings
    return processor


def rouge1(options: Namespace, splits: dict[str, Dataset], model: GGMForHashtagGeneration, num_guidance: int) -> float:
    """Of what a model writes for the validation clips when it is shown so many hashtags."""
    processor = processor_of(num_guidance)
    trainer = GGMTrainer(
        model,
        GGMTrainingArguments(
            str(options.output_dir / "evaluation"), per_device_eval_batch_size=50, generation_num_beams=1,
            disable_tqdm=True,
        ),
        eval_dataset=splits["validation"],
        processing_class=processor,
        data_collator=DataCollatorForHashtagGeneration(processor, inputs=INPUTS),
    )  # fmt: skip
    return trainer.evaluate()["eval_rouge1"]


def table(results: dict[str, list[dict]]) -> list[str]:
    """Lines of Markdown, with the mean over seeds and their standard deviation."""
    names = [f"shown {number}" for number in NUMBERS]
    lines = [f"| positions | {' | '.join(names)} | seconds |", "|---|" + "---:|" * (1 + len(names))]
    for kind, runs in results.items():
        cells = [mean_and_deviation([run[str(number)] for run in runs]) for number in NUMBERS]
        lines.append(f"| {kind} | {' | '.join(cells)} | {mean(run['seconds'] for run in runs):.0f} |")
    return lines


if __name__ == "__main__":
    main()
