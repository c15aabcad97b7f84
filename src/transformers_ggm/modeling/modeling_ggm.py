"""GGM, the Guided Generative Model (Yu et al., ACL 2023): encoder, decoder and language-model head."""

import torch
from torch import nn
from transformers import Cache, PreTrainedModel
from transformers import initialization as init
from transformers.loss.loss_utils import fixed_cross_entropy
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput, Seq2SeqModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple

from ..errors import InputError
from .backbones import (
    as_tokens,
    batch_norms,
    build_backbone,
    build_tower,
    capped,
    copy_text_weights,
    copy_tower_weights,
    load_text_backbone,
    load_tower,
    scaled_for_head,
)
from .configuration_ggm import GGMConfig, decoder_config_of, hidden_size_of
from .cross_modal_attention import CrossModalAttention, OutputProjection
from .encoder_output import GGMEncoderOutput, joint_mask
from .forward_arguments import CACHE_NAME, accepts_past_key_values, known_arguments, output_flags
from .frame_deduplication import DistinctFrames
from .ggm_generation import GGMGenerationMixin
from .modeling_utils import NotedCommitMixin, OneEmbeddingMixin, UnsplitLayersMixin
from .patch_pooling import pool_patches
from .pointer_head import CopySource, PointerGate, PointerHead
from .relative_positions import RelativePositions, RelativeTable, use_relative_positions
from .sound_encoding import encode_sounds
from .vision_inputs import vision_inputs


class GGMPreTrainedModel(NotedCommitMixin, UnsplitLayersMixin, OneEmbeddingMixin, PreTrainedModel):
    """Weight initialisation and capabilities shared by the GGM classes."""

    config: GGMConfig
    config_class = GGMConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ("video", "audio", "text")
    supports_gradient_checkpointing = True
    # No flash attention: transformers' version of it cuts the mask of the source down to the target's length, which is
    # wrong in cross-attention. The backbones may use it: `attn_implementation={"vision_config": "flash_attention_2"}`.
    _supports_sdpa = True
    # CLAP names none of its own.
    _no_split_modules = ["CrossModalAttention", "ClapAudioLayer", "ClapAudioPatchMerging"]
    _skip_keys_device_placement = [CACHE_NAME]

    def _init_weights(self, module):
        super()._init_weights(module)
        new = (OutputProjection, PointerGate) if self.config.fusion_init == "zero" else ()
        if isinstance(module, GGMForHashtagGeneration):
            init.zeros_(module.final_logits_bias)
        elif isinstance(module, (RelativeTable, *new)):
            init.zeros_(module.weight)

    def resize_token_embeddings(self, *args, **kwargs) -> nn.Embedding:
        """As in transformers; T5Gemma's encoder grows too, which has embeddings of its own."""
        embeddings = super().resize_token_embeddings(*args, **kwargs)
        text_encoder, text_config = self.get_encoder().text_encoder, self.config.text_config
        if text_config.model_type == "t5gemma":
            text_encoder.resize_token_embeddings(len(embeddings.weight))
            text_config.encoder.vocab_size = text_config.decoder.vocab_size = len(embeddings.weight)
        return embeddings


class GGMEncoder(GGMPreTrainedModel):
    """
    Reads frames, sound and text, and returns what the decoder attends to: the video-grounded text states (section
    3.2), or with `fusion="decoder"` those of the text and, behind them, of all frames.

    Args:
        config ([`GGMConfig`]).
        text_encoder (`nn.Module`): the encoder half of the text backbone.
    """

    def __init__(self, config: GGMConfig, text_encoder: nn.Module):
        super().__init__(config)
        vision_size, text_size = hidden_size_of(config.vision_config), hidden_size_of(config.text_config)
        self.text_encoder = text_encoder
        self.relative_positions = None
        if config.text_position_embedding != "absolute":
            use_relative_positions(text_encoder, config)
            self.relative_positions = RelativePositions(config)
        self.vision_encoder = build_tower(config.vision_config, "vision")
        if config.fusion == "grounding":
            self.video_grounding = CrossModalAttention(config, target_size=text_size, source_size=vision_size)
        else:
            self.video_projection = nn.Linear(vision_size, text_size)
        self.audio_encoder = None
        if config.audio_config is not None:
            self.audio_encoder = build_tower(config.audio_config, "audio")
            self.audio_grounding = CrossModalAttention(
                config, target_size=vision_size, source_size=hidden_size_of(config.audio_config)
            )
        self.frame_positions = None
        if config.frame_position_embedding == "learned":
            self.frame_positions = nn.Embedding(config.max_frames, vision_size)
        self.post_init()

    def get_input_embeddings(self):
        return self.text_encoder.get_input_embeddings()

    def train(self, mode: bool = True):
        """
        As in PyTorch, but a frozen vision or audio encoder stays in evaluation mode: no dropout, no batch statistics.
        So does every frozen batch normalisation of one that is adapted in part (LoRA): statistics that moved would not
        be saved with the adapter.
        """
        super().train(mode)
        for tower in (self.vision_encoder, self.audio_encoder):
            for module in () if tower is None else (tower, *batch_norms(tower)):
                if not any(parameter.requires_grad for parameter in module.parameters()):
                    module.eval()
        return self

    def encode_frames(self, pixel_values_videos: torch.Tensor, frame_mask: torch.Tensor | None = None) -> torch.Tensor:
        """
        Encodes every frame alone, one that repeats the one before it not again, and joins the frames of a video.

        Args:
            pixel_values_videos (`torch.FloatTensor` of shape `(batch, frames, 3, height, width)`).
            frame_mask (`torch.Tensor` of shape `(batch, frames)`, *optional*): 1 on frames, 0 on padding, whose
                content is ignored.

        Returns:
            `torch.FloatTensor` of shape `(batch, frames * patches, vision_size)`: w of equation 3.

        Raises:
            InputError: more frames than learned frame positions.
        """
        frames = DistinctFrames.of(pixel_values_videos, frame_mask, self.vision_encoder)
        return self.join_frames(frames.encoded_by(self._frame_states).last_hidden_state)

    def _frame_states(self, pixels: torch.Tensor) -> BaseModelOutput:
        inputs = vision_inputs(self.config.vision_config, pixels.to(self.vision_encoder.dtype))
        states = self.vision_encoder(**inputs).last_hidden_state
        return BaseModelOutput(last_hidden_state=as_tokens(states))

    def join_frames(self, states: torch.Tensor) -> torch.Tensor:
        """
        Pools patches (`config.patch_pooling`) and joins the frames of a video.

        Args:
            states (`torch.FloatTensor` of shape `(batch, frames, patches, vision_size)`): of each frame alone.

        Returns:
            `torch.FloatTensor` of shape `(batch, frames * pooled patches, vision_size)`: w of equation 3.

        Raises:
            InputError: more frames than learned frame positions, or frames whose patches cannot be pooled.
        """
        states = pool_patches(states, self.config.vision_config, self.config.patch_pooling)
        if self.frame_positions is not None:
            num_frames = states.shape[1]
            if num_frames > self.config.max_frames:
                raise InputError(
                    f"The video has {num_frames} frames, but `config.max_frames`={self.config.max_frames}; sample "
                    "fewer frames or train with a larger `max_frames`."
                )
            positions = torch.arange(num_frames, device=states.device)
            states = states + self.frame_positions(positions)[None, :, None].to(states.device)
        return states.flatten(1, 2)

    def encode_audio(
        self,
        input_features: torch.Tensor,
        audio_mask: torch.Tensor | None = None,
        input_features_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Encodes the sound. The arguments and errors are those of [`GGMEncoder.forward`].

        Returns:
            `torch.FloatTensor` of shape `(batch, tokens, audio_size)`: a of equation 3; zeros behind a shorter sound.
        """
        return encode_sounds(self.audio_encoder, input_features, audio_mask, input_features_mask)[0]

    def ground_video_in_audio(
        self, video: torch.Tensor, input_features: torch.Tensor | None, *masks: torch.Tensor | None
    ) -> torch.Tensor:
        """v = CAM(w, a, a) + w (equation 3); v = w in a row without sound."""
        if self.audio_encoder is None or input_features is None:
            return video
        audio, is_heard = encode_sounds(self.audio_encoder, input_features, *masks)
        return self.audio_grounding(video, audio, is_heard) if audio.shape[1] else video

    def append_video(
        self,
        text: torch.Tensor,
        text_mask: torch.Tensor | None,
        video: torch.Tensor,
        patch_mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Fusion-in-decoder (Izacard and Grave, EACL 2021): the frames are encoded apart, and the decoder joins them.

        Args:
            text (`torch.FloatTensor` of shape `(batch, text_length, d_model)`).
            text_mask (`torch.Tensor` of shape `(batch, text_length)`, *optional*).
            video (`torch.FloatTensor` of shape `(batch, frames * patches, vision_size)`): v of equation 3.
            patch_mask (`torch.Tensor` of shape `(batch, frames * patches)`, *optional*).

        Returns:
            States `(batch, text_length + frames * patches, d_model)`, and their mask of that length, int64.
        """
        video = self.video_projection(video).to(text.device)
        return torch.cat([text, video], dim=1), joint_mask((text, text_mask), (video, patch_mask))

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        pixel_values_videos: torch.FloatTensor | None = None,
        frame_mask: torch.Tensor | None = None,
        input_features: torch.FloatTensor | None = None,
        audio_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        video_states: torch.FloatTensor | None = None,
        input_features_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> GGMEncoderOutput | tuple:
        r"""
        Args:
            input_ids (`torch.LongTensor` of shape `(batch, text_length)`): "description [sep] guidance".
            attention_mask (`torch.Tensor` of shape `(batch, text_length)`, *optional*): 1 on tokens, 0 on padding.
            pixel_values_videos (`torch.FloatTensor` of shape `(batch, frames, 3, height, width)`, *optional*):
                normalised frames; without them the model is exactly its text backbone.
            frame_mask (`torch.Tensor` of shape `(batch, frames)`, *optional*): 1 on frames, 0 on padding. A row
                without any frame is read as text alone.
            input_features (`torch.FloatTensor`, *optional*): the sound as the audio backbone wants it. It is heard
                through the frames (equation 3), so without `pixel_values_videos` it changes nothing.
            audio_mask (`torch.Tensor` of shape `(batch,)`, *optional*): 1 where the video has sound.
            input_features_mask (`torch.Tensor` of shape `(batch, time)`, *optional*): 1 on features, 0 on padding,
                where features are as long as the sound (Wav2Vec2, HuBERT, WavLM). Without it, all are taken for
                features.
            inputs_embeds (`torch.FloatTensor` of shape `(batch, text_length, d_model)`, *optional*): instead of
                `input_ids`.
            video_states (`torch.FloatTensor` of shape `(batch, frames, patches, vision_size)`, *optional*): instead of
                `pixel_values_videos`, what the vision encoder makes of each frame, where it ran before: in a retriever
                that has the same one (`config.vision_source="retriever"`).

        Returns:
            `GGMEncoderOutput`: `last_hidden_state` `(batch, text_length, d_model)` is t' of equation 4,
            `hidden_states` and `attentions` are those of the text encoder. With `fusion="decoder"` the
            `last_hidden_state` of a batch with videos has the tokens of all frames behind those of the text, and
            `attention_mask` is that of both. With `pointer_head=True` it has the `attention_mask` and `source_ids` of
            what can be copied.
        """
        flags = dict(output_flags(self.config, kwargs))
        if self.relative_positions is not None:
            flags["relative_terms"] = self.relative_positions(input_ids, inputs_embeds)
        text = self.text_encoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **flags,
        )
        states, states_mask = text.last_hidden_state, None
        if self.config.pointer_head and input_ids is not None:
            states_mask = joint_mask((states, attention_mask))
        video = None
        if video_states is not None:
            video = self.join_frames(video_states)
        elif pixel_values_videos is not None:
            video = self.encode_frames(pixel_values_videos, frame_mask)
        if video is not None:
            patch_mask = None
            if frame_mask is not None:
                patch_mask = frame_mask.repeat_interleave(video.shape[1] // frame_mask.shape[1], dim=1)
            video = self.ground_video_in_audio(video, input_features, audio_mask, input_features_mask)
            if self.config.fusion == "grounding":
                states = self.video_grounding(states, video, patch_mask)
            else:
                states, states_mask = self.append_video(states, attention_mask, video, patch_mask)
        return GGMEncoderOutput(
            last_hidden_state=states,
            hidden_states=text.hidden_states,
            attentions=text.attentions,
            attention_mask=states_mask,
            source_ids=input_ids if self.config.pointer_head else None,
        )


class GGMModel(GGMPreTrainedModel):
    r"""
    The GGM encoder and decoder without a language-model head.

    Args:
        config ([`GGMConfig`]): the backbones and how they are joined. Weights are random; see
            [`GGMForHashtagGeneration.from_backbones_pretrained`] for pretrained ones.

    Example:

    ```python
    >>> import torch
    >>> from transformers import BartConfig, ViTConfig
    >>> from transformers_ggm import GGMConfig, GGMModel

    >>> vision = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    ...                    image_size=32, patch_size=16)
    >>> text = BartConfig(vocab_size=50, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
    ...                   decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32)
    >>> model = GGMModel(GGMConfig(vision, text))
    >>> output = model(torch.tensor([[0, 7, 8, 2]]), decoder_input_ids=torch.tensor([[2, 9, 10]]))
    >>> output.last_hidden_state.shape
    torch.Size([1, 3, 16])

    ```
    """

    _tied_weights_keys = {
        "encoder.text_encoder.embed_tokens.weight": "shared.weight",
        "decoder.embed_tokens.weight": "shared.weight",
    }

    def __init__(self, config: GGMConfig):
        super().__init__(config)
        # The text backbone ties its own embeddings as its own configuration says.
        config.text_config.tie_word_embeddings = config.tie_word_embeddings
        text_model = build_backbone(config.text_config)
        # T5Gemma's encoder has word embeddings of its own.
        self.shares_embeddings = hasattr(text_model, "shared")
        self.shared = text_model.shared if self.shares_embeddings else text_model.decoder.embed_tokens
        if not self.shares_embeddings:
            self._tied_weights_keys = {"decoder.embed_tokens.weight": "shared.weight"}
        self.encoder = GGMEncoder(config, text_model.encoder)
        self.decoder = text_model.decoder
        # One module, not three with one weight: FSDP must not find the weight in several of its units.
        if config.tie_word_embeddings:
            self.set_input_embeddings(self.shared)
        self.post_init()

    def get_input_embeddings(self):
        return self.shared

    def set_input_embeddings(self, value):
        self.shared = value
        if self.shares_embeddings:
            self.encoder.text_encoder.embed_tokens = value
        self.decoder.embed_tokens = value

    def get_encoder(self, modality: str | None = None):
        if modality is None:
            return self.encoder
        return self.encoder.audio_encoder if modality == "audio" else self.encoder.vision_encoder

    @can_return_tuple
    @accepts_past_key_values
    @known_arguments(GGMEncoder.forward)
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.LongTensor | None = None,
        decoder_attention_mask: torch.LongTensor | None = None,
        encoder_outputs: BaseModelOutput | tuple | None = None,
        cache: Cache | None = None,
        decoder_inputs_embeds: torch.FloatTensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqModelOutput | tuple:
        r"""
        Args:
            input_ids, attention_mask: see [`GGMEncoder.forward`].
            decoder_input_ids (`torch.LongTensor` of shape `(batch, target_length)`, *optional*).
            decoder_attention_mask (`torch.Tensor` of shape `(batch, target_length)`, *optional*).
            encoder_outputs (`GGMEncoderOutput` or `BaseModelOutput`, *optional*): the encoder's output, if it ran
                before; the inputs of the encoder are ignored then. Where it has an `attention_mask`, that is the
                mask of its states, else the argument is.
            cache (`Cache`, *optional*): keys and values of the decoder's earlier steps; `past_key_values` before
                transformers 5.24, where both names are taken.
            decoder_inputs_embeds (`torch.FloatTensor` of shape `(batch, target_length, d_model)`, *optional*): instead
                of `decoder_input_ids`.
            use_cache (`bool`, *optional*): whether to return a cache.
            kwargs: the other inputs of the encoder, `pixel_values_videos`, `frame_mask`, `input_features`,
                `audio_mask`, `input_features_mask`, `inputs_embeds` and `video_states`: see [`GGMEncoder.forward`];
                `output_attentions`, `output_hidden_states` and `return_dict` as everywhere in transformers.

        Returns:
            `Seq2SeqModelOutput` with `last_hidden_state` of shape `(batch, target_length, d_model)`.
        """
        flags = output_flags(self.config, kwargs)
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                input_ids=input_ids, attention_mask=attention_mask, **{**kwargs, **flags, "return_dict": True}
            )
        elif not isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = GGMEncoderOutput.of_tuple(encoder_outputs)
        states_mask = getattr(encoder_outputs, "attention_mask", None)
        decoded = self.decoder(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=encoder_outputs.last_hidden_state,
            encoder_attention_mask=attention_mask if states_mask is None else states_mask,
            inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            return_dict=True,
            **{CACHE_NAME: cache},
            **flags,
        )
        return Seq2SeqModelOutput(
            last_hidden_state=decoded.last_hidden_state,
            decoder_hidden_states=decoded.hidden_states,
            decoder_attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_hidden_states=encoder_outputs.hidden_states,
            encoder_attentions=encoder_outputs.attentions,
            **{CACHE_NAME: getattr(decoded, CACHE_NAME)},
        )


class GGMForHashtagGeneration(GGMPreTrainedModel, GGMGenerationMixin):
    r"""
    GGM with a language-model head: frames, sound, description and guidance in, hashtags out.

    Args:
        config ([`GGMConfig`]): the backbones and how they are joined. Weights are random.

    Example:

    ```python
    >>> import torch
    >>> from transformers import BartConfig, ViTConfig
    >>> from transformers_ggm import GGMConfig, GGMForHashtagGeneration

    >>> vision = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    ...                    image_size=32, patch_size=16)
    >>> text = BartConfig(vocab_size=50, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
    ...                   decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32)
    >>> model = GGMForHashtagGeneration(GGMConfig(vision, text))
    >>> labels = torch.tensor([[5, 6, 2]])
    >>> output = model(torch.tensor([[0, 7, 8, 2]]), pixel_values_videos=torch.rand(1, 4, 3, 32, 32), labels=labels)
    >>> output.logits.shape
    torch.Size([1, 3, 50])

    ```
    """

    _tied_weights_keys = {"lm_head.weight": "model.shared.weight"}
    _keys_to_ignore_on_load_missing = ["final_logits_bias"]
    accepts_loss_kwargs = True  # tells `Trainer` that `forward` takes `num_items_in_batch`

    def __init__(self, config: GGMConfig):
        super().__init__(config)
        self.model = GGMModel(config)
        decoder_config = decoder_config_of(config.text_config)
        vocab_size = decoder_config.vocab_size
        self.register_buffer("final_logits_bias", torch.zeros((1, vocab_size)))
        self.lm_head = nn.Linear(decoder_config.hidden_size, vocab_size, bias=False)
        self.pointer_head = PointerHead(config) if config.pointer_head else None
        self.post_init()

    @classmethod
    def from_backbones_pretrained(
        cls, vision: str, text: str, audio: str | None = None, **config_overrides
    ) -> "GGMForHashtagGeneration":
        r"""
        Puts a model together from pretrained backbones. The cross-modal attentions are new; with the default
        `fusion_init="zero"` the model starts as exactly its text backbone.

        Args:
            vision (`str`): folder or Hub id of an image backbone, e.g. `"google/vit-base-patch16-224-in21k"`; of a
                dual encoder such as CLIP, SigLIP or a trained [`HashtagRetriever`] the vision tower is taken.
            text (`str`): folder or Hub id of an encoder-decoder of `TEXT_BACKBONES`, e.g. `"facebook/bart-base"` or
                `"google/mt5-small"`.
            audio (`str`, *optional*): folder or Hub id of an audio backbone, e.g. `"laion/clap-htsat-unfused"`.
            config_overrides: any argument of [`GGMConfig`]. `generation_config` starts with the paper's decoding: 5
                beams, `no_repeat_ngram_size=3`, `max_length=32`.

        Raises:
            CheckpointError: a checkpoint cannot be read, is of another kind, or lacks weights that it should give.

        Example:

        ```python
        >>> model = GGMForHashtagGeneration.from_backbones_pretrained(
        ...     vision="google/vit-base-patch16-224-in21k", text="facebook/bart-base", audio="laion/clap-htsat-unfused"
        ... )  # doctest: +SKIP

        ```
        """
        vision_tower = load_tower(vision, "vision")
        audio_tower = None if audio is None else load_tower(audio, "audio")
        text_model = load_text_backbone(text)
        model = cls(
            GGMConfig(
                vision_config=vision_tower.config,
                text_config=text_model.config,
                audio_config=None if audio_tower is None else audio_tower.config,
                **config_overrides,
            )
        )
        copy_tower_weights(model.model.encoder.vision_encoder, vision_tower, vision)
        if audio_tower is not None:
            copy_tower_weights(model.model.encoder.audio_encoder, audio_tower, audio)
        copy_text_weights(model, text_model)
        model.use_published_decoding()
        return model

    def get_encoder(self, modality: str | None = None):
        return self.model.get_encoder(modality)

    def get_decoder(self):
        return self.model.decoder

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, new_embeddings):
        self.lm_head = new_embeddings

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """As in transformers; the logits' bias grows with the embeddings."""
        embeddings = super().resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        missing = embeddings.weight.shape[0] - self.final_logits_bias.shape[1]
        self.final_logits_bias = nn.functional.pad(self.final_logits_bias, (0, missing))
        return embeddings

    @can_return_tuple
    @accepts_past_key_values
    @known_arguments(GGMModel.forward)
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.LongTensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqLMOutput | tuple:
        r"""
        Args:
            input_ids, attention_mask, decoder_input_ids, use_cache, kwargs: see [`GGMModel.forward`], which also tells
                of `decoder_attention_mask`, `encoder_outputs`, `cache` and `decoder_inputs_embeds`. The inputs of the
                encoder (`pixel_values_videos`, `frame_mask`, `input_features`, `audio_mask`, `input_features_mask`,
                `inputs_embeds`, `video_states`): see [`GGMEncoder.forward`].
            labels (`torch.LongTensor` of shape `(batch, target_length)`, *optional*): target tokens, -100 on padding.
            num_items_in_batch (`int`, *optional*): number of target tokens that the loss is divided by; given by
                `Trainer` so that accumulated and distributed batches weigh every token alike.

        Returns:
            `Seq2SeqLMOutput` with `logits` `(batch, target_length, vocab_size)` and, given `labels`, `loss`: the mean
            cross-entropy of the target tokens (equation 6).
        """
        if labels is not None:
            use_cache = False
            if decoder_input_ids is None and kwargs.get("decoder_inputs_embeds") is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            use_cache=use_cache,
            **{**kwargs, "return_dict": True},
        )
        source = None
        if self.pointer_head is not None:
            made = GGMEncoderOutput(outputs.encoder_last_hidden_state, source_ids=input_ids)
            source = CopySource.of_encoder(kwargs.get("encoder_outputs") or made, attention_mask)
        logits = self.read_logits(outputs.last_hidden_state, source)
        loss = None
        if labels is not None:
            labels = labels.to(logits.device)
            loss = fixed_cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), num_items_in_batch)
        # The decoder's and encoder's states go by the same names in both outputs.
        return Seq2SeqLMOutput(
            loss=loss, logits=logits, **{k: v for k, v in outputs.items() if k != "last_hidden_state"}
        )

    def read_logits(self, hidden: torch.Tensor, source: CopySource | None = None) -> torch.Tensor:
        """
        Logits of what follows each token, from the decoder's last states.

        Args:
            hidden (`torch.FloatTensor` of shape `(batch, target_length, d_model)`).
            source ([`CopySource`], *optional*): what can be copied; needed with `pointer_head=True`.
        """
        text_config = self.config.text_config
        logits = capped(self.lm_head(scaled_for_head(hidden, text_config)), text_config)
        # A model that is spread over devices may have the bias elsewhere than the head.
        logits = logits + self.final_logits_bias.to(logits.device)
        return logits if self.pointer_head is None else self.pointer_head(logits, hidden, source)


__all__ = ["GGMForHashtagGeneration", "GGMModel", "GGMPreTrainedModel"]
