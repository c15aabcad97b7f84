"""Processor of the generator: clips, sounds, descriptions, guidance and targets to a batch, and tokens to hashtags."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import AutoFeatureExtractor
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessingKwargs, ProcessorMixin, Unpack

from ..errors import InputError
from .call_arguments import TextArguments, merged_arguments
from .frame_inputs import list_videos
from .hashtag_tokens import HashtagTokens, encode_targets
from .hashtags import remove_hashtags
from .media import DEFAULT_LIMITS, Media, MediaLimits, is_media_source
from .row_text import TextShares, encode_text, fitting_guidance
from .saved_tokenizers import load_tokenizer
from .sound_features import batch_sounds, list_sounds, sound_features, sound_waveform, time_axis
from .token_ids import LABEL_PADDING
from .video_processing_ggm import FRAME_RULE, GGMVideoProcessor, GGMVideoProcessorKwargs


class GGMProcessorKwargs(ProcessingKwargs, total=False):
    """
    What [`GGMProcessor`] takes in one call beside its inputs, flat or by modality.

    Args:
        videos_kwargs (`dict`): What [`GGMVideoProcessor`] takes.
    """

    videos_kwargs: GGMVideoProcessorKwargs
    _defaults = {}


class GGMProcessor(ProcessorMixin):
    """A [`GGMVideoProcessor`], a tokenizer and, for models that hear, a feature extractor in one.

    Args:
        video_processor ([`GGMVideoProcessor`]): Makes `pixel_values_videos` and `frame_mask`.
        tokenizer (`PreTrainedTokenizerBase`): Of the text backbone (BART, mBART, ...).
        feature_extractor (`SequenceFeatureExtractor`, *optional*): Of the audio backbone (CLAP, Whisper, AST,
            Wav2Vec2, ...). Without one, sound is not even decoded.
        num_guidance (`int`, defaults to 50): How many retrieved hashtags are shown to the model at most.
        max_text_length (`int`, defaults to 512): Tokens of all texts and the guidance together. Where that is too few,
            hashtags are left out whole, the last first, and texts are cut; each part has its share of the room at
            least.
        max_target_length (`int`, defaults to 32): Tokens of the target hashtags (the paper: 32 for the short set, 64
            for the long one).
        max_audio_seconds (`float`, defaults to 10.0): Seconds of sound that are heard, from the start.
        transcript_share (`float`, defaults to 0.0), screen_text_share (`float`, defaults to 0.0): Share of
            `max_text_length` that is kept for what is said in the clip, and for what is written in it; with 0 the
            model does not read it.
        guidance_share (`float`, defaults to 0.5): That of the guidance. The description has what these leave.
        text_reading (`dict`, *optional*): What read the transcripts and screen texts that the model was trained with,
            as the prepared set tells; not used by the processor itself.

    Raises:
        `InputError`: `feature_extractor` is none, or the shares leave nothing to the description.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm import GGMProcessor
    >>> from transformers_ggm.pipelines import DEMO_CHECKPOINT

    >>> processor = GGMProcessor.from_pretrained(DEMO_CHECKPOINT)
    >>> frames = np.zeros((4, 48, 64, 3), dtype=np.uint8)  # or a path, a URL, bytes
    >>> batch = processor(videos=[frames], text=["first snow"], guidance=[["snow", "winter"]])
    >>> batch["pixel_values_videos"].shape, batch["frame_mask"].shape
    (torch.Size([1, 4, 3, 64, 64]), torch.Size([1, 4]))
    >>> processor.decode_hashtags(batch["input_ids"])  # of a model: `model.generate(**batch)`
    [['snow', 'winter']]

    ```
    """

    valid_processor_kwargs = GGMProcessorKwargs

    def __init__(
        self,
        video_processor=None,
        tokenizer=None,
        feature_extractor=None,
        num_guidance=50,
        max_text_length=512,
        max_target_length=32,
        max_audio_seconds=10.0,
        transcript_share=0.0,
        screen_text_share=0.0,
        guidance_share=0.5,
        text_reading=None,
    ):
        super().__init__(video_processor, tokenizer)
        if feature_extractor is not None and not isinstance(feature_extractor, SequenceFeatureExtractor):
            raise InputError(
                f"feature_extractor is a {type(feature_extractor).__name__}: pass a SequenceFeatureExtractor, such as"
                " AutoFeatureExtractor gives for an audio model, or None for a model without sound."
            )
        self.feature_extractor = feature_extractor
        self.num_guidance = num_guidance
        self.max_text_length = max_text_length
        self.max_target_length = max_target_length
        self.max_audio_seconds = max_audio_seconds
        self.transcript_share = transcript_share
        self.screen_text_share = screen_text_share
        self.guidance_share = guidance_share
        self.text_reading = text_reading
        self._shares()  # refuses what cannot be

    def __call__(
        self,
        videos=None,
        audio=None,
        text: str | Sequence[str | None] | None = None,
        guidance: Sequence | None = None,
        hashtags: Sequence | None = None,
        audio_from_video: bool | None = None,
        blank_video: bool | None = None,
        allow_empty: bool | None = None,
        input_features: Sequence[torch.Tensor | None] | None = None,
        transcript: str | Sequence[str | None] | None = None,
        screen_text: str | Sequence[str | None] | None = None,
        **kwargs: Unpack[GGMProcessorKwargs],
    ) -> BatchFeature:
        """Makes a batch of b rows. Each argument is one row's value or a list with one value per row.

        Args:
            videos: What [`GGMVideoProcessor`] takes, `None` for a row without video. A clip is read once for frames
                and sound; a [`Media`] gives both without reading.
            audio: Instead of the clips' own sound: a waveform (n,) or (channels, n) with values from -1 to 1, the
                path, URL or bytes of a sound file, or `None` for a silent row.
            text (`str` or `list[str]`): Descriptions. Hashtags in them are removed.
            guidance (`list[str]` or `list[list[str]]`): Retrieved hashtags, best first; the first `num_guidance` are
                used. With them a row reads "description [sep] #first #second ...".
            hashtags (`list[str]` or `list[list[str]]`): Target hashtags, in the order in which they are to be written.
            audio_from_video (`bool`, defaults to `True`): Whether clips give their sound too.
            blank_video (`bool`, defaults to `False`): Gives a row without video one black frame, so that sound alone
                can be used: the model hears through what it sees. Clips may be files of sound alone then.
            allow_empty (`bool`, defaults to `False`): Lets a row through that gives the model no input, as an
                empty text: for a model that is not shown all that its rows have.
            input_features (`list[torch.Tensor]`): Instead of `audio`, for rows that were decoded before: what
                [`~processing.sound_features.sound_features`] made of each row's sound, `None` for a silent row.
            transcript (`str` or `list[str]`), screen_text (`str` or `list[str]`): What is said in the clips, and what
                is written in them; not used where `transcript_share` or `screen_text_share` is 0. A row with all reads
                "description [sep] transcript [sep] screen text [sep] #first #second ...".
            sampling_rate (`int`): Rate of waveforms in `audio`, in Hz; needed with waveforms.
            max_length (`int`, *optional*): Tokens of texts and guidance together, instead of `max_text_length`.
            truncation (`bool`, defaults to `True`): `False` leaves none of them out.
            padding (`bool` or `str`, defaults to `"longest"`): `"max_length"` pads text to `max_length`, targets to
                `max_target_length` and videos to `num_frames`; `False` wants rows of one length, or lists.
            padding_side (`str`, *optional*): `"left"` or `"right"`, where text is padded. Defaults to the tokenizer's.
            pad_to_multiple_of (`int`, *optional*): Pads text, and targets, to a multiple of this.
            return_attention_mask (`bool`, defaults to `True`): Whether to give an `attention_mask`.
            return_tensors (`str`, defaults to `"pt"`): `"pt"`, `"np"`, or `None` for lists with one entry a row.
            **kwargs: Arguments of [`GGMVideoProcessor`], for this call alone. These and those above can be given in
                `text_kwargs`, `videos_kwargs`, `audio_kwargs` and, for all of them, `common_kwargs`, too. Others of
                transformers' processors mean nothing here and are refused.

        Returns:
            `BatchFeature` with

            - `input_ids`, `attention_mask` (b, n) int64;
            - `pixel_values_videos` (b, f, 3, h, w) float32 and `frame_mask` (b, f) int64, absent when no row has a
              video;
            - `input_features` as the audio backbone wants them and `audio_mask` (b,) int64, 1 where the row has sound;
              absent without a feature extractor, where neither clips nor sounds are given, and where all that is
              given as `input_features` is `None`;
            - `input_features_mask` (b, t) int64, 1 on what is no padding, where the features are as long as the sound
              (Wav2Vec2, HuBERT, WavLM, ...);
            - `labels` (b, m) int64 with -100 on padding, when `hashtags` are given.

        Raises:
            `InputError`: Nothing is given, arguments differ in length, are not known or mean nothing here, or a row
            has neither words nor a video (unless `blank_video` or `allow_empty`). `HashtagError`: A hashtag is not
            valid, or a row of `hashtags` is empty. `MediaError`: A clip cannot be read.
        """
        rows = _Rows(
            videos=videos,
            audio=audio,
            text=text,
            guidance=guidance,
            hashtags=hashtags,
            input_features=input_features,
            transcript=transcript if self.transcript_share else None,
            screen_text=screen_text if self.screen_text_share else None,
        )
        if not (blank_video or allow_empty):
            rows.check_usable()
        arguments = merged_arguments(self, kwargs)
        videos_kwargs = arguments["videos_kwargs"]
        options = TextArguments.of_call(arguments["text_kwargs"], self.max_text_length, self.tokenizer.padding_side)
        with_sound = self.feature_extractor is not None and rows.has_no_sound and audio_from_video is not False
        blank_video = bool(blank_video)
        clips = [self._read(video, with_sound, blank_video, videos_kwargs) for video in rows.videos]
        data = self._encode_texts(rows, options)
        video_inputs = self._encode_videos(clips, blank_video, videos_kwargs)
        # As in transformers, only where the call asks for it.
        metadata = video_inputs.pop("video_metadata", None) if videos_kwargs.get("return_metadata") else None
        data |= {name: video_inputs[name] for name in ("pixel_values_videos", "frame_mask") if name in video_inputs}
        sounds = self._encode_sounds(rows, clips, with_sound, arguments["audio_kwargs"].get("sampling_rate"))
        data |= sounds if options.return_tensors is not None else _as_lists(sounds)
        if hashtags is not None:
            data["labels"] = self._encode_targets(rows.hashtags, options)
        batch = BatchFeature(data, tensor_type=options.return_tensors)
        if metadata is not None:
            batch["video_metadata"] = metadata
        return batch

    def decode_media(
        self, source, limits: MediaLimits = DEFAULT_LIMITS, blank_video: bool = False, resize: bool = False
    ) -> Media:
        """Reads a clip once, at this processor's frame rule and, if the model hears, sampling rate.

        The result can be given to the processor as a video, any number of times.

        Args:
            source: Path, URL, bytes or binary file object.
            limits ([`MediaLimits`], defaults to `MediaLimits()`): What the clip may be at most.
            blank_video (`bool`, defaults to `False`): Whether a file without a picture is read for its sound alone.
            resize (`bool`, defaults to `False`): Whether frames come in the size that the model sees, see
                [`GGMVideoProcessor.decode`].

        Raises:
            `MediaError`: The clip cannot be read.
        """
        return self.video_processor.decode(
            source,
            sampling_rate=self.sampling_rate,
            max_audio_seconds=self.max_audio_seconds,
            limits=limits,
            blank_video=blank_video,
            resize=resize,
        )

    @property
    def read_texts(self) -> tuple[str, ...]:
        """Which texts of a row the model reads: some of `"description"`, `"transcript"` and `"screen_text"`."""
        return self._shares().read

    def fitting_guidance(
        self, text: str, guidance: Sequence[str], transcript: str = "", screen_text: str = ""
    ) -> list[str]:
        """Tells which of the retrieved hashtags the model is shown beside the texts: those there is room for.

        Args:
            text (`str`): The description. Hashtags in it are removed.
            guidance (`list[str]`): Retrieved hashtags, best first.
            transcript (`str`, defaults to `""`), screen_text (`str`, defaults to `""`): The other texts.

        Returns:
            `list[str]`: The first of them.
        """
        guidance = list(guidance[: self.num_guidance])
        texts = (remove_hashtags(text), transcript, screen_text)
        return guidance[: fitting_guidance(self.tokenizer, texts, guidance, self.max_text_length, self._shares())]

    def decode_hashtags(self, ids) -> list[list[str]]:
        """Reads hashtags from generated tokens: normalised, valid, each once per row, in order, without `#`.

        Args:
            ids (`torch.Tensor` or `list`): (b, m) token ids, or (m,) for one row. Special tokens and -100 are skipped.

        Returns:
            `list[list[str]]`: One list per row.
        """
        rows = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        if not rows or not isinstance(rows[0], (list, tuple, torch.Tensor, np.ndarray)):
            rows = [rows]
        return [HashtagTokens(self.tokenizer, row).hashtags() for row in rows]

    def hashtag_spans(self, ids) -> list[tuple[str, list[int]]]:
        """Tells which tokens spell each hashtag, for scores per hashtag.

        Args:
            ids (`torch.Tensor` or `list`): (m,) token ids of one sequence.

        Returns:
            `list[tuple[str, list[int]]]`: The hashtags as `decode_hashtags` gives them, each with the positions in
            `ids` of its `#` and of its own pieces (of its first occurrence). Special tokens belong to none.
        """
        return HashtagTokens(self.tokenizer, ids.tolist() if hasattr(ids, "tolist") else ids).spans()

    @property
    def sampling_rate(self) -> int | None:
        """Rate of the sound that the audio backbone wants, in Hz; `None` for a model without sound."""
        return None if self.feature_extractor is None else self.feature_extractor.sampling_rate

    @property
    def model_input_names(self) -> list[str]:
        names = ["input_ids", "attention_mask", "pixel_values_videos", "frame_mask"]
        if self.feature_extractor is None:
            return names
        names += ["input_features", "audio_mask"]
        return names if time_axis(self.feature_extractor) is None else [*names, "input_features_mask"]

    def _read(self, video, with_sound: bool, blank_video: bool, videos_kwargs: Mapping[str, Any]):
        """Reads what is a clip; gives frames, `Media` and `None` back as they are."""
        if not is_media_source(video):
            return video
        return self.video_processor.decode(
            video,
            sampling_rate=self.sampling_rate if with_sound else None,
            max_audio_seconds=self.max_audio_seconds,
            blank_video=blank_video,
            **{name: value for name, value in videos_kwargs.items() if name in FRAME_RULE},
        )

    def _shares(self) -> TextShares:
        return TextShares(self.transcript_share, self.screen_text_share, self.guidance_share)

    def _encode_texts(self, given: "_Rows", options: TextArguments) -> dict[str, Any]:
        rows = [
            encode_text(self.tokenizer, texts, tags[: self.num_guidance], options.room, self._shares())
            for texts, tags in zip(given.texts, given.guidance)
        ]
        encoded = {"input_ids": options.batch(rows, self.tokenizer.pad_token_id, options.max_length)}
        if options.with_mask:
            encoded["attention_mask"] = options.batch([[1] * len(ids) for ids in rows], 0, options.max_length)
        return encoded

    def _encode_videos(self, clips: list, blank_video: bool, videos_kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if blank_video:
            clips = [self._black_frame() if _is_blank(clip) else clip for clip in clips]
        if all(clip is None for clip in clips):
            return {}
        return dict(self.video_processor(clips, **videos_kwargs))

    def _black_frame(self) -> torch.Tensor:
        size = self.video_processor.crop_size
        return torch.zeros(1, 3, size["height"], size["width"], dtype=torch.uint8)

    def _encode_sounds(self, rows: "_Rows", clips: list, with_sound: bool, sampling_rate: int | None) -> dict:
        features = rows.input_features
        if with_sound:
            sounds = [clip if isinstance(clip, Media) else None for clip in clips]
            is_wanted = any(clip is not None for clip in clips)
        else:
            sounds = rows.audio
            is_wanted = rows.is_given("audio") or any(sound is not None for sound in features)
        if not is_wanted or self.feature_extractor is None:
            return {}
        if not rows.is_given("input_features"):
            features = [self._hear(sound, sampling_rate, row) for row, sound in enumerate(sounds)]
        return batch_sounds(self.feature_extractor, features)

    def _hear(self, sound, sampling_rate: int | None, row: int) -> torch.Tensor | None:
        waveform = sound_waveform(sound, self.sampling_rate, sampling_rate, self.max_audio_seconds, row)
        return None if waveform is None else sound_features(self.feature_extractor, waveform)

    def _encode_targets(self, rows: Sequence[Sequence[str]], options: TextArguments) -> torch.Tensor | list[list[int]]:
        encoded = [encode_targets(self.tokenizer, tags, self.max_target_length, row) for row, tags in enumerate(rows)]
        return options.batch(encoded, LABEL_PADDING, self.max_target_length, side="right")

    @classmethod
    def get_attributes(cls) -> list[str]:
        # The base class wants every attribute it knows to be there. The feature extractor may be None, and is saved
        # and loaded by this class.
        return ["video_processor", "tokenizer"]

    @classmethod
    def _get_arguments_from_pretrained(cls, pretrained_model_name_or_path, processor_dict=None, **kwargs):
        has_sound = bool((processor_dict or {}).get("feature_extractor"))
        return [
            # The base class asks AutoVideoProcessor, which knows our class only after registration.
            GGMVideoProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs),
            load_tokenizer(pretrained_model_name_or_path, **kwargs),
            AutoFeatureExtractor.from_pretrained(pretrained_model_name_or_path, **kwargs) if has_sound else None,
        ]

    @classmethod
    def from_args_and_dict(cls, args, processor_dict, **kwargs):
        settings = {name: value for name, value in processor_dict.items() if name != "feature_extractor"}
        return super().from_args_and_dict(args, settings, **kwargs)


def _as_lists(tensors: Mapping[str, torch.Tensor]) -> dict[str, list]:
    return {name: tensor.tolist() if name.endswith("mask") else list(tensor) for name, tensor in tensors.items()}


def _is_blank(clip) -> bool:
    return clip is None or (isinstance(clip, Media) and clip.frames is None)


class _Rows:
    """The arguments of one call as lists with one entry per row; those not given are filled up."""

    def __init__(self, **arguments):
        listed = {name: _LISTERS[name](value) for name, value in arguments.items() if value is not None}
        if not listed:
            raise InputError("Nothing to process: pass `videos`, `audio`, `text` or `guidance`.")
        first = next(iter(listed))
        for name, values in listed.items():
            if len(values) != len(listed[first]):
                raise InputError(
                    f"`{first}` has {len(listed[first])} rows, but `{name}` has {len(values)}: give one value per row"
                    " in each."
                )
        self._given = listed
        self._count = len(listed[first])
        if not self._count:
            raise InputError(f"`{first}` is an empty list: pass at least one row.")
        self.videos = self._column("videos")
        self.audio = self._column("audio")
        self.input_features = self._column("input_features")
        if self.is_given("audio") and self.is_given("input_features"):
            raise InputError("`audio` and `input_features` are two forms of the same sounds: pass one of them.")
        described = [remove_hashtags(text or "") for text in self._column("text")]
        others = ([text or "" for text in self._column(name)] for name in ("transcript", "screen_text"))
        # Of each row its description, transcript and screen text.
        self.texts = list(zip(described, *others))
        self.guidance = [tags or [] for tags in self._column("guidance")]
        self.hashtags = [tags or [] for tags in self._column("hashtags")]

    def is_given(self, name: str) -> bool:
        return name in self._given

    @property
    def has_no_sound(self) -> bool:
        return not self._given.keys() & {"audio", "input_features"}

    def check_usable(self) -> None:
        """Raises when a row gives the model no input."""
        for index, (video, texts, guidance) in enumerate(zip(self.videos, self.texts, self.guidance)):
            if video is None and not any(texts) and not guidance:
                raise InputError(
                    f"Row {index} has an empty description, no video and no guidance: there is nothing to make"
                    " hashtags from. Leave the row out, or pass blank_video=True to go by its sound."
                )

    def _column(self, name: str) -> list:
        return self._given.get(name, [None] * self._count)


def _list_texts(texts, name: str = "text", kind: str = "description") -> list:
    rows = [texts] if isinstance(texts, str) else list(texts)
    for index, row in enumerate(rows):
        if not isinstance(row, (str, type(None))):
            raise InputError(f"{name}[{index}] is a {type(row).__name__}: a {kind} must be a string.")
    return rows


def _list_hashtag_rows(rows) -> list:
    if isinstance(rows, str):
        raise InputError(f"{rows!r} is a string where a list of hashtags is needed: pass [{rows!r}].")
    rows = list(rows)
    if all(isinstance(row, str) for row in rows):
        return [rows]
    for index, row in enumerate(rows):
        if isinstance(row, str):
            raise InputError(f"Row {index} of the hashtags is the string {row!r}: pass a list of hashtags per row.")
    return [None if row is None else list(row) for row in rows]


_LISTERS = {
    "videos": list_videos,
    "audio": list_sounds,
    "input_features": list,
    "text": _list_texts,
    "transcript": partial(_list_texts, name="transcript", kind="transcript"),
    "screen_text": partial(_list_texts, name="screen_text", kind="screen text"),
    "guidance": _list_hashtag_rows,
    "hashtags": _list_hashtag_rows,
}
