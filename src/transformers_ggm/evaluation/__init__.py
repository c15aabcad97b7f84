"""Metrics."""

from .metrics import hashtag_metrics, recall_at_k, recall_by_cause
from .words import split_words

__all__ = ["hashtag_metrics", "recall_at_k", "recall_by_cause", "split_words"]
