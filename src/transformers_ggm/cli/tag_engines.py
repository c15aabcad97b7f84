"""What does the work of `ggm tag`: this process, or a Ray cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..pipelines.tag_folder import TaggingReport


@dataclass(frozen=True)
class RayOptions:
    """The options of `ggm tag` that are for a cluster alone."""

    address: str | None
    num_models: int | None
    gpus_per_model: float | None
    retry_rejected: bool


def tag_here(
    folder: str, output: Path, parts: Mapping[str, Any], on_error: str, options: Mapping[str, Any]
) -> "TaggingReport":
    """Tags a folder in this process; what is wrong with the arguments is told before a model is loaded."""
    from transformers import pipeline

    from ..data.clip_files import FolderContents
    from ..data.prepare.options import available_cores
    from ..pipelines.numbers import check_numbers, check_score
    from ..pipelines.showing import Showing
    from ..pipelines.tag_folder import check_output, tag_folder

    options = {"num_workers": available_cores(), **options}
    check_numbers(**{name: options.get(name) for name in ("batch_size", "num_workers", "top_n", "num_beams")})
    check_score(options.get("min_score"))
    Showing.of(options)
    check_output(output)
    FolderContents.of(folder).require_clips(folder)
    suggest = pipeline("hashtag-generation", **parts)
    return tag_folder(suggest, folder, output, on_error=on_error, **options)


def tag_on_ray(
    source: str, output: Path, parts: Mapping[str, Any], on_ray: RayOptions, options: Mapping[str, Any]
) -> "TaggingReport":
    """Tags a source of clips on a cluster."""
    from ..cluster.tag_bulk import ActorCounts, BulkModel, tag_bulk

    counts = {
        "decoders": options.get("num_workers"),
        "models": on_ray.num_models,
        "gpus_per_model": on_ray.gpus_per_model,
    }
    of_call = {name: value for name, value in options.items() if name not in ("batch_size", "num_workers")}
    return tag_bulk(
        source,
        output,
        BulkModel(**parts, options=of_call),
        actors=ActorCounts(**{name: value for name, value in counts.items() if value is not None}),
        address=on_ray.address,
        batch_size=options["batch_size"],
        retry_rejected=on_ray.retry_rejected,
    )
