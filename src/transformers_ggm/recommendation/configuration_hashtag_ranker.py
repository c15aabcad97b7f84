"""Configuration of the ranker of candidates."""

import math

from transformers import PreTrainedConfig

from ..errors import RankerError


class HashtagRankerConfig(PreTrainedConfig):
    r"""
    Configuration of a [`HashtagRanker`].

    Args:
        features (`list[str]`, *optional*): The names of its features, in order; see [`feature_names`]. None by
            default, which only a ranker that is yet to be fitted can do with.
        hidden_size (`int`, *optional*, defaults to 0): Units of a hidden layer; 0 for a logistic regression.
        monotone (`bool`, *optional*, defaults to `False`): Whether a larger feature never makes a hashtag less likely;
            of a logistic regression only.
        calibration_logits, calibration_probabilities (`list[float]`, *optional*): The probability at each of some
            logits, ascending both, with straight lines between them; without them the sigmoid. Found by isotonic
            regression, or a sigmoid of its own slope, on rows that the fit did not see.
        missing_hashtags (`float`, *optional*, defaults to 0.0): How many true hashtags of a row no source proposes, on
            average.
        calibration_error (`float`, *optional*): Expected calibration error of each row's best five, from 0 to 1, on
            rows that the fit did not see; `None` of a ranker that was not fitted.

    Raises:
        RankerError: Features that are no list of names or of one name, a `hidden_size` or `missing_hashtags` below 0,
            a monotone hidden layer, or a calibration that does not ascend, has not as many probabilities as logits, or
            has numbers that are not finite or no probabilities.

    Example:

    ```python
    >>> from transformers_ggm import HashtagRanker, HashtagRankerConfig

    >>> config = HashtagRankerConfig(features=["sources", "count"], hidden_size=8)
    >>> HashtagRanker(config).hidden
    Linear(in_features=6, out_features=8, bias=True)

    ```
    """

    model_type = "hashtag_ranker"

    def __init__(
        self,
        features=None,
        hidden_size=0,
        monotone=False,
        calibration_logits=None,
        calibration_probabilities=None,
        missing_hashtags=0.0,
        calibration_error=None,
        **kwargs,
    ):
        if isinstance(features, str):
            raise RankerError(f"`features` is {features!r}: give a list of names.")
        self.features = list(features or ())
        self.hidden_size = hidden_size
        self.monotone = monotone
        self.calibration_logits = list(calibration_logits or ())
        self.calibration_probabilities = list(calibration_probabilities or ())
        self.missing_hashtags = missing_hashtags
        self.calibration_error = calibration_error
        self._check()
        super().__init__(**kwargs)

    def _check(self):
        if not all(isinstance(name, str) for name in self.features):
            raise RankerError(f"`features` is {self.features}: give a list of names.")
        if not isinstance(self.hidden_size, int) or self.hidden_size < 0:
            raise RankerError(f"`hidden_size` is {self.hidden_size!r}: give a whole number of 0 or more.")
        if not 0 <= self.missing_hashtags < math.inf:
            raise RankerError(f"`missing_hashtags` is {self.missing_hashtags!r}: give a number of 0 or more.")
        if len(set(self.features)) < len(self.features):
            raise RankerError("`features` has a name twice: give each feature a name of its own.")
        if self.monotone and self.hidden_size:
            raise RankerError("`monotone` needs `hidden_size=0`: a logistic regression.")
        pairs = (self.calibration_logits, self.calibration_probabilities)
        if len(pairs[0]) != len(pairs[1]) or any(sorted(numbers) != numbers for numbers in pairs):
            raise RankerError("the calibration must have as many probabilities as logits, both ascending.")
        if not all(map(math.isfinite, pairs[0])) or not all(0 <= number <= 1 for number in pairs[1]):
            raise RankerError("the calibration must have finite logits, and probabilities from 0 to 1.")


__all__ = ["HashtagRankerConfig"]
