"""One training of `train.py`: its arguments, its folders, its data, and which of its stages are done."""

import shutil
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers.utils import ADAPTER_CONFIG_NAME, CONFIG_NAME, logging

from ..errors import ArgumentError
from ..processing.modalities import check_hearing
from .arguments import (
    ClassifierArguments,
    DataArguments,
    GeneratorArguments,
    LoraArguments,
    ModelArguments,
    RetrieverArguments,
    StageArguments,
    check_lora,
)
from .automated_task_arguments import AutomatedTaskArguments
from .base_checkpoints import (
    base_stages,
    check_generator,
    check_recommends,
    check_retriever,
    generator_stages,
    go_by_retriever_of,
    guides_by_sources,
    has_retriever,
)
from .callbacks import best_checkpoints, last_checkpoint
from .distillation_arguments import DistillationArguments
from .from_scratch import ScratchConfig
from .run_data import RunData
from .run_folders import RunFolders
from .run_records import package_versions
from .source_arguments import SourceArguments, check_examples, check_sources

logger = logging.get_logger(__name__)


@dataclass
class TrainingRun:
    """
    One training in one output folder.

    Args:
        model ([`ModelArguments`]), data ([`DataArguments`]), retriever ([`RetrieverArguments`]),
        classifier ([`ClassifierArguments`]), training ([`GeneratorArguments`]), stage ([`StageArguments`]),
        lora ([`LoraArguments`]), source ([`SourceArguments`]), distillation ([`DistillationArguments`]),
        automated_tasks ([`AutomatedTaskArguments`]): what it was asked for.

    Attributes:
        folders ([`~transformers_ggm.training.run_folders.RunFolders`]): where it keeps what it makes.
        shorts ([`~transformers_ggm.training.run_data.RunData`]): what it trains on.

    Raises:
        ValueError: arguments do not go together.
    """

    model: ModelArguments
    data: DataArguments
    retriever: RetrieverArguments
    classifier: ClassifierArguments
    training: GeneratorArguments
    stage: StageArguments
    lora: LoraArguments
    source: SourceArguments = field(default_factory=SourceArguments)
    distillation: DistillationArguments = field(default_factory=DistillationArguments)
    automated_tasks: AutomatedTaskArguments = field(default_factory=AutomatedTaskArguments)

    def __post_init__(self):
        check_hearing(self.model.inputs, self.data.blank_video)
        check_lora(self.lora, self.model)
        check_teacher(self)
        check_automated_tasks(self)
        if self.fits_base:
            self.stage.stages = base_stages(self.stage.stages)
            check_recommends(self.lora.base_checkpoint)
            if "retriever" in self.stage.stages:
                check_retriever(self.lora.base_checkpoint)
                go_by_retriever_of(self.lora.base_checkpoint, self.retriever)
        elif self.guides_by_base:
            self.stage.stages = generator_stages(self.stage.stages)
            check_generator(self.lora.base_checkpoint, self.model.is_instructed)
            if self.needs_retriever:
                go_by_retriever_of(self.lora.base_checkpoint, self.retriever)
        else:
            if self.trains_base_generator:
                check_recommends(self.lora.base_checkpoint)
                raise ArgumentError(
                    "the generator of a `base_checkpoint` is trained with the sources of that checkpoint, which needs"
                    " guidance of them (recommendation.json): leave `sources` out, or train with --use_lora true."
                )
            if self.stage.stages is None:
                self.stage.stages = self.source.stages(self.sees_as_retriever)
            check_sources(self.source, self.stage.stages, self.model.num_guidance)
        guiding_base = self.lora.base_checkpoint if self.guides_by_base else None
        check_examples(self.source, self.model.is_instructed, guiding_base)
        self.folders = RunFolders(Path(self.training.output_dir))
        self.shorts = RunData(
            self.folders, self.data, self.model, self.retriever, self.classifier, self.source.num_examples
        )

    @property
    def fits_base(self) -> bool:
        """Whether a checkpoint that recommends already gets a ranker, or its retriever is trained on."""
        return self.lora.base_checkpoint is not None and not self.lora.use_lora and not self.trains_base_generator

    @property
    def trains_base_generator(self) -> bool:
        """Whether all weights of the generator of a checkpoint that recommends are trained on."""
        is_asked = "generator" in (self.stage.stages or ())
        return self.lora.base_checkpoint is not None and not self.lora.use_lora and is_asked

    @cached_property
    def guides_by_base(self) -> bool:
        """
        Whether the generator of a base, or an adapter of it, is trained, whose base has sources that guide it, and no
        others were asked for.
        """
        trains = self.lora.base_checkpoint is not None and (self.lora.use_lora or self.trains_base_generator)
        return trains and self.source.is_published and guides_by_sources(self.lora.base_checkpoint)

    @cached_property
    def process(self) -> PartialState:
        return PartialState()

    @cached_property
    def scratch_config(self) -> ScratchConfig | None:
        """The small backbones that training starts from at random, or `None` where it starts from pretrained ones."""
        if self.model.scratch_config is None:
            return None
        config = ScratchConfig.from_json(self.model.scratch_config)
        return config if "audio" in self.model.inputs else config.without_sound()

    @property
    def sees_as_retriever(self) -> bool:
        """Whether the generator starts from the retriever's vision tower."""
        return self.model.vision_from_retriever and "video" in self.model.inputs

    @property
    def needs_retriever(self) -> bool:
        """
        Whether a stage trains a retriever or uses one: a generator without guidance does without, and one whose
        guidance comes from elsewhere.
        """
        if self.guides_by_base:
            return has_retriever(self.lora.base_checkpoint)
        if "pool" not in self.source.sources:
            return self.sees_as_retriever or bool({"retriever", "pool"} & set(self.stage.stages))
        stages = {"retriever", "pool", "guidance"} & set(self.stage.stages)
        return bool(stages) or self.model.num_guidance > 0 or self.sees_as_retriever

    @property
    def retriever_reads_posts(self) -> bool:
        """Whether posts have the retriever's vectors: it reads descriptions, and no other encoder was asked for."""
        reads = "pool" in self.source.sources and "text" in self.retriever.retriever_query
        return "posts" in self.source.sources and reads and self.source.text_encoder is None

    def facts(self) -> dict[str, Any]:
        """What the run goes by, ready for JSON: the record beside the checkpoints of its trainings has it."""
        return {
            "model": asdict(self.model),
            "data": asdict(self.data),
            "retriever": asdict(self.retriever),
            "classifier": asdict(self.classifier),
            "training": self.training.to_sanitized_dict(),
            "stage": asdict(self.stage),
            "lora": asdict(self.lora),
            "source": asdict(self.source),
            "distillation": asdict(self.distillation),
            "automated_tasks": asdict(self.automated_tasks),
            "num_processes": self.process.num_processes,
            "versions": package_versions(with_peft=self.lora.use_lora),
            "left_out": self.shorts.left_out,
        }

    def outputs(self, stage: str) -> list[Path]:
        """What a stage writes: its finished output, and the folder with the checkpoints that it would go on from."""
        return {
            "prepare": [self.folders.prepared],
            "retriever": [self.folders.retriever, self.folders.retriever_run],
            "posts": [self.folders.posts if "posts" in self.source.sources else self.folders.text_encoder],
            "pool": [self.folders.pool],
            "guidance": [self.folders.guidance],
            "classifier": [self.folders.classifier, self.folders.classifier_run],
            "generator": [self.generator_result, self.folders.generator_run],
            "ranker": [self.folders.ranker, self.folders.ranker_run],
            "evaluate": [self.folders.evaluation / "test.json"],
        }[stage]

    def best_generators(self) -> list[Path]:
        """Folders of the best checkpoints of the generator's training, best first; empty before it."""
        return best_checkpoints(
            self.folders.generator_run,
            self.training.metric_for_best_model,
            self.stage.num_best_checkpoints,
            self.training.greater_is_better,
        )

    @property
    def generator_result(self) -> Path:
        """The file that is there when the generator's result is: a model's configuration, or an adapter's."""
        return self.folders.checkpoint / (ADAPTER_CONFIG_NAME if self.lora.use_lora else CONFIG_NAME)

    def is_done(self, stage: str, output: Path, run_dir: Path | None = None) -> bool:
        """
        Whether a stage can be skipped because its finished output is there. Removes the output of a stage that is to
        run again, and the checkpoints in `run_dir`, from which it would go on.
        """
        if stage in self.stage.overwrite_stages and self.process.is_main_process:
            remove(output)
            remove(run_dir)
        if self._agreed(output.exists()):
            logger.warning(f"Stage '{stage}': skipped, {output} is there (--overwrite_stages {stage} runs it again).")
            return True
        logger.warning(f"Stage '{stage}': begins.")
        return False

    def checkpoint_to_resume(self, run_dir: Path) -> Path | None:
        """The checkpoint that all processes go on from, the newest complete one; `None` where there is none."""
        return self._agreed(last_checkpoint(run_dir))

    def _agreed(self, found: Any) -> Any:
        """
        What the main process found, in every process: other machines may see a shared file system as it was some
        seconds ago, and must not go other ways for it.
        """
        return broadcast_object_list([found])[0]


def remove(path: Path | None) -> None:
    """Removes a file or folder, if it is there."""
    if path is not None and path.exists():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def check_teacher(run: TrainingRun) -> None:
    """
    Raises:
        ArgumentError: there is a teacher, but what is trained cannot have one.
    """
    if run.distillation.teacher is None:
        return
    if run.model.is_instructed or run.lora.use_lora or run.lora.base_checkpoint is not None:
        raise ArgumentError(
            "`teacher` teaches a new GGM, retriever or classifier: leave it out with --generator instructed,"
            " --use_lora true and --base_checkpoint."
        )


def check_automated_tasks(run: TrainingRun) -> None:
    """
    Raises:
        ArgumentError: there are automated tasks, but what is trained cannot have any.
    """
    if run.automated_tasks.automated_tasks and (run.model.is_instructed or run.lora.use_lora or run.fits_base):
        raise ArgumentError(
            "`automated_tasks` are learned by all of a GGM: leave them out with --generator instructed, --use_lora"
            " true and a --base_checkpoint whose generator is not trained."
        )
