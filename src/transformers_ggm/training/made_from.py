"""What the output of each stage was made from, so that what lies there is never taken for what would be made now."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..retrieval.post_files import INDEX_FILE
from ..utils.files import write_json
from .run import TrainingRun
from .run_folders import EXAMPLES_FILE
from .source_arguments import SourceArguments

RECORD = "made_from.json"
# Stages whose output depends on the arguments that choose the sources, and on which of them.
OF_SOURCES: dict[str, Callable[[SourceArguments], Any]] = {
    "posts": lambda source: [source.text_encoder, source.num_examples > 0],
    "guidance": lambda source: [source.retrieving, source.neighbours, source.num_examples],
    "ranker": lambda source: [
        source.sources,
        source.neighbours,
        source.ranker_hidden_size,
        *([] if source.plausibility is None else [source.plausibility]),
    ],
}


def check_data(run: TrainingRun, stages: Sequence[str]) -> None:
    """
    Raises:
        DatasetError: stages would be skipped, or resumed, although their output was made from other data.
    """
    record = _read(run)
    old = [
        stage
        for stage in stages
        if _would_be_used(run, stage) and record.get(stage, {}).get("data", run.shorts.stamp) != run.shorts.stamp
    ]
    if old:
        raise DatasetError(
            f"{run.outputs(old[0])[0]} was made from other data than {run.data.data_dir} has now: choose another "
            f"--output_dir, or run again what was made from them (--overwrite_stages {' '.join(old)})."
        )


def check_made_from(run: TrainingRun, stage: str) -> None:
    """
    Raises:
        DatasetError: the stage would be skipped, or resumed, although its output was made from that of another
            stage which is another one now.
    """
    if not _would_be_used(run, stage):
        return
    now = inputs_of(run, stage)
    different = [name for name, stamp in _read(run).get(stage, {}).items() if now.get(name, stamp) != stamp]
    if different:
        raise DatasetError(
            f"{run.outputs(stage)[0]} was made from another {' and another '.join(different)} than is there now: run "
            f"the stage again (--overwrite_stages {stage}), or choose another --output_dir."
        )


def _would_be_used(run: TrainingRun, stage: str) -> bool:
    return stage not in run.stage.overwrite_stages and any(path.exists() for path in run.outputs(stage))


def note_made_from(run: TrainingRun, stage: str) -> None:
    """Writes down what the output of a stage is going to be made from, unless it is there already."""
    if run.process.is_main_process and not (_would_be_used(run, stage) and stage in _read(run)):
        record = {**_read(run), stage: inputs_of(run, stage)}
        if record != _read(run):
            write_json(run.folders.output / RECORD, record)


def inputs_of(run: TrainingRun, stage: str) -> dict[str, str]:
    """Stamps of the data and of the outputs of other stages that a stage reads, as far as they are there."""
    parts: dict[str, list[Path]] = {}
    if stage == "pool" or (stage == "posts" and run.retriever_reads_posts):
        parts["retriever"] = _weights(run.folders.retriever)
    elif stage == "guidance":
        parts["hashtag pool"] = [run.folders.pool / "pool.json"]
        parts["index of posts"] = [run.folders.posts / INDEX_FILE]
    elif stage == "generator":
        parts["guidance"] = _retrieved(run, "train", "validation")
    elif stage == "ranker":
        parts["index of posts"] = [run.folders.posts / INDEX_FILE]
        parts["classifier"] = _weights(run.folders.classifier)
        parts["generator"] = _weights(run.folders.checkpoint)
        parts["guidance"] = [run.folders.guidance / "validation.json"]
    elif stage == "evaluate":
        parts["generator"] = _weights(run.folders.checkpoint)
        parts["ranker"] = _weights(run.folders.ranker)
        parts["guidance"] = _retrieved(run, "test")
    there = {name: files for name, files in parts.items() if files and all(file.is_file() for file in files)}
    stamps = {"data": run.shorts.stamp, **{name: _stamp(files) for name, files in there.items()}}
    if stage in OF_SOURCES:
        chosen = OF_SOURCES[stage](run.source)
        stamps["choice of sources"] = hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:16]
    return stamps


def _retrieved(run: TrainingRun, *splits: str) -> list[Path]:
    """What the generator is shown with the rows of some splits."""
    names = ["{}.json"] * bool(run.model.num_guidance) + [EXAMPLES_FILE] * bool(run.source.num_examples)
    return [run.folders.guidance / name.format(split) for name in names for split in splits]


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _stamp(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:16]


def _read(run: TrainingRun) -> dict[str, dict[str, str]]:
    file = run.folders.output / RECORD
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
