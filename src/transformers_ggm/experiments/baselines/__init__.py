"""Systems that GGM is compared with, besides those that `train.py` trains: they read words, or are prompted."""

from .text import MostFrequentHashtags, TfidfLogisticRegression, TfidfNeighbours
from .vision_language import VisionLanguagePrompting

__all__ = [
    "MostFrequentHashtags",
    "TfidfLogisticRegression",
    "TfidfNeighbours",
    "VisionLanguagePrompting",
]
