"""What the stages of one training share: arguments, folders and prepared data."""

import json
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset, DatasetDict
from transformers.utils import logging

from ..data import DecodedShorts, PreparedShorts, load_prepared, load_shorts
from ..data.prepared import is_prepared, read_record
from ..errors import DatasetError
from ..files import write_json
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..processing.hashtags import remove_hashtags
from .arguments import (
    ClassifierArguments,
    DataArguments,
    GGMTrainingArguments,
    ModelArguments,
    RetrieverArguments,
    StageArguments,
)
from .callbacks import best_checkpoints

logger = logging.get_logger(__name__)

RECORD = "arguments.json"
PACKAGES = ("transformers-ggm", "transformers", "torch", "datasets", "tokenizers", "accelerate")


@dataclass
class Run:
    """
    One training in one output folder: `prepared/` (decoded clips), `runs/` (checkpoints of both trainings),
    `guidance/` (retrieved hashtags), `evaluation/` (figures and predictions), `checkpoint/` (the result) and, where
    one was asked for, `classifier/`.
    """

    model: ModelArguments
    data: DataArguments
    retriever: RetrieverArguments
    classifier: ClassifierArguments
    training: GGMTrainingArguments
    stage: StageArguments

    def __post_init__(self):
        self.output_dir = Path(self.training.output_dir)
        self.prepared_dir = self.output_dir / "prepared"
        self.guidance_dir = self.output_dir / "guidance"
        self.evaluation_dir = self.output_dir / "evaluation"
        self.checkpoint_dir = self.output_dir / "checkpoint"
        self.retriever_dir = self.checkpoint_dir / "retriever"
        self.pool_dir = self.checkpoint_dir / "hashtag_pool"
        self.retriever_run_dir = self.output_dir / "runs" / "retriever"
        self.generator_run_dir = self.output_dir / "runs" / "generator"
        self.classifier_dir = self.output_dir / "classifier"
        self.classifier_run_dir = self.output_dir / "runs" / "classifier"

    @cached_property
    def process(self) -> PartialState:
        return PartialState()

    @cached_property
    def shorts(self) -> DatasetDict:
        """The data folder, which must have all three splits."""
        shorts = load_prepared(self.data.data_dir) if self.is_prepared_set else load_shorts(self.data.data_dir)
        missing = {"train", "validation", "test"} - set(shorts)
        if missing:
            raise DatasetError(f"{self.data.data_dir} lacks the split folders {sorted(missing)}.")
        shorts = shorts.filter(
            _is_usable,
            input_columns=["hashtags", "description", self.clip_column],
            desc="Leaving out rows without hashtags, and without a clip and words",
        )
        for split, rows in shorts.items():
            if not len(rows):
                raise DatasetError(
                    f"No row of {self.data.data_dir}/{split} has hashtags, and a clip or a description."
                )
        return shorts

    @cached_property
    def hashtag_counts(self) -> Counter:
        """How often each hashtag occurs in the training split, most frequent first."""
        counts = Counter(tag for tags in self.shorts["train"]["hashtags"] for tag in tags)
        return Counter(dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))))

    @cached_property
    def is_prepared_set(self) -> bool:
        """Whether the data folder holds clips that `transformers_ggm.data.prepare` decoded, instead of their files."""
        return is_prepared(self.data.data_dir)

    @property
    def clip_column(self) -> str:
        """A small column that is `None` in rows without a clip."""
        return "duration" if self.is_prepared_set else "video"

    @cached_property
    def unseen_hashtags(self) -> list[str]:
        """The hashtags that a prepared corpus keeps away from training."""
        if not self.is_prepared_set or not read_record(self.data.data_dir)["unseen_hashtags"]:
            raise DatasetError(
                f"{self.data.data_dir} has no unseen hashtags to put into the pool: prepare it as a corpus "
                "(--build_corpus true), or leave --unseen_hashtags_in_pool out."
            )
        return read_record(self.data.data_dir)["unseen_hashtags"]

    def rows(self, split: str) -> Dataset:
        """A split's decoded clips and their fields, as they are stored."""
        if self.is_prepared_set:
            return self.shorts[split]
        return Dataset.from_file(str(self._prepared(f"{split}.arrow")))

    def guidance(self, split: str) -> list[list[str]]:
        """The hashtags retrieved for each row of a split."""
        path = self.guidance_dir / f"{split}.json"
        if not path.is_file():
            raise DatasetError(f"{path} is missing: run the stage 'guidance' first.")
        return json.loads(path.read_text())

    def generator_shorts(self, split: str) -> DecodedShorts | PreparedShorts:
        """A split as the generator reads it, with its guidance."""
        rows = self.rows(split)
        if self.is_prepared_set:
            return PreparedShorts(rows, self.processor, guidance=self.guidance(split))
        return DecodedShorts(rows, self.guidance(split))

    def retriever_shorts(self, split: str, only_pairs: bool = False) -> DecodedShorts | PreparedShorts:
        """A split as the retriever reads it; with `only_pairs` the rows that have both a clip and a hashtag."""
        rows = self.rows(split)
        if only_pairs:
            pairs = zip(rows[self.clip_column], rows["hashtags"])
            rows = rows.select([i for i, (clip, tags) in enumerate(pairs) if clip is not None and tags])
        if self.is_prepared_set:
            return PreparedShorts(rows, retriever_processor=self.retriever_processor)
        return DecodedShorts(rows)

    def classifier_shorts(self, split: str) -> DecodedShorts | PreparedShorts:
        """A split as the classifier reads it; frames of a prepared set are decoded only where it looks at them."""
        rows = self.rows(split)
        if not self.is_prepared_set:
            return DecodedShorts(rows)
        if "video" not in self.classifier.classifier_modalities:
            return PreparedShorts(rows)
        # Without a feature extractor, so that no sound is decoded.
        return PreparedShorts(rows, GGMProcessor(self.processor.video_processor, self.processor.tokenizer))

    def _prepared(self, name: str) -> Path:
        path = self.prepared_dir / name
        if not path.exists():
            raise DatasetError(f"{path} is missing: run the stage 'prepare' first.")
        return path

    @cached_property
    def processor(self) -> GGMProcessor:
        return GGMProcessor.from_pretrained(self._prepared("processor"))

    @cached_property
    def retriever_processor(self) -> HashtagRetrieverProcessor:
        return HashtagRetrieverProcessor.from_pretrained(self._prepared("retriever_processor"))

    def write_record(self, run_dir: Path) -> None:
        """Writes down what a training is run with, beside its checkpoints: the card of the result tells it."""
        if self.process.is_main_process:
            run_dir.mkdir(parents=True, exist_ok=True)
            content = {
                "model": asdict(self.model),
                "data": asdict(self.data),
                "retriever": asdict(self.retriever),
                "classifier": asdict(self.classifier),
                "training": self.training.to_sanitized_dict(),
                "stage": asdict(self.stage),
                "num_processes": self.process.num_processes,
                "versions": {name: version(name) for name in PACKAGES},
            }
            write_json(run_dir / RECORD, content)

    def read_record(self, run_dir: Path) -> dict[str, Any] | None:
        """What [`Run.write_record`] wrote, or `None` where there is nothing."""
        path = run_dir / RECORD
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def best_generators(self) -> list[Path]:
        """Folders of the best checkpoints of the generator's training, best first; empty before it."""
        return best_checkpoints(
            self.generator_run_dir,
            self.training.metric_for_best_model,
            self.stage.num_best_checkpoints,
            self.training.greater_is_better,
        )

    def is_done(self, stage: str, output: Path, run_dir: Path | None = None) -> bool:
        """
        Whether a stage can be skipped because its finished output is there. Removes the output of a stage that is to
        run again, and the checkpoints in `run_dir`, from which it would go on.
        """
        if stage in self.stage.overwrite_stages:
            if self.process.is_main_process:
                remove(output)
                remove(run_dir)
            self.process.wait_for_everyone()
        is_done = output.exists()
        self.process.wait_for_everyone()  # before any process goes on and writes the output
        if is_done:
            logger.warning(f"Stage '{stage}': skipped, {output} is there (--overwrite_stages {stage} runs it again).")
            return True
        logger.warning(f"Stage '{stage}': begins.")
        return False


def _is_usable(hashtags: list[str], description: str, clip: str | float | None) -> bool:
    """Whether a row has hashtags to learn, and anything that they could be learnt from."""
    return bool(hashtags) and (clip is not None or bool(remove_hashtags(description)))


def remove(path: Path | None) -> None:
    """Removes a file or folder, if it is there."""
    if path is not None and path.exists():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
