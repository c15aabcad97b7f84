"""Configuration of the classifiers over a fixed set of hashtags that GGM is compared with."""

from transformers import AutoConfig, PreTrainedConfig

from .configuration_ggm import as_config

OBJECTIVES = ("softmax", "sigmoid")


class HashtagClassifierConfig(PreTrainedConfig):
    r"""
    Configuration of a [`GGMForHashtagClassification`] (the baselines of Yu et al., ACL 2023, appendix A). What the
    classifier reads follows from the backbones that are given: frames, descriptions, or both.

    Args:
        vision_config (`PreTrainedConfig` or `dict`, *optional*):
            Any image backbone of `AutoModel` that returns `last_hidden_state` (ViT, DeiT, DINOv2, ResNet, the vision
            towers of CLIP and SigLIP). `None`, the default: frames are ignored.
        text_config (`PreTrainedConfig` or `dict`, *optional*):
            Any text encoder of `AutoModel` that reads in both directions (BERT, DistilBERT, RoBERTa, the encoder of
            BART), or CLIP's. `None`, the default: descriptions are not read; without a `vision_config` too it is
            `BertConfig()`.
        objective (`str`, *optional*, defaults to `"softmax"`):
            `"softmax"` is the published loss: cross-entropy to targets of 1/k for each of a video's k hashtags.
            `"sigmoid"` decides on every hashtag alone, by binary cross-entropy.
        dropout (`float`, *optional*, defaults to 0.1):
            Dropout on the backbones' vectors in training.
        initializer_range (`float`, *optional*, defaults to 0.02):
            Standard deviation of the normal distribution that new weights are drawn from.
        threshold (`float`, *optional*):
            The probability from which on a hashtag is answered, as training chose it on the validation split; `None`,
            the default, before.
        id2label (`dict[int, str]`, *optional*):
            The hashtags, without `#`, by their place in the logits; `label2id` is made from it. The default is
            `num_labels` (2) placeholders, as everywhere in transformers.

    Raises:
        ValueError: an unknown `objective`, a backbone dict without `model_type`, a hashtag that occurs twice, places
            that are not 0, 1, 2, ..., or a `label2id` that contradicts `id2label`.

    Example:

    ```python
    >>> from transformers import BertConfig
    >>> from transformers_ggm import HashtagClassifierConfig

    >>> config = HashtagClassifierConfig(text_config=BertConfig(), id2label={0: "snow", 1: "toronto"})
    >>> config.modality, config.hashtags, config.label2id["toronto"]
    ('text', ['snow', 'toronto'], 1)

    ```
    """

    model_type = "hashtag_classifier"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}

    def __init__(
        self,
        vision_config=None,
        text_config=None,
        objective="softmax",
        dropout=0.1,
        initializer_range=0.02,
        threshold=None,
        **kwargs,
    ):
        if objective not in OBJECTIVES:
            raise ValueError(f"`objective` must be one of {OBJECTIVES}, got {objective!r}.")
        self.vision_config = as_config(vision_config, None, "vision_config")
        self.text_config = as_config(text_config, "bert" if vision_config is None else None, "text_config")
        self.objective = objective
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.threshold = threshold
        super().__init__(**kwargs)
        self._number_hashtags()

    def _number_hashtags(self):
        if sorted(self.id2label) != list(range(len(self.id2label))) or not self.id2label:
            raise ValueError("`id2label` must give a hashtag to each of the places 0, 1, 2, ... in the logits.")
        label2id = {hashtag: i for i, hashtag in self.id2label.items()}
        if len(label2id) < len(self.id2label):
            twice = next(tag for i, tag in self.id2label.items() if label2id[tag] != i)
            raise ValueError(f"`id2label` has the hashtag {twice!r} twice; give each one place.")
        if self.label2id is not None and dict(self.label2id) != label2id:
            raise ValueError("`label2id` is not the inverse of `id2label`; leave it out, it is made from `id2label`.")
        self.label2id = label2id

    @property
    def modality(self) -> str:
        """What the classifier reads: `"text"`, `"video"` or `"video+text"`."""
        parts = {"video": self.vision_config, "text": self.text_config}
        return "+".join(name for name, config in parts.items() if config is not None)

    @property
    def hashtags(self) -> list[str]:
        """The hashtags in the order of the logits."""
        return [self.id2label[i] for i in range(len(self.id2label))]


__all__ = ["HashtagClassifierConfig"]
