"""Several machines in one training: what they have to share, and what is said when one of them is gone."""

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object

from ..errors import ArgumentError, DatasetError, LostProcessError
from .run import TrainingRun


def check_shared_output(run: TrainingRun) -> None:
    """
    Makes sure that every process sees what the main one writes: later stages, and trainings that go on, read it in all
    of them. Does nothing in a training of one process.

    Raises:
        ArgumentError: the output folder of another machine is another folder. All processes raise it.
    """
    if run.process.num_processes == 1:
        return
    # A name that no machine has looked for yet, which network file systems therefore do not know to be missing.
    [name] = broadcast_object_list([f".shared-{uuid.uuid4().hex}"])
    file = run.folders.output / name
    if run.process.is_main_process:
        file.touch()
    run.process.wait_for_everyone()
    seen = _on_all_machines(file.exists())
    if run.process.is_main_process:
        file.unlink()
    apart = sorted({machine for machine, sees in seen if not sees})
    if apart:
        raise ArgumentError(
            f"`output_dir` {run.folders.output} of {_listed(apart)} is not that of {seen[0][0]}, which writes there: "
            "give a folder on a file system that all machines share, at the same place on each."
        )


def check_same_data(run: TrainingRun) -> None:
    """
    Makes sure that every process reads the same data, be it a copy on each machine.

    Raises:
        DatasetError: the data of another machine are others. All processes raise it.
    """
    stamps = _on_all_machines(run.shorts.stamp)
    others = sorted({machine for machine, stamp in stamps if stamp != stamps[0][1]})
    if others:
        raise DatasetError(
            f"`data_dir` {run.data.data_dir} of {_listed(others)} has other rows or clips than that of {stamps[0][0]}:"
            " copy it with the times of its files (rsync -a, cp -a), or give a folder that all machines share."
        )


# Gloo's errors have no class of their own; the second is that of a process whose own wait has ended the connection.
_OF_GLOO = ("gloo/transport", "caused pair closure")


@contextmanager
def telling_of_lost_processes() -> Iterator[None]:
    """
    Says what to do where a training ends since another process of it has.

    Raises:
        LostProcessError: another process has ended, or has not answered for `ddp_timeout` seconds.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.distributed.DistError) or any(sign in str(error) for sign in _OF_GLOO):
            raise LostProcessError(
                f"Another process of this training has ended or no longer answers ({error}). Its own output says why. "
                "Start all processes again with the same command: the training goes on from its last checkpoint."
            ) from error
        raise


def _on_all_machines(found: Any) -> list[tuple[str, Any]]:
    """What each process found, with the name of its machine, by its rank."""
    return gather_object([(socket.gethostname(), found)])


def _listed(machines: list[str]) -> str:
    """Machines in words; a large cluster's are not all named."""
    return ", ".join(machines[:5]) + (f" and {len(machines) - 5} more" if len(machines) > 5 else "")
