"""Stage 1: processors, and every clip decoded once (a prepared set is read as it is)."""

from transformers import AutoFeatureExtractor, AutoTokenizer

from ..data import decode_split
from ..data.shorts import SPLITS
from ..files import written_whole
from ..processing import GGMProcessor, GGMVideoProcessor, HashtagRetrieverProcessor
from .run import Run, remove


def make_processors(run: Run) -> tuple[GGMProcessor, HashtagRetrieverProcessor]:
    """The processors of the pretrained backbones, or those that the scratch configuration describes."""
    arguments = run.model
    lengths = {
        "num_guidance": arguments.num_guidance,
        "max_text_length": arguments.max_text_length,
        "max_target_length": arguments.max_target_length,
    }
    if run.scratch_config is not None:
        train = run.shorts["train"]
        hashtags = [tag for tags in train["hashtags"] for tag in tags]
        return run.scratch_config.processors(train["description"], hashtags, **lengths)
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
    return processor, HashtagRetrieverProcessor.from_backbone_pretrained(arguments.retriever)


def prepare(run: Run) -> None:
    """Writes `prepared/processor`, `prepared/retriever_processor` and, of clips in files, one Arrow file per split."""
    if run.process.is_main_process:
        if "prepare" in run.stage.overwrite_stages:
            remove(run.prepared_dir)
        if not (run.prepared_dir / "retriever_processor").is_dir():
            processor, retriever_processor = make_processors(run)
            with written_whole(run.prepared_dir / "processor") as folder:
                processor.save_pretrained(folder)
            with written_whole(run.prepared_dir / "retriever_processor") as folder:
                retriever_processor.save_pretrained(folder)
        for split in () if run.is_prepared_set else SPLITS:
            decode_split(
                run.shorts[split],
                run.prepared_dir / f"{split}.arrow",
                run.processor,
                run.retriever_processor,
                num_workers=run.data.decoding_workers,
                on_error=run.data.on_error,
            )
    run.process.wait_for_everyone()
