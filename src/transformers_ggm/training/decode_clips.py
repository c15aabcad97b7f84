"""Stage 1: processors, and every clip decoded once (a prepared set is read as it is)."""

from collections.abc import Sequence

from transformers import AutoFeatureExtractor, AutoTokenizer

from ..data import decode_split
from ..data.shorts import SPLITS
from ..processing import GGMProcessor, GGMVideoProcessor, HashtagRetrieverProcessor, InstructedProcessor
from ..utils.files import atomic_folder
from .instructed import instructed_processor
from .lora import base_processor, base_retriever
from .run import TrainingRun, remove


def make_processors(run: TrainingRun) -> tuple[GGMProcessor | InstructedProcessor, HashtagRetrieverProcessor | None]:
    """
    The processors of the pretrained backbones or of the checkpoint that is adapted, or those that the scratch
    configuration describes. A pretrained retriever that no stage needs is not fetched for its processor.
    """
    arguments = run.model
    lengths = {
        "num_guidance": arguments.num_guidance,
        "max_text_length": arguments.max_text_length,
        "max_target_length": arguments.max_target_length,
        **{f"{name}_share": share for name, share in arguments.text_shares.items()},
        "text_reading": run.shorts.text_reading,
    }
    if run.scratch_config is not None:
        train = run.shorts.splits["train"]
        hashtags = [tag for tags in train["hashtags"] for tag in tags]
        texts = (text for name in run.shorts.texts for text in train[name] if text)
        processor, retriever_processor = run.scratch_config.processors(texts, hashtags, **lengths)
        retriever_processor.query_texts = run.retriever.retriever_texts
        return processor, retriever_processor
    if run.lora.starts_from_trained:
        processor = base_processor(run, lengths)
        if not run.needs_retriever:
            return processor, None
        return processor, HashtagRetrieverProcessor.from_pretrained(base_retriever(run))
    if arguments.is_instructed:
        return instructed_processor(run), _retriever_processor(run)
    feature_extractor = None
    if arguments.audio is not None:
        feature_extractor = AutoFeatureExtractor.from_pretrained(arguments.audio)
    processor = GGMProcessor(
        GGMVideoProcessor.from_pretrained(
            arguments.retriever if arguments.vision_from_retriever else arguments.vision
        ),
        AutoTokenizer.from_pretrained(arguments.text),
        feature_extractor,
        **lengths,
    )
    return processor, _retriever_processor(run)


def _retriever_processor(run: TrainingRun) -> HashtagRetrieverProcessor | None:
    if not run.needs_retriever:
        return None
    processor = HashtagRetrieverProcessor.from_backbone_pretrained(run.model.retriever)
    processor.query_texts = run.retriever.retriever_texts
    return processor


def note_rejected(run: TrainingRun, split: str) -> None:
    """Has the clips that could not be read told with what else is left out."""
    rejected = run.folders.prepared / f"{split}.rejected.jsonl"
    count = len(rejected.read_text(encoding="utf-8").splitlines()) if rejected.is_file() else 0
    if count:
        run.shorts.left_out.append(
            f"{count} clips of the split '{split}' cannot be read and were left out (see {rejected})"
        )


def prepare(run: TrainingRun) -> None:
    """
    Writes `prepared/processor`, `prepared/retriever_processor` (where there is to be a retriever) and, of clips in
    files, one Arrow file per split.
    """
    if run.process.is_main_process:
        if "prepare" in run.stage.overwrite_stages:
            remove(run.folders.prepared)
        needed = ("processor", "retriever_processor") if run.needs_retriever else ("processor",)
        is_there = [(run.folders.prepared / name).is_dir() for name in needed]
        if is_there == [True, False]:
            remove(run.folders.prepared)  # clips that were decoded without a retriever lack frames of its size
        if not all(is_there):
            for name, processor in zip(("retriever_processor", "processor"), reversed(make_processors(run))):
                if processor is not None:
                    with atomic_folder(run.folders.prepared / name) as folder:
                        processor.save_pretrained(folder)
        has_retriever = (run.folders.prepared / "retriever_processor").is_dir()
        if not run.shorts.is_prepared_set:
            retriever_processor = run.shorts.retriever_processor if has_retriever else None
            decode_splits(run, SPLITS, run.shorts.processor, retriever_processor)
    run.process.wait_for_everyone()


def decode_splits(
    run: TrainingRun,
    splits: Sequence[str],
    processor: GGMProcessor | InstructedProcessor,
    retriever_processor: HashtagRetrieverProcessor | None = None,
) -> None:
    """Writes an Arrow file for each of some splits; see [`decode_split`]."""
    for split in splits:
        decode_split(
            run.shorts.splits[split],
            run.folders.prepared_file(split),
            processor,
            retriever_processor,
            num_workers=run.data.decoding_workers,
            on_error=run.data.on_error,
            blank_video=run.data.blank_video,
        )
        note_rejected(run, split)
