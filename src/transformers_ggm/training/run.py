"""What the stages of one training share: arguments, folders and prepared data."""

import json
import platform
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset, DatasetDict
from transformers.utils import ADAPTER_CONFIG_NAME, CONFIG_NAME, logging

from ..data import DecodedShorts, PreparedShorts, load_prepared
from ..data.prepared import is_prepared, read_record
from ..data.shorts import read_shorts
from ..data.stamps import joined_stamp, prepared_stamp, rows_stamp
from ..errors import DatasetError
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..processing.hashtag_fields import DroppedHashtags
from ..processing.modalities import check_hearing
from ..retrieval.nearest import has_query
from ..utils.checkpoint_layout import POOL_FOLDER, RETRIEVER_FOLDER
from ..utils.files import write_json
from .arguments import (
    ClassifierArguments,
    DataArguments,
    GGMTrainingArguments,
    LoraArguments,
    ModelArguments,
    RetrieverArguments,
    StageArguments,
    check_lora,
)
from .callbacks import best_checkpoints
from .from_scratch import ScratchConfig

logger = logging.get_logger(__name__)

RECORD = "arguments.json"
PACKAGES = ("transformers-ggm", "transformers", "torch", "datasets", "tokenizers", "accelerate")


@dataclass
class TrainingRun:
    """
    One training in one output folder: `prepared/` (decoded clips), `runs/` (checkpoints of both trainings),
    `guidance/` (retrieved hashtags), `evaluation/` (metrics and predictions), `checkpoint/` (the result) and, where
    one was asked for, `classifier/`; an adapter of new-made models leaves what it adapts in `base/`.

    Args:
        model ([`ModelArguments`]), data ([`DataArguments`]), retriever ([`RetrieverArguments`]), classifier
            ([`ClassifierArguments`]), training ([`GGMTrainingArguments`]), stage ([`StageArguments`]), lora
            ([`LoraArguments`]): the arguments of `train.py`.
    """

    model: ModelArguments
    data: DataArguments
    retriever: RetrieverArguments
    classifier: ClassifierArguments
    training: GGMTrainingArguments
    stage: StageArguments
    lora: LoraArguments

    def __post_init__(self):
        check_hearing(self.model.inputs, self.data.blank_video)
        check_lora(self.lora, self.model)
        self.left_out: list[str] = []
        self.output_dir = Path(self.training.output_dir)
        self.prepared_dir = self.output_dir / "prepared"
        self.guidance_dir = self.output_dir / "guidance"
        self.evaluation_dir = self.output_dir / "evaluation"
        self.checkpoint_dir = self.output_dir / "checkpoint"
        self.base_dir = self.output_dir / "base"
        self.retriever_dir = self.checkpoint_dir / RETRIEVER_FOLDER
        self.pool_dir = self.checkpoint_dir / POOL_FOLDER
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
        shorts, dropped = self._read_shorts()
        if dropped:
            self.left_out.append(dropped)
        missing = {"train", "validation", "test"} - set(shorts)
        if missing:
            raise DatasetError(f"{self.data.data_dir} lacks the split folders {sorted(missing)}.")
        read = {split: len(rows) for split, rows in shorts.items()}
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
            if unusable := read[split] - len(rows):
                self.left_out.append(
                    f"{unusable} of {read[split]} rows of the split '{split}' have no hashtags, or neither a clip nor"
                    " words, and were left out"
                )
        self.tell_left_out()
        return shorts

    def _read_shorts(self) -> tuple[DatasetDict, str]:
        """The data, and a sentence on what was no hashtag, if anything."""
        if not self.is_prepared_set:
            shorts, dropped = read_shorts(self.data.data_dir)
            return shorts, str(dropped) if dropped else ""
        dropped = read_record(self.data.data_dir).get("dropped_hashtags", {})
        return load_prepared(self.data.data_dir), str(DroppedHashtags.from_dict(dropped)) if dropped.get(
            "count"
        ) else ""

    def tell_left_out(self) -> None:
        """Logs what of the data is not trained on: while it is read, and again at the end, where it is seen."""
        if self.process.is_main_process:
            for what in self.left_out:
                logger.warning(f"{self.data.data_dir}: {what}.")

    @cached_property
    def data_stamp(self) -> str:
        """Another one when the data change."""
        if self.is_prepared_set:
            return prepared_stamp(self.data.data_dir)
        return joined_stamp({split: rows_stamp(rows) for split, rows in self.shorts.items()})

    def outputs(self, stage: str) -> list[Path]:
        """What a stage writes: its finished output, and the folder with the checkpoints that it would go on from."""
        return {
            "prepare": [self.prepared_dir],
            "retriever": [self.retriever_dir, self.retriever_run_dir],
            "pool": [self.pool_dir],
            "guidance": [self.guidance_dir],
            "classifier": [self.classifier_dir, self.classifier_run_dir],
            "generator": [self.generator_result, self.generator_run_dir],
            "evaluate": [self.evaluation_dir / "test.json"],
        }[stage]

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

    @cached_property
    def scratch_config(self) -> ScratchConfig | None:
        """The small backbones that training starts from at random, or `None` where it starts from pretrained ones."""
        if self.model.scratch_config is None:
            return None
        config = ScratchConfig.from_json(self.model.scratch_config)
        return config if "audio" in self.model.inputs else config.without_sound()

    def rows(self, split: str) -> Dataset:
        """A split's decoded clips and their fields, as they are stored."""
        if self.is_prepared_set:
            return self.shorts[split]
        return Dataset.from_file(str(self._prepared(f"{split}.arrow")))

    @property
    def needs_retriever(self) -> bool:
        """Whether a stage trains a retriever or uses one: a generator without guidance does without."""
        stages = {"retriever", "pool", "guidance"} & set(self.stage.stages)
        sees_as_retriever = self.model.vision_from_retriever and "video" in self.model.inputs
        return bool(stages) or self.model.num_guidance > 0 or sees_as_retriever

    def guidance(self, split: str) -> list[list[str]]:
        """The hashtags retrieved for each row of a split, nearest first, as many as the generator is shown."""
        if self.model.num_guidance == 0:
            return [[] for _ in range(len(self.rows(split)))]
        path = self.guidance_dir / f"{split}.json"
        if not path.is_file():
            raise DatasetError(f"{path} is missing: run the stage 'guidance' first.")
        return [tags[: self.model.num_guidance] for tags in json.loads(path.read_text())]

    def generator_shorts(self, split: str, guidance: list[list[str]] | None = None) -> DecodedShorts | PreparedShorts:
        """A split as the generator reads it, with the guidance retrieved for it, or another one."""
        rows = self.rows(split)
        guidance = self.guidance(split) if guidance is None else guidance
        if self.is_prepared_set:
            looks = {"video", "audio"} & set(self.model.inputs)
            return PreparedShorts(rows, self.processor if looks else None, guidance=guidance)
        return DecodedShorts(rows, guidance)

    def retriever_shorts(self, split: str, only_pairs: bool = False) -> DecodedShorts | PreparedShorts:
        """A split as the retriever reads it; with `only_pairs` the rows that have both a query and a hashtag."""
        rows = self.rows(split)
        if only_pairs:
            query = self.retriever.retriever_query
            clips = rows["duration" if self.is_prepared_set else "frames_shape"]  # a sound alone has no frames
            columns = zip(rows["hashtags"], clips, rows["description"])
            rows = rows.select([i for i, row in enumerate(columns) if row[0] and has_query(query, *row[1:])])
        if self.is_prepared_set:
            return PreparedShorts(rows, retriever_processor=self.retriever_processor)
        return DecodedShorts(rows)

    def classifier_shorts(self, split: str) -> DecodedShorts | PreparedShorts:
        """A split as the classifier reads it; frames of a prepared set are decoded only where it reads them."""
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

    def write_record(self, run_dir: Path, **facts: Any) -> None:
        """
        Writes down what a training is run with, beside its checkpoints: the card of the result tells it.

        Args:
            run_dir (`Path`): the training's folder.
            **facts: what else is known of it, ready for JSON.
        """
        if self.process.is_main_process:
            run_dir.mkdir(parents=True, exist_ok=True)
            content = {
                "model": asdict(self.model),
                "data": asdict(self.data),
                "retriever": asdict(self.retriever),
                "classifier": asdict(self.classifier),
                "training": self.training.to_sanitized_dict(),
                "stage": asdict(self.stage),
                "lora": asdict(self.lora),
                "num_processes": self.process.num_processes,
                "versions": self.versions(),
                "left_out": self.left_out,
                **facts,
            }
            write_json(run_dir / RECORD, content)

    def add_to_record(self, run_dir: Path, **facts: Any) -> None:
        """Adds to what [`TrainingRun.write_record`] wrote, in the process that wrote it."""
        if self.process.is_main_process:
            write_json(run_dir / RECORD, {**self.read_record(run_dir), **facts})

    def versions(self) -> dict[str, str]:
        """Of Python and the packages that training goes by."""
        packages = (*PACKAGES, *(("peft",) if self.lora.use_lora else ()))
        return {"Python": platform.python_version(), **{name: version(name) for name in packages}}

    def read_record(self, run_dir: Path) -> dict[str, Any] | None:
        """What [`TrainingRun.write_record`] wrote, or `None` where there is nothing."""
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

    @property
    def generator_result(self) -> Path:
        """The file that is there when the generator's result is: a model's configuration, or an adapter's."""
        return self.checkpoint_dir / (ADAPTER_CONFIG_NAME if self.lora.use_lora else CONFIG_NAME)

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
    return bool(hashtags) and has_query("video+text", clip, description)


def remove(path: Path | None) -> None:
    """Removes a file or folder, if it is there."""
    if path is not None and path.exists():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
