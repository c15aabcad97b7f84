"""
Metrics, intervals and paired tests.

The folder `evaluate_hashtags` beside this file loads with `evaluate.load(folder)`.
"""

from ..utils.word_splitter import get_word_splitter, split_words, word_splitter_name
from .bertscore import BertScorer, bert_score_per_video
from .calibration import best_of_rows, calibration_bins, expected_calibration_error
from .cutoff import best_k, best_threshold, hashtags_above
from .frequency import f1_by_frequency, frequency_buckets
from .intervals import Interval, bootstrap_intervals
from .metrics import hashtag_metrics, hashtag_metrics_per_video, mean_metrics
from .novelty import novelty_gain_per_video, novelty_metrics, unseen_recalled
from .recall import recall_at_k, recall_at_k_per_video, recall_by_cause
from .reliability_plot import plot_reliability
from .report import hashtag_report
from .rouge import order_hashtags, rouge_per_video
from .significance import PairedTest, UnpairedTest, paired_test, unpaired_test

__all__ = [
    "BertScorer",
    "Interval",
    "PairedTest",
    "UnpairedTest",
    "bert_score_per_video",
    "best_k",
    "best_of_rows",
    "best_threshold",
    "bootstrap_intervals",
    "calibration_bins",
    "expected_calibration_error",
    "f1_by_frequency",
    "frequency_buckets",
    "get_word_splitter",
    "hashtag_metrics",
    "hashtag_metrics_per_video",
    "hashtag_report",
    "hashtags_above",
    "mean_metrics",
    "novelty_gain_per_video",
    "novelty_metrics",
    "order_hashtags",
    "paired_test",
    "plot_reliability",
    "recall_at_k",
    "recall_at_k_per_video",
    "recall_by_cause",
    "rouge_per_video",
    "split_words",
    "unpaired_test",
    "unseen_recalled",
    "word_splitter_name",
]
