"""
Answers to requests over HTTP, by one machine: the application of `ggm serve`. Needs
`pip install transformers-ggm[serve]`.
"""

try:
    import fastapi as fastapi
    import httpcore as httpcore
    import prometheus_client as prometheus_client
    import python_multipart as python_multipart
    import uvicorn as uvicorn
except ImportError as error:
    raise ImportError("serving needs FastAPI, Uvicorn and more: pip install transformers-ggm[serve]") from error

from .application import create_app
from .engine import Engine
from .loading import load_engine
from .server import serve
from .settings import ServingSettings

__all__ = [
    "Engine",
    "ServingSettings",
    "create_app",
    "load_engine",
    "serve",
]
