"""Tags clips on a Ray cluster: `ggm tag --engine ray`."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm
from transformers import pipeline

from ..data.sources.rows import Row
from ..errors import InputError
from ..pipelines import HashtagGenerationPipeline
from ..pipelines.components import Checkpoint
from ..pipelines.numbers import check_numbers, check_score
from ..pipelines.showing import Showing
from ..pipelines.tag_folder import TaggingReport
from .actor_stages import ActorStage, stream_through
from .bulk_output import BulkOutput
from .bulk_rows import blocks_of, bulk_rows
from .checkpoint_fingerprint import checkpoint_fingerprint
from .clip_stages import ClipReader, Decoder, Tagger
from .ray_session import import_ray, ray_session


@dataclass(frozen=True)
class BulkModel:
    """
    What clips are tagged with.

    Attributes:
        model (`str`, *optional*): folder or Hub id of a checkpoint, which all machines of the cluster can read; the
            bundled one by default.
        int8 (`bool`, defaults to `False`), backend (`str`, defaults to `"torch"`), speech (`str`, *optional*),
            screen_text (`bool`, defaults to `False`): as of [`HashtagGenerationPipeline`].
        options (`dict`): of the pipeline's call, such as `top_n`, `min_score`, `safe`, `blocked` and `platform`.
    """

    model: str | None = None
    int8: bool = False
    backend: str = "torch"
    speech: str | None = None
    screen_text: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ActorCounts:
    """
    How many actors do what.

    Attributes:
        decoders (`int`, *optional*): that decode clips, each with a process; as many read speech and screens, where
            that is asked for. Defaults to as many as the cluster has cores.
        models (`int`, defaults to 1): that have the model.
        gpus_per_model (`float`, defaults to 0): of each of those; 0.5 for two on a GPU, 0 for the CPU.

    Raises:
        `InputError`: A number is out of range.
    """

    decoders: int | None = None
    models: int = 1
    gpus_per_model: float = 0.0

    def __post_init__(self):
        for name, value in {"decoders": self.decoders, "models": self.models}.items():
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InputError(f"{name}={value!r}: pass a whole number, 1 or more.")
        if not self.gpus_per_model >= 0:
            raise InputError(f"gpus_per_model={self.gpus_per_model!r}: pass a number, 0 or more.")


def tag_bulk(
    source: str | os.PathLike,
    output: str | os.PathLike,
    model: BulkModel | None = None,
    *,
    actors: ActorCounts | None = None,
    address: str | None = None,
    batch_size: int = 8,
    retry_rejected: bool = False,
) -> TaggingReport:
    """
    Suggests hashtags for clips on a Ray cluster, into a folder of Parquet files.

    Decoding, reading and the model are stages with actors of their own. What the folder has is not done again: work
    that was cut off at any point, or that new clips have come to, is resumed by the same call, and every clip is
    there once. See [`BulkOutput`] for the folder; its parts have

    - `id` (`str`), see [`bulk_rows`];
    - `hashtags`: list of `hashtag` (`str`), `score` (float64), `novel` and `guided` (`bool`), `sources` (list of
      `str`, missing without a recommender), as the pipeline gives them.

    Args:
        source (`str` or `os.PathLike`): The clips, see [`bulk_rows`].
        output (`str` or `os.PathLike`): Folder; this process alone writes into it.
        model ([`BulkModel`], *optional*): The bundled one by default.
        actors ([`ActorCounts`], *optional*): By default one has the model, and each core decodes.
        address (`str`, *optional*): Of the cluster, see [`ray_session`].
        batch_size (`int`, defaults to 8): Clips that go through the model, and the cluster, together.
        retry_rejected (`bool`, defaults to `False`): Whether those clips, and only those, are tried again that could
            not be read before.

    Returns:
        [`TaggingReport`]: What this call has done.

    Raises:
        `ImportError`: Ray is not installed.
        `ClusterError`: The cluster cannot be reached, has no such GPUs, or the work failed.
        `DatasetError`: There are no clips, two have one id, or another process writes to `output`.
        `OutputError`: `output` cannot be written, or belongs to another model or other settings.
        `InputError`: An option is unknown or out of range.

    Example:

    ```python
    >>> from transformers_ggm.cluster.tag_bulk import ActorCounts, BulkModel, tag_bulk

    >>> report = tag_bulk(  # doctest: +SKIP
    ...     "s3://bucket/clips-{000..099}.tar",
    ...     "tags",
    ...     BulkModel("outputs/ggm/checkpoint", options={"top_n": 5, "safe": True}),
    ...     actors=ActorCounts(decoders=64, models=4, gpus_per_model=0.5),
    ...     address="auto",
    ... )

    ```
    """
    import_ray()
    model, actors = _with_whole_paths(model or BulkModel()), actors or ActorCounts()
    check_numbers(batch_size=batch_size, **model.options)
    check_score(model.options.get("min_score"))
    Showing.of(model.options)
    whole = _load(model)
    with BulkOutput.opened(Path(output), _made_from(model, whole)) as done:
        before = len(done.done) + len(done.rejects)
        asked = set(done.rejects) if retry_rejected else None
        waiting = list(_waiting(source, done, asked))
        tagged, skipped = 0, {}
        if waiting:
            with ray_session(address) as ray:
                decoders = actors.decoders or max(1, int(ray.cluster_resources().get("CPU", 1)))
                stages = _stages(model, whole, replace(actors, decoders=decoders), batch_size)
                del whole  # its weights are the actors' now
                tagged, skipped = _tag(stages, blocks_of(waiting, decoders), done, before - len(asked or ()))
    return TaggingReport(tagged, skipped, before - len(asked or ()))


def _with_whole_paths(model: BulkModel) -> BulkModel:
    """With the folders of models as absolute ones: actors work elsewhere."""
    names = {"model": model.model, "speech": model.speech}
    return replace(
        model, **{name: os.path.abspath(path) for name, path in names.items() if path and os.path.exists(path)}
    )


def _load(model: BulkModel) -> HashtagGenerationPipeline:
    """The whole pipeline, on this machine, which finds out what is wrong with it before anything is begun."""
    parts = {"int8": model.int8, "backend": model.backend, "speech": model.speech, "screen_text": model.screen_text}
    return pipeline("hashtag-generation", model=model.model, device="cpu", **parts)


def _made_from(model: BulkModel, whole: HashtagGenerationPipeline) -> dict[str, Any]:
    settings = {"int8": model.int8, "read_speech": model.speech, "read_screen": model.screen_text, **model.options}
    # Work that was begun before there were others goes on.
    settings |= {} if model.backend == "torch" else {"backend": model.backend}
    return {
        "model": checkpoint_fingerprint(Checkpoint.of(whole.model)),
        **{name: value for name, value in settings.items() if value},
    }


def _stages(
    model: BulkModel, whole: HashtagGenerationPipeline, actors: ActorCounts, batch_size: int
) -> list[ActorStage]:
    decoding = {"preprocess": whole.without_models().preprocess, "num_rows": batch_size}
    reading = {
        "speech": model.speech,
        "screen_text": model.screen_text,
        "used": whole.used_clues,
        "trained_with": getattr(whole.processor, "text_reading", None),
    }
    readers = [ActorStage(ClipReader, reading, actors.decoders)] if model.speech or model.screen_text else []
    options = {**model.options, "batch_size": batch_size}
    tagging = {"model": model.model, "int8": model.int8, "backend": model.backend, "options": options}
    return [
        ActorStage(Decoder, decoding, actors.decoders),
        *readers,
        ActorStage(Tagger, tagging, actors.models, actors.gpus_per_model),
    ]


def _waiting(source: str | os.PathLike, done: BulkOutput, asked: set[str] | None) -> Iterator[Row]:
    for row in bulk_rows(source):
        name = row["id"]
        if name in asked if asked is not None else name not in done.done and name not in done.rejects:
            yield row


def _tag(stages: list[ActorStage], blocks: list, done: BulkOutput, before: int) -> tuple[int, dict[str, str]]:
    """Adds what comes out of the stages to the output, and gives how many were tagged, and why others were not."""
    tagged, skipped = 0, {}
    waiting = sum(block.num_rows for block in blocks)
    with tqdm(total=before + waiting, initial=before, desc="Tagging", unit="clip") as progress:
        for rows in stream_through(stages, blocks):
            done.add(rows)
            reasons = dict(zip(rows["id"].to_pylist(), rows["error"].to_pylist()))
            failed = {name: reason for name, reason in reasons.items() if reason is not None}
            skipped |= failed
            tagged += rows.num_rows - len(failed)
            progress.update(rows.num_rows)
    return tagged, skipped
