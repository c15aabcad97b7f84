"""What stands at the top of a checkpoint that has no generator."""

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from ..utils.remote_code_fields import without_other_code


class RetrievalOnlyConfig(PreTrainedConfig):
    """
    The configuration of a [`RetrievalOnlyModel`]: it has no settings.

    Example:

    ```python
    >>> from transformers_ggm.modeling import RetrievalOnlyConfig

    >>> RetrievalOnlyConfig().model_type
    'hashtag_retrieval_only'

    ```
    """

    model_type = "hashtag_retrieval_only"

    def __init__(self, **kwargs):
        super().__init__(**without_other_code(kwargs))


class RetrievalOnlyModel(PreTrainedModel):
    """
    The model of a checkpoint whose hashtags are retrieved, and none written (the "VLM" of Yu et al., ACL 2023). What
    retrieves lies in the checkpoint's folders; this model only tells that there is no other, so that
    `pipeline("hashtag-generation", model=...)`, which loads what stands at the top, takes such a checkpoint like all
    others. Its one number stands for a device and a type, and is never used.

    Args:
        config ([`RetrievalOnlyConfig`]): Without settings.

    Example:

    ```python
    >>> from transformers_ggm.modeling import RetrievalOnlyConfig, RetrievalOnlyModel

    >>> RetrievalOnlyModel(RetrievalOnlyConfig()).num_parameters()
    1

    ```
    """

    config_class = RetrievalOnlyConfig
    base_model_prefix = ""

    def __init__(self, config: RetrievalOnlyConfig):
        super().__init__(config)
        self.placeholder = torch.nn.Parameter(torch.zeros(1), requires_grad=False)
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        """There is nothing to initialise."""
