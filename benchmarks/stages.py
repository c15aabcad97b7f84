"""What each stage of suggesting hashtags costs, one after another as the pipeline runs them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.modeling import GGMEncoderOutput
from transformers_ggm.pipelines.inputs import ItemFields, load_item

STAGES = (
    "decode and resize",
    "retriever's vision",
    "search",
    "vision",
    "audio",
    "text encoder and fusion",
    "decoding",
)


class StageTimes(dict):
    """Seconds by stage."""

    def __init__(self):
        super().__init__(dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Adds what the block takes to a stage."""
        started = time.perf_counter()
        yield
        self[stage] += time.perf_counter() - started

    @contextmanager
    def of_module(self, stage: str, module: torch.nn.Module, within: str) -> Iterator[None]:
        """Counts what a module takes to its own stage, and not to the one that it runs within."""
        started: list[float] = []

        def begin(*_):
            started.append(time.perf_counter())

        def end(*_):
            seconds = time.perf_counter() - started.pop()
            self[stage] += seconds
            self[within] -= seconds

        hooks = [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
        yield
        for hook in hooks:
            hook.remove()


@torch.inference_mode()
def run_stages(
    suggest: HashtagGenerationPipeline, clips: Sequence[Path], words: str, tokens: int, num_beams: int
) -> StageTimes:
    """
    Suggests hashtags for clips in one batch.

    Args:
        suggest ([`HashtagGenerationPipeline`]): the model and its parts, all in one type.
        clips (`list[Path]`): the batch.
        words (`str`): the description of each.
        tokens (`int`): how many tokens are written; random weights do not know when to stop.
        num_beams (`int`): 1 for greedy search.

    Returns:
        [`StageTimes`]: wall time of the whole batch.
    """
    times, encoder = StageTimes(), suggest.model.get_encoder()
    with times.of("decode and resize"):
        frames_of = suggest.retriever_processor.video_processor
        rows = [load_item(ItemFields(str(clip), words, None, None), suggest.processor, frames_of) for clip in clips]
    with times.of("retriever's vision"):
        if suggest.model.config.vision_source == "retriever":
            media = suggest._encode_media(rows)
            seen = suggest.retriever.encode_videos(media.pop("pixel_values_videos"), media["frame_mask"])
            queries, media["video_states"] = seen.video_embeds, seen.video_states
        else:
            frames = frames_of([row["retriever_frames"] for row in rows], do_resize=False, do_center_crop=False)
            queries = suggest.retriever.get_video_features(**frames)
    with times.of("search"):
        guidance = suggest.hashtag_pool.search(queries, suggest.processor.num_guidance)[1]
    within = "text encoder and fusion"
    with times.of(within):
        if suggest.model.config.vision_source == "own":
            media = suggest._encode_media(rows)
        inputs = {**suggest.processor(text=[words] * len(rows), guidance=guidance), **media}
        with (
            times.of_module("vision", encoder.vision_encoder, within),
            times.of_module("audio", encoder.audio_encoder, within),
        ):
            states = encoder(**inputs).last_hidden_state
    with times.of("decoding"):
        suggest.model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            encoder_outputs=GGMEncoderOutput(last_hidden_state=states),
            num_beams=num_beams,
            min_new_tokens=tokens,
            max_new_tokens=tokens,
        )
    return times
