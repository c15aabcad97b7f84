"""A stand-in for the Hugging Face Hub, for tests: see [`StandInHub`]."""

from .client import go_offline, point_client_at
from .repositories import Repository
from .server import ANSWER_LOST, CUT, StandInHub

__all__ = ["ANSWER_LOST", "CUT", "Repository", "StandInHub", "go_offline", "point_client_at"]
