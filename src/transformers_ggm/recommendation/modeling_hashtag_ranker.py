"""The ranker of candidates: a small model over named features."""

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init

from ..errors import CheckpointError, RankerError
from .configuration_hashtag_ranker import HashtagRankerConfig

# Added before the logarithm, of features that are mostly shares.
_SMALLEST = 0.01
# Of each feature three forms are looked at.
NUM_FORMS = 3


def feature_forms(features: torch.Tensor) -> torch.Tensor:
    """Features `(n, f)` as they are, their square roots and their logarithms (of what is above 0): `(n, 3 f)`."""
    positive = features.clamp(min=0)
    return torch.cat([features, positive.sqrt(), (positive + _SMALLEST).log()], dim=-1)


class HashtagRanker(PreTrainedModel):
    r"""
    The probability that a candidate is one of the author's hashtags: a logistic regression over standardised forms of
    named features, or with `config.hidden_size` a net of one hidden layer. [`fit_ranker`] makes it; one that was not
    fitted is equally unsure of all candidates.

    Args:
        config ([`HashtagRankerConfig`]): Its features, its shape and its calibration.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.recommendation import HashtagRanker, HashtagRankerConfig

    >>> ranker = HashtagRanker(HashtagRankerConfig(features=["sources", "count"]))
    >>> ranker(torch.zeros(4, 2)).shape, ranker.probabilities(torch.zeros(4, 2)).shape
    (torch.Size([4]), torch.Size([4]))

    ```
    """

    config: HashtagRankerConfig
    config_class = HashtagRankerConfig
    base_model_prefix = "hashtag_ranker"
    main_input_name = "features"

    def __init__(self, config: HashtagRankerConfig):
        super().__init__(config)
        width = NUM_FORMS * len(config.features)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.hidden = nn.Linear(width, config.hidden_size) if config.hidden_size else None
        self.output = nn.Linear(config.hidden_size or width, 1)
        self.post_init()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, **kwargs):
        """
        As in transformers.

        Raises:
            CheckpointError: There is no ranker, its files are damaged or do not fit each other, or numbers in them are
                not finite.
        """
        try:
            loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(f"{pretrained_model_name_or_path} cannot be loaded as a ranker: {error}") from error
        ranker = loaded[0] if isinstance(loaded, tuple) else loaded
        if not all(tensor.isfinite().all() for tensor in ranker.state_dict().values()):
            raise CheckpointError(f"{pretrained_model_name_or_path} is a damaged ranker: not all numbers are finite.")
        return loaded

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            # Unsure of everything alike, but for a hidden layer, whose units must differ.
            if module is self.hidden:
                init.normal_(module.weight, std=module.in_features**-0.5)
            else:
                init.zeros_(module.weight)
            init.zeros_(module.bias)
        elif module is self:
            init.zeros_(self.mean)
            init.ones_(self.scale)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """
        Args:
            features (`torch.Tensor` of shape `(n, len(config.features))`): Of `n` candidates, in the order of
                `config.features`; computed with in float32.

        Returns:
            `torch.Tensor` of shape `(n,)`: float32 logits, before calibration.

        Raises:
            RankerError: There are not as many features.
        """
        if features.ndim != 2 or features.shape[1] != len(self.config.features):
            raise RankerError(f"features has shape {tuple(features.shape)}: give (n, {len(self.config.features)}).")
        return self._logits(self.standardized(features))

    def standardized(self, features: torch.Tensor) -> torch.Tensor:
        """
        Three forms of the features: as they are, their square roots and their logarithms, each with mean 0 and
        standard deviation 1 over the rows of the fit, or 0 throughout where it did not vary there.

        Args:
            features (`torch.Tensor` of shape `(n, len(config.features))`): As for the forward pass.

        Returns:
            `torch.Tensor` of shape `(n, 3 * len(config.features))`: float32; first all features as they are, then all
            roots, then all logarithms.
        """
        return (feature_forms(features.float()) - self.mean) * self.scale

    def _logits(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.hidden is not None:
            inputs = torch.tanh(self.hidden(inputs))
        weight = self.output.weight.square() if self.config.monotone else self.output.weight
        return (inputs @ weight.T + self.output.bias).squeeze(-1)

    @torch.inference_mode()
    def probabilities(self, features: torch.Tensor) -> torch.Tensor:
        """
        Calibrated probabilities that candidates with these features are true; without a calibration in the config the
        sigmoid of the logits.

        Args:
            features (`torch.Tensor` of shape `(n, len(config.features))`): As for the forward pass.

        Returns:
            `torch.Tensor` of shape `(n,)`: float32, from 0 to 1, without gradients.
        """
        return calibrated(self(features), self.config.calibration_logits, self.config.calibration_probabilities)

    def explain(self, features: torch.Tensor) -> torch.Tensor:
        """
        What each feature adds to the logit of each candidate, above that of a candidate with average features. Of a
        logistic regression these add up to the logit, less that of the average; of a hidden layer they are integrated
        gradients (Sundararajan et al., ICML 2017), which do so nearly.

        Args:
            features (`torch.Tensor` of shape `(n, len(config.features))`): As for the forward pass.

        Returns:
            `torch.Tensor` of shape `(n, len(config.features))`: float32, in units of the logit, without gradients.
        """
        inputs = self.standardized(features)
        if self.hidden is None:
            weight = self.output.weight.square() if self.config.monotone else self.output.weight
            added = inputs * weight
        else:
            added = inputs * self._mean_gradients(inputs)
        return added.view(len(inputs), NUM_FORMS, -1).sum(dim=1).detach()

    def _mean_gradients(self, inputs: torch.Tensor, steps: int = 32) -> torch.Tensor:
        total = torch.zeros_like(inputs)
        for step in range(steps):
            at = (inputs.detach() * ((step + 0.5) / steps)).requires_grad_()
            total += torch.autograd.grad(self._logits(at).sum(), at)[0]
        return total / steps


def calibrated(logits: torch.Tensor, at: list[float], probabilities: list[float]) -> torch.Tensor:
    """Straight lines between some probabilities, which stay beyond the last logits; without any, the sigmoid."""
    if not at:
        return logits.sigmoid()
    known = torch.tensor(at, dtype=torch.float64)
    values = torch.tensor(probabilities, dtype=torch.float64)
    logits = logits.double().clamp(known[0], known[-1])
    right = torch.searchsorted(known, logits).clamp(1, max(len(known) - 1, 1)) if len(known) > 1 else None
    if right is None:
        return values.expand(len(logits)).float()
    left = right - 1
    share = (logits - known[left]) / (known[right] - known[left]).clamp(min=1e-12)
    return (values[left] + share * (values[right] - values[left])).float()


__all__ = ["HashtagRanker"]
