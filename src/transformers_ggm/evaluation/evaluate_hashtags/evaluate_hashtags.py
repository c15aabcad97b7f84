"""ROUGE and exact-match metrics of hashtags as a metric of the library `evaluate`."""

import datasets
import evaluate

from transformers_ggm.evaluation import hashtag_metrics, word_splitter_name

_DESCRIPTION = """\
Compares the hashtags predicted for videos with their authors' (Yu et al., ACL 2023): ROUGE-1 and ROUGE-2 F1 on
hashtags split into words, exact-match precision, recall and F1, times 100.
"""
_CITATION = """\
@inproceedings{yu-etal-2023-generating,
    title = "Generating Hashtags for Short-form Videos with Guided Signals",
    author = "Yu, Tiezheng and Yu, Hanchao and Liang, Davis and Mao, Yuning and Nie, Shaoliang and Huang, Po-Yao and
      Khabsa, Madian and Fung, Pascale and Wang, Yi-Chia",
    booktitle = "Proceedings of the 61st Annual Meeting of the Association for Computational Linguistics",
    year = "2023",
}
"""
_INPUTS = """\
Args:
    predictions (list of lists of str): hashtags without '#', one list per video.
    references (list of lists of str): the author's hashtags of the same videos.
    word_splitter (str or function, defaults to "wordninja"): how hashtags become words; "characters", "whole", or a
        function from a hashtag to its words.
    order (str, defaults to "shuffled"): order in which hashtags are read, "shuffled" or "sorted".
    seed (int, defaults to 0): of that order.
Returns:
    dict with rouge1, rouge2, precision, recall, f1 (means over videos), f1_of_means (harmonic mean of precision and
    recall), and the settings word_splitter (name and version), order and seed.
"""


class EvaluateHashtags(evaluate.Metric):
    """[`hashtag_metrics`] with its settings beside the metrics."""

    def _info(self) -> evaluate.MetricInfo:
        hashtags = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": hashtags, "references": hashtags}),
        )

    def _compute(self, predictions, references, word_splitter="wordninja", order="shuffled", seed=0):
        metrics = hashtag_metrics(predictions, references, word_splitter=word_splitter, order=order, seed=seed)
        return {**metrics, "word_splitter": word_splitter_name(word_splitter), "order": order, "seed": seed}
