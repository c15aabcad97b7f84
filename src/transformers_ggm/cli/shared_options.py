"""Options that several commands take, in the same words."""

from typing import Annotated, Any, Literal

import typer

Model = Annotated[
    str | None, typer.Option("--model", help="folder or Hub id of a checkpoint; the bundled one by default")
]
Device = Annotated[str | None, typer.Option("--device", help="such as cuda:0; a GPU by default, where there is one")]
Int8 = Annotated[bool, typer.Option("--int8", help="with --backend openvino: in eight bits, see `ggm export --int8`")]
Backend = Annotated[
    Literal["torch", "openvino"],
    typer.Option("--backend", help="what computes the models; openvino is quicker on CPUs, see `ggm export`"),
]
ReadSpeech = Annotated[
    str | None, typer.Option("--read_speech", help="folder or Hub id of a model that reads what is said in clips")
]
ReadScreen = Annotated[bool, typer.Option("--read_screen", help="read what is written on the screen")]
Blocked = Annotated[
    list[str] | None,
    typer.Option("--blocked", help='hashtag or pattern ("*sale*") to leave out; may be given several times'),
]
Engine = Annotated[Literal["ray"] | None, typer.Option("--engine", help="ray, to work on a cluster")]
Address = Annotated[
    str | None, typer.Option("--address", help="of a Ray cluster, or auto; by default this machine alone")
]
GpusPerModel = Annotated[
    float | None, typer.Option("--gpus_per_model", help="of each of those, such as 1 or 0.5; 0 by default")
]


def refuse_without_ray(given: dict[str, Any]) -> None:
    """Raises `typer.BadParameter` where an option is given that is for a cluster alone."""
    names = [f"--{name}" for name, value in given.items() if value is not None and value is not False]
    if names:
        raise typer.BadParameter(f"{', '.join(names)}: only with --engine ray.")
