"""
Classifiers over a fixed set of hashtags: the BERT, ViT and ViT-BERT baselines of Yu et al., ACL 2023, appendix A.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs, can_return_tuple

from ..errors import InputError
from .backbones import as_tokens, build_tower, copy_tower_weights, load_tower
from .configuration_ggm import hidden_size_of
from .configuration_hashtag_classifier import HashtagClassifierConfig
from .forward_arguments import known_arguments, known_flags, output_flags
from .frame_deduplication import DistinctFrames
from .vision_inputs import vision_inputs

# What transformers' vision backbones call the token that stands for the whole picture.
CLASS_TOKENS = ("cls_token", "class_token", "class_embedding")


def hashtag_classification_loss(logits: torch.Tensor, labels: torch.Tensor, objective: str) -> torch.Tensor:
    r"""
    The mean over the videos that have a known hashtag of, for `"softmax"`, the cross-entropy to targets of 1/k for
    each of the video's k hashtags, for `"sigmoid"`, the binary cross-entropy, averaged over all hashtags.

    Args:
        logits (`torch.FloatTensor` of shape `(batch, num_labels)`).
        labels (`torch.Tensor` of shape `(batch, num_labels)`): 1 for the hashtags of the video, else 0; any type. A
            row of zeros, a video none of whose hashtags is known, does not count.
        objective (`str`): `"softmax"` or `"sigmoid"`.

    Returns:
        `torch.FloatTensor` of shape `()`, in float32; 0, with a gradient of zeros, if no video has a known hashtag.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.modeling import hashtag_classification_loss
    >>> labels = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]])
    >>> loss = hashtag_classification_loss(torch.zeros(2, 4), labels, "softmax")
    >>> round(loss.exp().item(), 3)  # one of four, drawn blindly
    4.0

    ```
    """
    logits = logits.float()
    labels = labels.to(logits)
    counts = labels.sum(dim=-1)
    if objective == "softmax":
        targets = labels / counts.clamp(min=1)[:, None]
        losses = nn.functional.cross_entropy(logits, targets, reduction="none")
    else:
        losses = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(dim=-1)
    is_known = (counts > 0).to(losses)
    return (losses * is_known).sum() / is_known.sum().clamp(min=1)


@dataclass
class HashtagClassifierOutput(SequenceClassifierOutput):
    """
    `SequenceClassifierOutput`, whose `hidden_states` and `attentions` are those of the text encoder, and

    Args:
        video_hidden_states (`tuple(torch.FloatTensor)`, *optional*): of the vision encoder, one `(batch, frames,
            patches, vision_size)` a layer; given with `output_hidden_states`.
        video_attentions (`tuple(torch.FloatTensor)`, *optional*): of the vision encoder, one `(batch, frames, heads,
            patches, patches)` a layer; given with `output_attentions`.
    """

    video_hidden_states: tuple[torch.FloatTensor, ...] | None = None
    video_attentions: tuple[torch.FloatTensor, ...] | None = None


class GGMForHashtagClassification(PreTrainedModel):
    r"""
    Chooses hashtags from a fixed set. Vectors of the description and of the video are concatenated and go through
    dropout and one linear layer.

    - The description's vector is the last hidden state of its first token (`[CLS]`), so texts are padded on the right.
    - A video's vector is the mean of its frames' vectors, and zero without a frame. A frame, encoded alone, is what
      the backbone pools without a trained pooling layer (CLIP, DINOv2: the normalised class token; ResNet: the mean of
      the map), else the last hidden state of the class token (ViT, DeiT), else, without one, the mean over the patches
      (SigLIP). In training, the batch statistics of a ResNet see padded frames too, as blank ones.
    - Trained pooling layers are left out, as in GGM: checkpoints of classifiers have none. CLIP's text tower, which
      reads left to right, pools at the last token.

    Args:
        config ([`HashtagClassifierConfig`]): weights are random; see
            [`GGMForHashtagClassification.from_backbones_pretrained`] for pretrained ones.

    Raises:
        ValueError: the text backbone reads left to right and does not pool, as GPT-2.

    Example:

    ```python
    >>> import torch
    >>> from transformers import BertConfig
    >>> from transformers_ggm import GGMForHashtagClassification, HashtagClassifierConfig

    >>> size = {"hidden_size": 16, "intermediate_size": 32}
    >>> text = BertConfig(vocab_size=50, num_hidden_layers=1, num_attention_heads=2, **size)
    >>> hashtags = {0: "snow", 1: "toronto", 2: "cat"}
    >>> model = GGMForHashtagClassification(HashtagClassifierConfig(text_config=text, id2label=hashtags))
    >>> output = model(input_ids=torch.tensor([[1, 7, 8, 2]]), labels=torch.tensor([[1, 1, 0]]))
    >>> output.logits.shape
    torch.Size([1, 3])
    >>> model.predict_hashtags(torch.tensor([[0.1, 2.0, -1.0]]), k=2)
    [['toronto', 'snow']]

    ```
    """

    config: HashtagClassifierConfig
    config_class = HashtagClassifierConfig
    base_model_prefix = "hashtag_classifier"
    main_input_name = "input_ids"
    input_modalities = ("video", "text")
    supports_gradient_checkpointing = True
    # `Trainer` takes `**kwargs` of `forward` for one that divides the loss by the number of accumulated batches.
    accepts_loss_kwargs = False
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: HashtagClassifierConfig):
        super().__init__(config)
        self.vision_encoder, self.text_encoder = None, None
        width = 0
        if config.text_config is not None:
            self.text_encoder = build_tower(config.text_config, "text")
            if any(getattr(module, "is_causal", False) for module in self.text_encoder.modules()):
                raise ValueError(
                    f"`text_config`: {config.text_config.model_type!r} reads left to right, so that its first token "
                    "knows nothing of the others; choose an encoder such as BERT."
                )
            width += hidden_size_of(config.text_config)
        if config.vision_config is not None:
            self.vision_encoder = build_tower(config.vision_config, "vision")
            self.has_class_token = any(
                name.endswith(CLASS_TOKENS) for name, _ in self.vision_encoder.named_parameters()
            )
            width += hidden_size_of(config.vision_config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(width, config.num_labels)
        self.post_init()

    @classmethod
    def from_backbones_pretrained(
        cls, hashtags: Sequence[str], vision: str | None = None, text: str | None = None, **config_overrides
    ) -> "GGMForHashtagClassification":
        r"""
        Puts a classifier together from pretrained backbones; the linear layer is new.

        Args:
            hashtags (`Sequence[str]`): the hashtags to choose from, without `#`, in the order of the logits.
            vision (`str`, *optional*): folder or Hub id of an image backbone, e.g.
                `"google/vit-base-patch16-224-in21k"`; of a dual encoder such as CLIP the vision tower is taken.
            text (`str`, *optional*): folder or Hub id of a text encoder, e.g. `"google-bert/bert-base-uncased"`; of an
                encoder-decoder such as BART the encoder is taken.
            config_overrides: any further argument of [`HashtagClassifierConfig`].

        Raises:
            InputError: neither `vision` nor `text` is given.
            CheckpointError: a checkpoint cannot be read, is of another kind, or lacks weights that it should give.

        Example:

        ```python
        >>> model = GGMForHashtagClassification.from_backbones_pretrained(
        ...     ["snow", "toronto"], vision="google/vit-base-patch16-224-in21k", text="google-bert/bert-base-uncased"
        ... )  # doctest: +SKIP

        ```
        """
        if vision is None and text is None:
            raise InputError("No backbone for the classifier: give `text`, `vision` or both.")
        vision_tower = None if vision is None else load_tower(vision, "vision")
        text_tower = None if text is None else load_tower(text, "text")
        model = cls(
            HashtagClassifierConfig(
                vision_config=None if vision_tower is None else vision_tower.config,
                text_config=None if text_tower is None else text_tower.config,
                id2label=dict(enumerate(hashtags)),
                **config_overrides,
            )
        )
        if vision_tower is not None:
            copy_tower_weights(model.vision_encoder, vision_tower, vision)
        if text_tower is not None:
            copy_tower_weights(model.text_encoder, text_tower, text)
        return model

    def train(self, mode: bool = True):
        """As in PyTorch, but a frozen vision encoder stays in evaluation mode: no dropout, no batch statistics."""
        super().train(mode)
        if self.vision_encoder is not None and not any(p.requires_grad for p in self.vision_encoder.parameters()):
            self.vision_encoder.eval()
        return self

    def get_input_embeddings(self):
        return (self.vision_encoder if self.text_encoder is None else self.text_encoder).get_input_embeddings()

    def set_input_embeddings(self, value):
        (self.vision_encoder if self.text_encoder is None else self.text_encoder).set_input_embeddings(value)

    @can_return_tuple
    @known_arguments()
    def get_text_features(
        self,
        input_ids: torch.LongTensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPooling | tuple:
        """
        Args:
            input_ids (`torch.LongTensor` of shape `(batch, text_length)`): tokens of the descriptions.
            attention_mask (`torch.Tensor` of shape `(batch, text_length)`, *optional*): 1 on tokens, 0 on padding.
            kwargs: `output_attentions`, `output_hidden_states`, `return_dict`.

        Returns:
            `BaseModelOutputWithPooling`: `pooler_output` `(batch, text_size)`, and the states of the text encoder.
        """
        flags = known_flags(self.text_encoder, output_flags(self.config, kwargs))
        outputs = self.text_encoder(input_ids=input_ids, attention_mask=attention_mask, return_dict=True, **flags)
        return _with_vectors(outputs, has_class_token=True)

    @can_return_tuple
    @known_arguments()
    def get_video_features(
        self,
        pixel_values_videos: torch.FloatTensor,
        frame_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPooling | tuple:
        """
        Args:
            pixel_values_videos (`torch.FloatTensor` of shape `(batch, frames, 3, height, width)`): normalised frames.
            frame_mask (`torch.Tensor` of shape `(batch, frames)`, *optional*): 1 on frames, 0 on padding.
            kwargs: `output_attentions`, `output_hidden_states`, `return_dict`.

        Returns:
            `BaseModelOutputWithPooling`: `pooler_output` `(batch, vision_size)`, the mean of the frames' vectors,
            zeros for a row without frames; `last_hidden_state` `(batch, frames, patches, vision_size)`, and
            `hidden_states` and `attentions` likewise, with two dimensions for batch and frames.
        """
        frames = DistinctFrames.of(pixel_values_videos, frame_mask, self.vision_encoder)
        flags = known_flags(self.vision_encoder, output_flags(self.config, kwargs))
        outputs = frames.encoded_by(lambda pixel_values: self._frame_outputs(pixel_values, flags))
        vectors = outputs.pooler_output
        if frame_mask is None:
            outputs.pooler_output = vectors.mean(dim=1)
        else:
            weights = frame_mask.to(vectors)[..., None]
            outputs.pooler_output = (vectors * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
        return outputs

    def _frame_outputs(self, pixel_values: torch.Tensor, flags: dict[str, bool]) -> BaseModelOutputWithPooling:
        pixel_values = pixel_values.to(self.vision_encoder.dtype)
        inputs = vision_inputs(self.config.vision_config, pixel_values)
        outputs = self.vision_encoder(**inputs, return_dict=True, **flags)
        return _with_vectors(outputs, self.has_class_token)

    @can_return_tuple
    @known_arguments()
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        pixel_values_videos: torch.FloatTensor | None = None,
        frame_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> HashtagClassifierOutput | tuple:
        r"""
        Inputs that the model has no backbone for are ignored, so that classifiers of all kinds take one batch.

        Args:
            input_ids (`torch.LongTensor` of shape `(batch, text_length)`, *optional*): the descriptions, padded on the
                right; needed by a model that reads them. An empty one still has its special tokens.
            attention_mask (`torch.Tensor` of shape `(batch, text_length)`, *optional*): 1 on tokens, 0 on padding.
            pixel_values_videos (`torch.FloatTensor` of shape `(batch, frames, 3, height, width)`, *optional*):
                normalised frames; needed by a model that reads nothing else. Without them every video's vector is
                zero.
            frame_mask (`torch.Tensor` of shape `(batch, frames)`, *optional*): 1 on frames, 0 on padding. The vector
                of a row without any frame is zero.
            labels (`torch.Tensor` of shape `(batch, num_labels)`, *optional*): 1 for the hashtags of the video, else
                0; see [`hashtag_classification_loss`]. kwargs: `output_attentions`, `output_hidden_states`,
                `return_dict`.

        Returns:
            [`HashtagClassifierOutput`] with `logits` `(batch, num_labels)` and, given `labels`, `loss`.

        Raises:
            InputError: the inputs lack what the model reads, or `labels` is of another shape than `logits`.
        """
        flags = {**output_flags(self.config, kwargs), "return_dict": True}
        text, video = BaseModelOutputWithPooling(), BaseModelOutputWithPooling()
        if self.text_encoder is not None:
            if input_ids is None:
                raise InputError(f"A classifier of {self.config.modality} needs `input_ids`; got none.")
            text = self.get_text_features(input_ids, attention_mask, **flags)
        if self.vision_encoder is not None:
            if pixel_values_videos is not None:
                video = self.get_video_features(pixel_values_videos, frame_mask, **flags)
            elif self.text_encoder is not None:
                size = hidden_size_of(self.config.vision_config)
                video.pooler_output = text.pooler_output.new_zeros(len(input_ids), size)
            else:
                raise InputError("A classifier of video needs `pixel_values_videos`; got none.")
        vectors = [part.pooler_output for part in (text, video) if part.pooler_output is not None]
        logits = self.classifier(self.dropout(torch.cat(vectors, dim=-1)))
        loss = None
        if labels is not None:
            if labels.shape != logits.shape:
                raise InputError(
                    f"`labels` is of shape {tuple(labels.shape)}, the logits of {tuple(logits.shape)}: give 1 or 0 "
                    "for each hashtag of `config.hashtags`."
                )
            loss = hashtag_classification_loss(logits, labels.to(logits.device), self.config.objective)
        return HashtagClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=text.hidden_states,
            attentions=text.attentions,
            video_hidden_states=video.hidden_states,
            video_attentions=video.attentions,
        )

    def predict_hashtags(self, logits: torch.Tensor, k: int) -> list[list[str]]:
        """
        The `k` hashtags with the largest logits of every row, best first; of equal ones the earlier in
        `config.hashtags`. Softmax and sigmoid keep the order, so probabilities do as well.

        Args:
            logits (`torch.Tensor` or `np.ndarray` of shape `(batch, num_labels)`).
            k (`int`): from 1 to the number of hashtags.

        Raises:
            InputError: `k` is out of range, or `logits` is of another width.
        """
        logits, hashtags = torch.as_tensor(logits), self.config.hashtags
        if logits.ndim != 2 or logits.shape[1] != len(hashtags):
            raise InputError(f"`logits` must be of shape (batch, {len(hashtags)}), got {tuple(logits.shape)}.")
        if not 1 <= k <= len(hashtags):
            raise InputError(f"`k` must be between 1 and the number of hashtags, {len(hashtags)}; got {k}.")
        order = logits.argsort(dim=-1, descending=True, stable=True)[:, :k]
        return [[hashtags[i] for i in row] for row in order.tolist()]


def _with_vectors(outputs: ModelOutput, has_class_token: bool) -> BaseModelOutputWithPooling:
    """
    With one vector per picture or text: what the backbone pools, else its first token, else the mean of its tokens.
    """
    states, pooled = as_tokens(outputs.last_hidden_state), getattr(outputs, "pooler_output", None)
    if pooled is not None:
        vectors = pooled.flatten(1)  # convolutional backbones pool to (n, c, 1, 1)
    else:
        vectors = states[:, 0] if has_class_token else states.mean(dim=1)
    return BaseModelOutputWithPooling(
        last_hidden_state=states,
        pooler_output=vectors,
        hidden_states=getattr(outputs, "hidden_states", None),
        attentions=getattr(outputs, "attentions", None),
    )


__all__ = ["GGMForHashtagClassification", "HashtagClassifierOutput", "hashtag_classification_loss"]
