"""Work in stages, each done by a pool of actors of its own size, on blocks of rows that stream through them."""

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..errors import ClusterError
from .ray_session import import_ray

if TYPE_CHECKING:
    from ray.data import Dataset

# Small against what an hour does, and large against what it takes to send one.
_BLOCK_ROWS = 64
_BLOCKS_EACH = 4
# A block that ends its actor time and again would be tried for ever.
_TRIES = 5


@dataclass(frozen=True)
class ActorStage:
    """
    One stage.

    Attributes:
        work (`type`): a class; each actor makes one object of it, once, and calls it with a `pyarrow.Table`, from
            which it makes another (or a `dict` of NumPy arrays), or several as an iterator. It must give the same
            whenever it is given the same: where an actor dies, its block is done again by another.
        arguments (`dict`): what the class is made with.
        num_actors (`int`, defaults to 1): how many.
        num_gpus (`float`, defaults to 0): GPUs of each; with 0.5, two actors share one.
    """

    work: Callable[..., Callable[[pa.Table], pa.Table | Iterator[pa.Table]]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    num_actors: int = 1
    num_gpus: float = 0


def stream_through(
    stages: Sequence[ActorStage], blocks: Sequence[pa.Table], in_order: bool = False
) -> Iterator[pa.Table]:
    """
    Sends blocks through stages on the cluster that this process is connected to ([`ray_session`]), and gives what
    comes out as soon as it does. As many blocks are under way as the actors and Ray's memory for objects
    allow; a stage that is slower than those before it holds them back.

    An actor, or a machine, that dies is replaced, and what it was at is done again.

    Args:
        stages (`list[ActorStage]`): the stages, first to last.
        blocks (`list[pyarrow.Table]`): what the first one gets, a call each. All are in Ray's memory for objects from
            the start, so that rows should name clips rather than hold them.
        in_order (`bool`, defaults to `False`): whether what comes of a block waits for what comes of those before it.

    Raises:
        `ClusterError`: The cluster has no such GPUs, or a stage failed; what was given before stays valid.

    Example:

    ```python
    >>> from transformers_ggm.cluster.actor_stages import ActorStage, stream_through
    >>> from transformers_ggm.cluster.ray_session import ray_session

    >>> with ray_session("auto"):  # doctest: +SKIP
    ...     for table in stream_through([ActorStage(Decoder, num_actors=8), ActorStage(Tagger, num_gpus=1)], blocks):
    ...         print(table.num_rows)

    ```
    """
    if not blocks:
        return
    ray = import_ray()
    with _context(ray, in_order):
        # Not `from_arrow`, which has a task look at each table before the work begins.
        dataset = ray.data.from_blocks(list(blocks))
        cpus = _cpus_of_an_actor(ray, stages)
        for stage in stages:
            dataset = _with_stage(ray, dataset, stage, cpus)
        try:
            yield from dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
        except Exception as error:  # of Ray, of Ray Data, or of both and of what a stage raised
            raise ClusterError(
                f"Work on the cluster failed: {_reason(error)} What was finished before it is kept; the same call goes"
                " on from there."
            ) from error


def block_rows(num_rows: int | None, num_actors: int) -> int:
    """
    How many rows a block is to have: 64, and fewer where some actors would get none.

    Args:
        num_rows (`int`, *optional*): that there are; where that is not known, few are taken to be there.
        num_actors (`int`): that they are shared out to.
    """
    return max(1, min(_BLOCK_ROWS, (num_rows or _BLOCK_ROWS) // (_BLOCKS_EACH * num_actors)))


def _with_stage(ray: Any, dataset: "Dataset", stage: ActorStage, cpus: float) -> "Dataset":
    with warnings.catch_warnings():
        # Ray 2.64 is to take no further arguments of actors, and has no other way yet to say how often they try.
        warnings.simplefilter("ignore", DeprecationWarning)
        return dataset.map_batches(
            stage.work,
            fn_constructor_kwargs=dict(stage.arguments),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=stage.num_actors),
            num_cpus=cpus,
            num_gpus=stage.num_gpus,
            max_task_retries=_TRIES,
        )


def _cpus_of_an_actor(ray: Any, stages: Sequence[ActorStage]) -> float:
    """A core for each actor or, where there are fewer cores, a part of one: an actor that found no place would let all
    others wait for ever."""
    available = ray.cluster_resources()
    wanted_gpus = sum(stage.num_gpus * stage.num_actors for stage in stages)
    if wanted_gpus > available.get("GPU", 0):
        raise ClusterError(
            f"The actors need {wanted_gpus:g} GPUs, and the cluster has {available.get('GPU', 0):g}: ask for fewer"
            " actors, or for a smaller share of a GPU for each."
        )
    count = sum(stage.num_actors for stage in stages)
    return min(1.0, math.floor(1000 * available.get("CPU", 0) / count) / 1000)


@contextmanager
def _context(ray: Any, in_order: bool) -> Iterator[None]:
    """How Ray works while the block runs: without bars and plans, which would be written over the bars of commands."""
    context, logger = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    options = context.execution_options
    before = context.enable_progress_bars, logger.level, options.preserve_order
    context.enable_progress_bars, options.preserve_order = False, in_order
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars, options.preserve_order = before[0], before[2]
        logger.setLevel(before[1])


def _reason(error: Exception) -> str:
    """What a stage raised, without where on the cluster that was and what Ray adds to it."""
    told = str(error).partition("\nThe above exception was the direct cause")[0]
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return f"{lines[-1] if lines else type(error).__name__}."
