"""What the stages of one training share: arguments, folders and prepared data."""

import shutil
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from accelerate import PartialState
from datasets import Dataset, DatasetDict
from transformers.utils import logging

from ..data import load_shorts
from ..errors import DatasetError
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from .arguments import DataArguments, GGMTrainingArguments, ModelArguments, RetrieverArguments, StageArguments

logger = logging.get_logger(__name__)


@dataclass
class Run:
    """
    One training in one output folder: `prepared/` (decoded clips), `runs/` (checkpoints of both trainings),
    `guidance/` (retrieved hashtags), `evaluation/` (figures and predictions) and `checkpoint/` (the result).
    """

    model: ModelArguments
    data: DataArguments
    retriever: RetrieverArguments
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

    @cached_property
    def process(self) -> PartialState:
        return PartialState()

    @cached_property
    def shorts(self) -> DatasetDict:
        """The data folder, which must have all three splits."""
        shorts = load_shorts(self.data.data_dir)
        missing = {"train", "validation", "test"} - set(shorts)
        if missing:
            raise DatasetError(f"{self.data.data_dir} lacks the split folders {sorted(missing)}.")
        return shorts.filter(bool, input_columns="hashtags", desc="Leaving out rows without hashtags")

    @cached_property
    def hashtag_counts(self) -> Counter:
        """How often each hashtag occurs in the training split, most frequent first."""
        counts = Counter(tag for tags in self.shorts["train"]["hashtags"] for tag in tags)
        return Counter(dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))))

    def prepared(self, split: str) -> Dataset:
        """A split's decoded clips."""
        path = self.prepared_dir / f"{split}.arrow"
        if not path.is_file():
            raise DatasetError(f"{path} is missing: run the stage 'prepare' first.")
        return Dataset.from_file(str(path))

    @cached_property
    def processor(self) -> GGMProcessor:
        return GGMProcessor.from_pretrained(self.prepared_dir / "processor")

    @cached_property
    def retriever_processor(self) -> HashtagRetrieverProcessor:
        return HashtagRetrieverProcessor.from_pretrained(self.prepared_dir / "retriever_processor")

    def is_done(self, stage: str, output: Path) -> bool:
        """
        Whether a stage can be skipped because its finished output is there. Removes the output of a stage that is to
        run again.
        """
        if stage in self.stage.overwrite_stages:
            if self.process.is_main_process and output.exists():
                shutil.rmtree(output) if output.is_dir() else output.unlink()
            self.process.wait_for_everyone()
        if output.exists():
            logger.warning(f"Stage '{stage}': skipped, {output} is there (--overwrite_stages {stage} runs it again).")
            return True
        logger.warning(f"Stage '{stage}': begins.")
        return False
