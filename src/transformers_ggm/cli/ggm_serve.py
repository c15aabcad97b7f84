"""`ggm serve`: answers over HTTP."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from .shared_options import Address, Backend, Blocked, Device, Int8, Model, ReadScreen, ReadSpeech

_Host = Annotated[str, typer.Option("--host", help="address to listen on; 0.0.0.0 for all")]
_Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="port to listen on")]
_Safe = Annotated[bool, typer.Option("--safe/--no-safe", help="leave out unsafe hashtags")]
_Store = Annotated[
    str | None, typer.Option("--store", help="URL of a pool store to follow, such as sqlite:///pool.db")
]
_Root = Annotated[
    Path | None, typer.Option("--root", help="folder whose clips may be named by their paths; none by default")
]
_AllowedHost = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed_host",
        help="host that clips are fetched from, such as cdn.example.com, *.example.com, or * for every public one;"
        " may be given several times; none by default",
    ),
]
_ApiKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--api_key_file",
        help="file with the key that requests must bring as X-API-Key; the environment's GGM_API_KEY by default",
    ),
]
_Feedback = Annotated[
    Path | None, typer.Option("--feedback", help="file of JSON lines that /v1/feedback adds to; none by default")
]
_MaxBatchSize = Annotated[int, typer.Option("--max_batch_size", help="clips that the models see at once")]
_MaxWaitSeconds = Annotated[
    float, typer.Option("--max_wait_seconds", help="how long a clip waits for others of its batch, at most")
]
_DecodingThreads = Annotated[
    int | None, typer.Option("--decoding_threads", help="threads that decode; one a core by default")
]
_MaxRequests = Annotated[
    int, typer.Option("--max_requests", help="requests at once, waiting ones included; one more gets a 429")
]
_MaxUploadBytes = Annotated[int, typer.Option("--max_upload_bytes", help="size of a clip, at most")]
_UploadSeconds = Annotated[
    float, typer.Option("--upload_seconds", help="time that the body of a request may take to come")
]
_FetchSeconds = Annotated[
    float, typer.Option("--fetch_seconds", help="time that a clip behind a URL may take to come")
]
_RequestSeconds = Annotated[
    float, typer.Option("--request_seconds", help="time that answering may take, once the body is there")
]
_DrainSeconds = Annotated[
    float, typer.Option("--drain_seconds", help="how long a server that is told to end still takes requests")
]
_Engine = Annotated[Literal["ray"] | None, typer.Option("--engine", help="ray, for replicas on a cluster")]
_MinReplicas = Annotated[int, typer.Option("--min_replicas", min=1, help="replicas, at least, with --engine ray")]
_MaxReplicas = Annotated[int, typer.Option("--max_replicas", min=1, help="replicas, at most, with --engine ray")]
_NumCpus = Annotated[float, typer.Option("--num_cpus", help="cores of a replica, with --engine ray")]
_NumGpus = Annotated[float, typer.Option("--num_gpus", help="GPUs of a replica, or a part of one, with --engine ray")]


def serve(
    model: Model = None,
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    device: Device = None,
    int8: Int8 = False,
    backend: Backend = "torch",
    read_speech: ReadSpeech = None,
    read_screen: ReadScreen = False,
    safe: _Safe = True,
    blocked: Blocked = None,
    store: _Store = None,
    root: _Root = None,
    allowed_host: _AllowedHost = None,
    api_key_file: _ApiKeyFile = None,
    feedback: _Feedback = None,
    max_batch_size: _MaxBatchSize = 16,
    max_wait_seconds: _MaxWaitSeconds = 0.005,
    decoding_threads: _DecodingThreads = None,
    max_requests: _MaxRequests = 256,
    max_upload_bytes: _MaxUploadBytes = 64 * 1024 * 1024,
    upload_seconds: _UploadSeconds = 60.0,
    fetch_seconds: _FetchSeconds = 20.0,
    request_seconds: _RequestSeconds = 60.0,
    drain_seconds: _DrainSeconds = 5.0,
    engine: _Engine = None,
    address: Address = None,
    min_replicas: _MinReplicas = 1,
    max_replicas: _MaxReplicas = 1,
    num_cpus: _NumCpus = 1.0,
    num_gpus: _NumGpus = 0.0,
) -> None:
    """
    Answer requests over HTTP, on one machine or on those of a Ray cluster.

    Unsafe hashtags are left out unless told otherwise.

    \b
    Example:
      ggm serve --model outputs/ggm/checkpoint --port 8000
      GGM_API_KEY=$(openssl rand -hex 32) ggm serve --host 0.0.0.0 --store sqlite:///pool.db --root clips
      ggm serve --engine ray --address auto --num_gpus 0.5 --max_replicas 8 --model org/checkpoint
    """
    if engine is None and address is not None:
        raise typer.BadParameter("--address goes with --engine ray.")
    given = {
        "max_batch_size": max_batch_size,
        "max_wait_seconds": max_wait_seconds,
        "decoding_threads": decoding_threads,
        "max_requests": max_requests,
        "max_upload_bytes": max_upload_bytes,
        "upload_seconds": upload_seconds,
        "fetch_seconds": fetch_seconds,
        "request_seconds": request_seconds,
        "drain_seconds": drain_seconds,
        "allowed_hosts": tuple(allowed_host or ()),
        "root": None if root is None else str(root),
        "feedback_file": None if feedback is None else str(feedback),
    }
    settings = {name: value for name, value in given.items() if value is not None}
    parts = {"device": device, "int8": int8, "backend": backend, "speech": read_speech, "screen_text": read_screen}
    parts["blocked"] = blocked or None
    if engine == "ray":
        scale = (min_replicas, max_replicas, num_cpus, num_gpus)
        _on_ray(model, store, safe, api_key_file, settings, parts, scale=scale, where=(host, port, address))
    else:
        _here(model, store, safe, api_key_file, settings, parts, where=(host, port))


def _here(model, store, safe, api_key_file, settings, parts, where) -> None:
    from ..serving import ServingSettings, load_engine
    from ..serving import serve as serve_engine
    from ..serving.loading import read_api_key

    # Before a model is loaded.
    checked = ServingSettings(**settings, api_key=read_api_key(api_key_file))
    serve_engine(load_engine(checked, model, store, safe=safe, **parts), *where)


def _on_ray(model, store, safe, api_key_file, settings, parts, scale, where) -> None:
    from ..cluster.ray_serving import Scale, Served, serve_on_ray

    # Replicas are in other folders.
    paths = {name: os.path.abspath(settings[name]) for name in ("root", "feedback_file") if name in settings}
    settings = {**settings, **paths}
    model = os.path.abspath(model) if model and os.path.isdir(model) else model
    key_file = None if api_key_file is None else str(api_key_file.absolute())
    served = Served(model=model, store=store, safe=safe, api_key_file=key_file, settings=settings, parts=parts)
    serve_on_ray(served, Scale(*scale), *where)
