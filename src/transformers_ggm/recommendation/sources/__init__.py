"""Where candidates come from: one source a file."""

from .classifier import ClassifierSource
from .frequent import FrequentSource
from .generator import GeneratorSource
from .history import HistorySource
from .pool import PoolSource
from .posts import PostsSource
from .trends import TrendsSource
from .words import WordsSource

__all__ = [
    "ClassifierSource",
    "FrequentSource",
    "GeneratorSource",
    "HistorySource",
    "PoolSource",
    "PostsSource",
    "TrendsSource",
    "WordsSource",
]
