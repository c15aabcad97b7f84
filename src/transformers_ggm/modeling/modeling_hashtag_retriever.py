"""The retriever: videos and hashtags in one space (Yu et al., ACL 2023, section 3.1)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers import PreTrainedModel, VisionTextDualEncoderConfig
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs, can_return_tuple

from ..errors import CheckpointError, InputError
from .backbones import as_tokens, build_backbone, drop_pooling, flatten_pooling, load_backbone, load_tower, tower_of
from .configuration_hashtag_retriever import HashtagRetrieverConfig
from .contrastive_loss import hashtag_contrastive_loss
from .forward_arguments import known_arguments, output_flags
from .frame_deduplication import DistinctFrames
from .modeling_utils import NotedCommitMixin, UnsplitLayersMixin
from .text_pooling import pool_tokens, read_pooling
from .vision_inputs import vision_inputs
from .weights_digest import weights_bytes, weights_checksum
from .whitening import Whitening, unit

# By model, so that a copy of one has none: what its fingerprint was made from, and the fingerprint.
_FINGERPRINTS: WeakKeyDictionary[PreTrainedModel, tuple[tuple[str | None, ...], str]] = WeakKeyDictionary()


@dataclass
class HashtagRetrieverOutput(ModelOutput):
    """
    Args:
        loss (`torch.FloatTensor` of shape `(1,)`, *optional*): see [`hashtag_contrastive_loss`].
        video_embeds (`torch.FloatTensor` of shape `(videos, projection_dim)`): unit vectors of the queries, made of
            the videos, of their descriptions or of both as `config.query` has it.
        hashtag_embeds (`torch.FloatTensor` of shape `(hashtags, projection_dim)`): unit vectors.
        logit_scale (`torch.FloatTensor` of shape `()`): the inverse temperature.
        hashtag_model_output (`BaseModelOutputWithPooling`): see [`HashtagRetriever.get_hashtag_features`].
        video_model_output (`BaseModelOutputWithPooling`, *optional*): see [`HashtagRetriever.get_video_features`];
            `None` where the query has no video.
    """

    loss: torch.FloatTensor | None = None
    video_embeds: torch.FloatTensor | None = None
    hashtag_embeds: torch.FloatTensor | None = None
    logit_scale: torch.FloatTensor | None = None
    hashtag_model_output: BaseModelOutputWithPooling | None = None
    video_model_output: BaseModelOutputWithPooling | None = None

    def to_tuple(self) -> tuple:
        """As in transformers, with the outputs of the towers as tuples, too."""
        return tuple(part.to_tuple() if isinstance(part, ModelOutput) else part for part in self.values())


class HashtagRetriever(NotedCommitMixin, UnsplitLayersMixin, PreTrainedModel):
    r"""
    A dual encoder of videos and hashtags. A video's vector is the mean of its frames' vectors; video and hashtag are
    compared by cosine similarity. With another `config.query` than the published `"video"`, the description, encoded
    by the tower that encodes hashtags, takes the video's place or joins it.

    Args:
        config ([`HashtagRetrieverConfig`]): weights are random; see [`HashtagRetriever.from_backbone_pretrained`].

    Example:

    ```python
    >>> import torch
    >>> from transformers import CLIPConfig
    >>> from transformers_ggm import HashtagRetriever, HashtagRetrieverConfig

    >>> size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    >>> text, vision = {**size, "vocab_size": 50}, {**size, "image_size": 32, "patch_size": 16}
    >>> clip = CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    >>> retriever = HashtagRetriever(HashtagRetrieverConfig(clip))
    >>> retriever.get_video_features(torch.zeros(1, 4, 3, 32, 32)).pooler_output.shape
    torch.Size([1, 8])

    ```
    """

    config: HashtagRetrieverConfig
    config_class = HashtagRetrieverConfig
    # Not "backbone": `from_pretrained` would take `logit_scale` for `backbone.logit_scale` and swap the two.
    base_model_prefix = "hashtag_retriever"
    main_input_name = "pixel_values_videos"
    input_modalities = ("video", "text")
    supports_gradient_checkpointing = True
    # `Trainer` takes `**kwargs` of `forward` for one that divides the loss by the number of accumulated batches.
    accepts_loss_kwargs = False
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: HashtagRetrieverConfig):
        super().__init__(config)
        self.backbone = build_backbone(config.backbone_config)
        flatten_pooling(getattr(self.backbone, "vision_model", None))
        if config.text_pooling is not None:
            drop_pooling(self.text_tower)
        for name in ("logit_scale", "logit_bias"):
            # Not used here: left trainable, it would be a parameter without a gradient in distributed training.
            if hasattr(self.backbone, name):
                getattr(self.backbone, name).requires_grad_(False)
        if not config.query_reads_video:
            for name in ("vision_model", "visual_projection"):
                if hasattr(self.backbone, name):
                    getattr(self.backbone, name).requires_grad_(False)
        self.logit_scale = nn.Parameter(torch.tensor(float(config.logit_scale_init_value)))
        self.whitening = None if config.whitening_power is None else Whitening(config.projection_dim)
        self.post_init()

    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, HashtagRetriever):
            init.constant_(module.logit_scale, self.config.logit_scale_init_value)
        elif isinstance(module, Whitening):
            module.reset()

    @classmethod
    def from_backbone_pretrained(cls, name_or_path: str, **config_overrides) -> "HashtagRetriever":
        """
        Makes a retriever from a pretrained dual encoder, keeping its temperature, or from a text encoder alone.

        Args:
            name_or_path (`str`): folder or Hub id, e.g. `"openai/clip-vit-base-patch32"`; or a text encoder, such as
                `"sentence-transformers/all-MiniLM-L6-v2"`, with its own pooling: the query is `"text"` then.
            config_overrides: any argument of [`HashtagRetrieverConfig`].

        Raises:
            CheckpointError: the checkpoint cannot be read, is neither of the two, or lacks weights.
            ValueError: the query of a text encoder is to have a video.
        """
        backbone, missing = load_backbone(name_or_path)
        if backbone.main_input_name == "input_ids" and not hasattr(backbone, "get_image_features"):
            return cls.from_backbones_pretrained(text=name_or_path, **config_overrides)
        if missing or not (hasattr(backbone, "get_image_features") and hasattr(backbone, "get_text_features")):
            lack = f"lacks the weights {sorted(missing)[:3]}" if missing else f"is a {type(backbone).__name__}"
            raise CheckpointError(
                f"{name_or_path} {lack}; the retriever needs a dual encoder of images and texts, such as CLIP."
            )
        model = cls(HashtagRetrieverConfig(backbone_config=backbone.config, **config_overrides))
        model.backbone.load_state_dict(backbone.state_dict())
        if hasattr(backbone, "logit_scale") and "logit_scale_init_value" not in config_overrides:
            model.logit_scale.data.copy_(backbone.logit_scale.detach().squeeze())
        return model

    @classmethod
    def from_backbones_pretrained(cls, *, text: str, vision: str | None = None, **config_overrides):
        """
        Makes a retriever from a pretrained text encoder, with its own pooling, and a pretrained vision encoder.
        Hashtags and descriptions are near each other at once, as the text encoder has it; pictures are only after
        training.

        Args:
            text (`str`): folder or Hub id of a text encoder, e.g. `"sentence-transformers/all-MiniLM-L6-v2"`.
            vision (`str`, *optional*): that of a vision encoder with a pooled output, e.g. `"facebook/dinov2-small"`;
                without one the query is the text alone.
            config_overrides: any argument of [`HashtagRetrieverConfig`].

        Raises:
            CheckpointError: a checkpoint cannot be read, is not of its kind, or lacks weights.
            ValueError: without `vision`, the query is to have a video.

        Example:

        ```python
        >>> from transformers_ggm import HashtagRetriever

        >>> minilm = "sentence-transformers/all-MiniLM-L6-v2"
        >>> retriever = HashtagRetriever.from_backbones_pretrained(text=minilm)  # doctest: +SKIP
        >>> retriever.config.query, retriever.config.text_pooling  # doctest: +SKIP
        ('text', 'mean')

        ```
        """
        words = load_tower(text, "text")
        config_overrides.setdefault("text_pooling", read_pooling(text)[0])
        if vision is None:
            config = HashtagRetrieverConfig(words.config, **{"query": "text", **config_overrides})
            model = cls(config)
            model.backbone.load_state_dict(words.state_dict())
            return model
        seeing, missing = load_backbone(vision)
        seeing = tower_of(seeing, "vision")
        if missing or seeing.main_input_name != "pixel_values":
            lack = f"lacks the weights {sorted(missing)[:3]}" if missing else f"is a {type(seeing).__name__}"
            raise CheckpointError(f"{vision} {lack}: give a vision encoder with a trained pooled output.")
        width = words.config.hidden_size
        pair = VisionTextDualEncoderConfig.from_vision_text_configs(seeing.config, words.config, projection_dim=width)
        model = cls(HashtagRetrieverConfig(pair, **config_overrides))
        model.backbone.vision_model.load_state_dict(seeing.state_dict())
        model.backbone.text_model.load_state_dict(words.state_dict())
        # Texts keep the vectors that they have.
        with torch.no_grad():
            model.backbone.text_projection.weight.copy_(torch.eye(width))
        return model

    @property
    def text_tower(self) -> PreTrainedModel:
        """What encodes hashtags, and descriptions."""
        return self.backbone if self.config.reads_text_alone else self.backbone.text_model

    def get_input_embeddings(self):
        return self.text_tower.get_input_embeddings()

    def set_input_embeddings(self, value):
        self.text_tower.set_input_embeddings(value)

    @can_return_tuple
    @known_arguments()
    def get_video_features(
        self,
        pixel_values_videos: torch.FloatTensor,
        frame_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPooling | tuple:
        """
        Runs the vision tower once, for the vectors that hashtags are sought by and for a generator that sees with it
        (`vision_source="retriever"`). A frame that repeats the one before it is not encoded again.

        Args:
            pixel_values_videos (`torch.FloatTensor` of shape `(batch, frames, 3, height, width)`): normalised frames.
            frame_mask (`torch.Tensor` of shape `(batch, frames)`, *optional*): 1 on frames, 0 on padding.
            kwargs: `output_attentions`, `output_hidden_states`, `return_dict`.

        Returns:
            `BaseModelOutputWithPooling`: `pooler_output` `(batch, projection_dim)`, unit vectors, the normalised mean
            of the frames' vectors, zeros for a row without frames; `last_hidden_state` `(batch, frames, patches,
            vision_size)`, what the vision tower makes of each frame (`None` where the backbone gives vectors alone);
            `hidden_states` and `attentions` likewise, with two dimensions for batch and frames.

        Example:

        ```python
        >>> import torch
        >>> from transformers import CLIPConfig
        >>> from transformers_ggm import HashtagRetriever, HashtagRetrieverConfig

        >>> small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        >>> clip = CLIPConfig(vision_config={**small, "image_size": 16, "patch_size": 8}, text_config=small,
        ...                   projection_dim=4)
        >>> retriever = HashtagRetriever(HashtagRetrieverConfig(clip)).eval()
        >>> retriever.get_video_features(torch.rand(2, 3, 3, 16, 16)).pooler_output.shape
        torch.Size([2, 4])

        ```
        """
        frames = DistinctFrames.of(pixel_values_videos, frame_mask, self)
        flags = output_flags(self.config, kwargs)
        outputs = frames.encoded_by(lambda pixel_values: self._image_outputs(pixel_values, flags))
        outputs.pooler_output = self._whitened(_mean_of_frames(outputs.pooler_output, frame_mask), "video")
        return outputs

    def _video_vectors(self, pixel_values_videos: torch.Tensor, frame_mask: torch.Tensor | None) -> torch.Tensor:
        """The `pooler_output` alone: the states of all patches of all frames are not kept."""
        frames = DistinctFrames.of(pixel_values_videos, frame_mask, self)
        outputs = frames.encoded_by(
            lambda pixels: ModelOutput(pooler_output=self._image_outputs(pixels, {}).pooler_output)
        )
        return self._whitened(_mean_of_frames(outputs["pooler_output"], frame_mask), "video")

    def _image_outputs(self, pixel_values: torch.Tensor, flags: dict[str, bool]) -> BaseModelOutputWithPooling:
        inputs = vision_inputs(self.config.backbone_config, pixel_values.to(self.dtype))
        outputs = self.backbone.get_image_features(**inputs, return_dict=True, **flags)
        outputs.last_hidden_state = as_tokens(outputs.last_hidden_state)
        return outputs

    @can_return_tuple
    @known_arguments()
    def get_hashtag_features(
        self,
        input_ids: torch.LongTensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPooling | tuple:
        """
        Args:
            input_ids (`torch.LongTensor` of shape `(hashtags, length)`): tokens of the bare hashtags.
            attention_mask (`torch.Tensor` of shape `(hashtags, length)`, *optional*): 1 on tokens, 0 on padding.
            kwargs: `output_attentions`, `output_hidden_states`, `return_dict`.

        Returns:
            `BaseModelOutputWithPooling`: `pooler_output` `(hashtags, projection_dim)`, unit vectors, and the states of
            the text tower.
        """
        outputs = self._text_outputs(input_ids, attention_mask, output_flags(self.config, kwargs))
        outputs.pooler_output = self._whitened(outputs.pooler_output, "hashtag")
        return outputs

    def _text_outputs(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, flags: dict[str, bool]
    ) -> BaseModelOutputWithPooling:
        """Those of the text tower, with unit vectors that are not whitened."""
        flags = {**flags, "return_dict": True}
        if self.config.text_pooling is None:
            outputs = self.backbone.get_text_features(input_ids=input_ids, attention_mask=attention_mask, **flags)
        else:
            outputs = self._pooled_text_outputs(input_ids, attention_mask, flags)
        outputs.pooler_output = unit(outputs.pooler_output)
        return outputs

    def _whitened(self, vectors: torch.Tensor, kind: str) -> torch.Tensor:
        return vectors if self.whitening is None else self.whitening(vectors, kind)

    def fit_whitening(self, vectors: Mapping[str, torch.Tensor], power: float) -> None:
        """
        Whitens the space from here on, in the place of a whitening that it had; see [`Whitening`]. A pool of the
        retriever's is to be made anew.

        Args:
            vectors (`Mapping[str, torch.Tensor]`): the retriever's `(n, projection_dim)` without whitening, by
                "hashtag" and what the query is made of, "video" or "description".
            power (`float`): from 0 (means alone are taken off) to 1.

        Raises:
            InputError: see [`Whitening.fit`].

        Example:

        ```python
        >>> import torch
        >>> from transformers_ggm import HashtagRetriever
        >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT

        >>> retriever = HashtagRetriever.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
        >>> vectors = torch.nn.functional.normalize(torch.randn(200, retriever.config.projection_dim), dim=-1)
        >>> retriever.fit_whitening({"hashtag": vectors, "video": vectors}, power=0.5)
        >>> retriever.config.whitening_power
        0.5

        ```
        """
        whitening = Whitening(self.config.projection_dim)
        whitening.fit({kind: of_kind.cpu() for kind, of_kind in vectors.items()}, power)
        self.whitening = whitening.to(self.device, self.dtype)
        self.config.whitening_power = power

    def remove_whitening(self) -> None:
        """Gives vectors as the backbone makes them from here on."""
        self.whitening = self.config.whitening_power = None

    def _pooled_text_outputs(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, flags: dict[str, bool]
    ) -> BaseModelOutputWithPooling:
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        outputs = self.text_tower(input_ids=input_ids, attention_mask=attention_mask, **flags)
        vectors = pool_tokens(outputs.last_hidden_state, attention_mask, self.config.text_pooling)
        if not self.config.reads_text_alone:
            vectors = self.backbone.text_projection(vectors)
        return BaseModelOutputWithPooling(
            last_hidden_state=outputs.last_hidden_state,
            pooler_output=vectors,
            hidden_states=outputs.get("hidden_states"),
            attentions=outputs.get("attentions"),
        )

    @can_return_tuple
    @known_arguments()
    def get_description_features(
        self,
        input_ids: torch.LongTensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPooling | tuple:
        """
        Args:
            input_ids (`torch.LongTensor` of shape `(batch, length)`): tokens of the descriptions.
            attention_mask (`torch.Tensor` of shape `(batch, length)`, *optional*): 1 on tokens, 0 on padding and
                everywhere in a row without a description.
            kwargs: `output_attentions`, `output_hidden_states`, `return_dict`.

        Returns:
            `BaseModelOutputWithPooling`: `pooler_output` `(batch, projection_dim)`, unit vectors, zeros for a row
            without a description, and the states of the text tower.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        has_words = attention_mask.bool().any(dim=-1, keepdim=True)
        # Attention to nothing at all would be NaN with some kernels, and so would its gradient.
        mask = attention_mask.masked_fill(~has_words, 1)
        outputs = self._text_outputs(input_ids, mask, output_flags(self.config, kwargs))
        vectors = self._whitened(outputs.pooler_output, "description")
        outputs.pooler_output = vectors * has_words.to(vectors)
        return outputs

    @can_return_tuple
    def get_query_features(
        self,
        pixel_values_videos: torch.FloatTensor | None = None,
        frame_mask: torch.Tensor | None = None,
        description_input_ids: torch.LongTensor | None = None,
        description_attention_mask: torch.Tensor | None = None,
        video_embeds: torch.FloatTensor | None = None,
    ) -> BaseModelOutputWithPooling | tuple:
        """
        The vectors that hashtags are sought by, of what `config.query` names. Inputs that it does not name are not
        looked at; of `"video+text"`, one may be missing where no row of the batch has it.

        Args:
            pixel_values_videos, frame_mask (*optional*): see [`HashtagRetriever.get_video_features`].
            description_input_ids, description_attention_mask (*optional*): the arguments of
                [`HashtagRetriever.get_description_features`].
            video_embeds (`torch.FloatTensor` of shape `(batch, projection_dim)`, *optional*): instead of the frames,
                the `pooler_output` that [`HashtagRetriever.get_video_features`] gave for them before.

        Returns:
            `BaseModelOutputWithPooling`: `pooler_output` `(batch, projection_dim)`, unit vectors, zeros for a row that
            has nothing of what the query is made of; nothing else.

        Raises:
            InputError: nothing is given that the query is made of.
        """
        vectors = []
        if self.config.query_reads_video and video_embeds is not None:
            vectors.append(video_embeds)
        elif self.config.query_reads_video and pixel_values_videos is not None:
            vectors.append(self._video_vectors(pixel_values_videos, frame_mask))
        if self.config.query_reads_text and description_input_ids is not None:
            words = self.get_description_features(description_input_ids, description_attention_mask, return_dict=True)
            vectors.append(words.pooler_output)
        if not vectors:
            needed = ["`pixel_values_videos`"] * self.config.query_reads_video
            needed += ["`description_input_ids`"] * self.config.query_reads_text
            raise InputError(f"This retriever's query is {self.config.query!r}: pass {' or '.join(needed)}.")
        if len(vectors) == 2:
            vectors = [unit(vectors[0] + vectors[1].to(vectors[0].device))]
        return BaseModelOutputWithPooling(pooler_output=vectors[0])

    @can_return_tuple
    @known_arguments()
    def forward(
        self,
        pixel_values_videos: torch.FloatTensor | None = None,
        input_ids: torch.LongTensor | None = None,
        frame_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        is_true: torch.BoolTensor | None = None,
        return_loss: bool = False,
        description_input_ids: torch.LongTensor | None = None,
        description_attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> HashtagRetrieverOutput | tuple:
        """
        Args:
            pixel_values_videos, frame_mask, description_input_ids, description_attention_mask: see
                [`HashtagRetriever.get_query_features`].
            input_ids, attention_mask: see [`HashtagRetriever.get_hashtag_features`]; row i is a hashtag of video i.
            is_true (`torch.BoolTensor` of shape `(batch, batch)`, *optional*): see [`hashtag_contrastive_loss`].
            return_loss (`bool`, *optional*, defaults to `False`): whether to compute the contrastive loss.
            kwargs: `output_attentions`, `output_hidden_states`, `return_dict`.

        Returns:
            [`HashtagRetrieverOutput`].
        """
        flags = {**output_flags(self.config, kwargs), "return_dict": True}
        videos = None
        if self.config.query_reads_video and pixel_values_videos is not None:
            videos = self.get_video_features(pixel_values_videos, frame_mask, **flags)
        video_embeds = self.get_query_features(
            description_input_ids=description_input_ids,
            description_attention_mask=description_attention_mask,
            video_embeds=None if videos is None else videos.pooler_output,
            return_dict=True,
        ).pooler_output
        hashtags = self.get_hashtag_features(input_ids, attention_mask, **flags)
        hashtag_embeds = hashtags.pooler_output.to(video_embeds.device)
        logit_scale = self.logit_scale.exp().clamp(max=self.config.max_inverse_temperature).to(video_embeds.device)
        loss = None
        if return_loss:
            loss = hashtag_contrastive_loss(video_embeds, hashtag_embeds, logit_scale, is_true)
        return HashtagRetrieverOutput(
            loss=loss,
            video_embeds=video_embeds,
            hashtag_embeds=hashtag_embeds,
            logit_scale=logit_scale,
            hashtag_model_output=hashtags,
            video_model_output=videos,
        )

    def fingerprint(self) -> str:
        """
        Hexadecimal SHA-256 of the weights, which a hashtag pool keeps to know its retriever. Weights are hashed as
        float16, so that storing a float32 model in half precision keeps its fingerprint; a model whose weights were
        rounded to bfloat16 answers with the fingerprint of the saved one as long as its weights are those that were
        loaded.

        It is computed once for weights that stay as they are, which a checksum tells at a fraction of the cost.
        """
        config = self.config
        made_from = (weights_checksum(self), config.fingerprint, config.bfloat16_digest)
        known = _FINGERPRINTS.get(self)
        if known is None or known[0] != made_from:
            known = _FINGERPRINTS[self] = (made_from, self._compute_fingerprint())
        return known[1]

    def _compute_fingerprint(self) -> str:
        config = self.config
        if config.fingerprint and self._fits_bfloat16() and config.bfloat16_digest == self._digest(torch.bfloat16):
            return config.fingerprint
        return self._digest(torch.float16)

    def _fits_bfloat16(self) -> bool:
        """Whether all weights are exact in bfloat16, whatever their dtype."""
        return all(
            tensor.dtype == torch.bfloat16
            or not tensor.is_floating_point()
            or torch.equal(tensor.bfloat16().to(tensor.dtype), tensor)
            for tensor in self.state_dict().values()
        )

    def _digest(self, dtype: torch.dtype) -> str:
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            if tensor.is_floating_point():
                tensor = tensor.to(dtype)
            digest.update(weights_bytes(tensor))
        return digest.hexdigest()

    def keep_fingerprint(self) -> None:
        """Writes the fingerprint of the weights into the configuration, so that it outlives rounding to bfloat16."""
        self.config.fingerprint = self.fingerprint()
        self.config.bfloat16_digest = self._digest(torch.bfloat16)

    def save_pretrained(self, save_directory, **kwargs):
        """As in transformers, with the fingerprint of the weights written into the configuration."""
        self.keep_fingerprint()
        return super().save_pretrained(save_directory, **kwargs)


def _mean_of_frames(features: torch.Tensor, frame_mask: torch.Tensor | None) -> torch.FloatTensor:
    features = unit(features)
    if frame_mask is not None:
        features = features * frame_mask[..., None].to(features)
    return unit(features.sum(dim=1))


__all__ = ["HashtagRetriever", "HashtagRetrieverOutput"]
