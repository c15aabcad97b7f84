"""Processor of an instructed language model: clues, guidance and frames to prompts in a batch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import regex
import torch
from torchvision.transforms.functional import to_pil_image
from transformers import AutoProcessor, AutoTokenizer
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessorMixin

from ..errors import CheckpointError, HashtagError, InputError
from .answer_hashtags import AnswerTokens
from .frame_inputs import spread_frames, whole_images
from .hashtags import join_hashtags, normalize_hashtag, remove_hashtags
from .media import Media, is_media_source
from .modalities import TEXTS
from .processing_clips import SilentClipsMixin
from .prompt_parts import Example, PromptParts, fitted, markers_of, on_one_line
from .saved_tokenizers import load_tokenizer
from .token_ids import LABEL_PADDING, lock_of, pad_tokens, token_ids, token_ids_of_all
from .video_processing_ggm import GGMVideoProcessor

INSTRUCTION = (
    "Write up to {num_hashtags} hashtags that fit this video best, each beginning with #, separated by spaces, and"
    " nothing else."
)
PROMPT_PROCESSOR_FOLDER = "prompt_processor"
# Vision-language models want more of a frame than ViT does; where its sides are cut off, words go.
_FRAME_SIZE = {"shortest_edge": 384}


class InstructedProcessor(SilentClipsMixin, ProcessorMixin):
    """
    What an [`InstructedForHashtagGeneration`] is asked, and how.

    A prompt has, a line each, what the author wrote, what is spoken and what is written on the screen, the language,
    the guidance, and then the instruction; before these, the frames, where the model sees, and similar posts as turns
    that are answered already. It is a chat where the tokenizer has a template, else plain text. Words of users are
    put on one line, without special tokens and marks of turns: they cannot end their turn or give orders in another's
    name. A language model hears nothing: what is spoken reaches it as words.

    Args:
        video_processor ([`GGMVideoProcessor`]): Decodes clips and resizes frames.
        tokenizer (`PreTrainedTokenizerBase`): The language model's.
        prompt_processor (`ProcessorMixin`, *optional*): The processor of a language model that sees.
        instruction (`str`, *optional*): What is asked, with `{num_hashtags}` where that number goes.
        num_hashtags (`int`, defaults to 8): How many hashtags are asked for.
        num_guidance (`int`, defaults to 20): How many retrieved hashtags are shown at most.
        num_frames (`int`, defaults to 4): How many frames are shown at most, spread over the clip.
        num_examples (`int`, defaults to 3): How many similar posts are shown at most, where some are given.
        max_prompt_length (`int`, defaults to 1024): Tokens of a prompt, without its frames. What is too much is left
            out as [`~processing.prompt_parts.fitted`] says, guidance last.
        max_target_length (`int`, defaults to 48): Tokens of the hashtags that are taught.
        transcript_share (`float`, defaults to 0.3), screen_text_share (`float`, defaults to 0.2): Of the room for
            words, where it is too little; the description has the rest.
        text_reading (`dict`, *optional*): What read the transcripts and screen texts that the model was trained with.

    Example:

    ```python
    >>> from transformers_ggm import InstructedProcessor

    >>> processor = InstructedProcessor.from_language_model_pretrained("smollm2")  # doctest: +SKIP
    >>> batch = processor(text=["first snow"], guidance=[["winter", "snowday"]])  # doctest: +SKIP
    >>> print(processor.tokenizer.decode(batch["input_ids"][0]))  # doctest: +SKIP
    <|im_start|>user
    A short video.
    Its author wrote: first snow
    Hashtags of similar videos: #winter #snowday
    Write up to 8 hashtags that fit this video best, each beginning with #, separated by spaces, and nothing else.
    <|im_end|>
    <|im_start|>assistant

    ```
    """

    def __init__(
        self,
        video_processor=None,
        tokenizer=None,
        prompt_processor=None,
        instruction=INSTRUCTION,
        num_hashtags=8,
        num_guidance=20,
        num_frames=4,
        num_examples=3,
        max_prompt_length=1024,
        max_target_length=48,
        transcript_share=0.3,
        screen_text_share=0.2,
        text_reading=None,
    ):
        super().__init__(video_processor, tokenizer)
        if min(transcript_share, screen_text_share) <= 0 or transcript_share + screen_text_share >= 1:
            raise InputError(
                f"transcript_share={transcript_share} and screen_text_share={screen_text_share}: give each more than"
                " 0, and together less than 1, so that something is left to the description."
            )
        self.prompt_processor = prompt_processor
        self.instruction = instruction
        self.num_hashtags = num_hashtags
        self.num_guidance = num_guidance
        self.num_frames = num_frames
        self.num_examples = num_examples
        self.max_prompt_length = max_prompt_length
        self.max_target_length = max_target_length
        self.transcript_share = transcript_share
        self.screen_text_share = screen_text_share
        self.text_reading = text_reading

    @classmethod
    def from_language_model_pretrained(
        cls, name_or_path: str | Path, takes_images: bool = False, gguf_file: str | None = None, **settings: Any
    ) -> "InstructedProcessor":
        """
        With the tokenizer or processor of a pretrained language model.

        Args:
            name_or_path (`str`): Folder or Hub id.
            takes_images (`bool`, defaults to `False`): Whether the model is shown frames: `config.takes_images` of
                its [`InstructedForHashtagGeneration`].
            gguf_file (`str`, *optional*): As in transformers, the file that has the tokenizer too.
            **settings: Any argument of [`InstructedProcessor`] but its parts.

        Raises:
            `CheckpointError`: There is no tokenizer or processor, or it cannot be read.
        """
        try:
            if takes_images:
                prompt_processor = AutoProcessor.from_pretrained(name_or_path)
                return cls(_frames(_FRAME_SIZE), prompt_processor.tokenizer, prompt_processor, **settings)
            files = {} if gguf_file is None else {"gguf_file": gguf_file}
            return cls(GGMVideoProcessor(), AutoTokenizer.from_pretrained(name_or_path, **files), **settings)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{name_or_path} has no tokenizer or processor to prompt with: {error}") from error

    def __call__(
        self,
        videos: Sequence[torch.Tensor | None] | None = None,
        text: Sequence[str | None] | None = None,
        guidance: Sequence[Sequence[str]] | None = None,
        hashtags: Sequence[Sequence[str]] | None = None,
        transcript: Sequence[str | None] | None = None,
        screen_text: Sequence[str | None] | None = None,
        language: Sequence[str | None] | None = None,
        examples: Sequence[Sequence[tuple[str, Sequence[str]]]] | None = None,
    ) -> BatchFeature:
        """
        Makes prompts of b rows, padded on the left. Every argument is a list with one value per row.

        Args:
            videos (`list[torch.Tensor]`): Frames (f, 3, h, w) uint8 in the size that the video processor gives, `None`
                for a row without; clips and [`Media`] are read. A model without eyes is not shown them. Rows of one
                batch show as many frames, or none: [`~processing.processing_instructed.InstructedProcessor.shown`]
                tells how many.
            text (`list[str]`): Descriptions. Hashtags in them are removed.
            guidance (`list[list[str]]`): Retrieved hashtags, best first.
            hashtags (`list[list[str]]`): Target hashtags in the order in which they are to be written: with them, a
                row is prompt and answer.
            transcript, screen_text, language (`list[str]`): What is spoken, what is written on the screen, and a code
                such as `"en"`.
            examples (`list[list[tuple[str, list[str]]]]`): Of each row similar posts, the words and the hashtags of
                each; the most similar last, right before the clip.

        Returns:
            `BatchFeature` with `input_ids`, `attention_mask` (b, n) int64; `labels` (b, n) int64, -100 on all but the
            answers, when `hashtags` are given; and what else the language model's processor makes of frames.

        Raises:
            `InputError`: Nothing is given, arguments differ in length, or rows of one batch do not show as many
            frames. `HashtagError`: A hashtag is not valid, or a row of `hashtags` is empty.
        """
        columns = {
            "videos": videos,
            "description": text,
            "guidance": guidance,
            "hashtags": hashtags,
            "transcript": transcript,
            "screen_text": screen_text,
            "language": language,
            "examples": examples,
        }
        rows = _rows(columns)
        images = [self._images(row.get("videos")) for row in rows]
        if len(set(map(len, images))) > 1:
            raise InputError(
                f"The rows show {sorted(set(map(len, images)))} frames, but those of one batch have to show as many:"
                " put rows with as many frames together."
            )
        markers = self._markers()
        parts = [self._parts(row, len(of_row), markers) for row, of_row in zip(rows, images)]
        batch = self._encode([self.prompt_of(of_row) for of_row in parts], images)
        if hashtags is not None:
            answers = [
                self._answer(of_row, row["hashtags"], number) for number, (row, of_row) in enumerate(zip(rows, parts))
            ]
            batch = _with_answers(batch, answers, self._pad_id)
        return BatchFeature(batch)

    def prompt_of(self, parts: PromptParts, answer: str | None = None) -> str:
        """
        The prompt of parts that fit; places of frames are the model's own marks.

        Args:
            parts ([`~processing.prompt_parts.PromptParts`]): Of a clip.
            answer (`str`, *optional*): Shown behind the prompt, as the model is to write it.
        """
        instruction = self.instruction.format(num_hashtags=self.num_hashtags)
        if not self._template.chat_template:
            return self._plain_prompt(parts, instruction, answer)
        messages = []
        for example in parts.examples:
            messages.append(self._message("user", parts.of_example(example).request(instruction)))
            messages.append(self._message("assistant", join_hashtags(example.hashtags)))
        messages.append(self._message("user", parts.request(instruction), parts.num_frames))
        if answer is not None:
            messages.append(self._message("assistant", answer))
        template = self._template.chat_template
        # Of models that think before they answer, most take this for a wish not to.
        options = {"enable_thinking": False} if "enable_thinking" in str(template) else {}
        return self._template.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=answer is None, **options
        )

    def fitting_guidance(self, text: str, guidance: Sequence[str], **clues: str) -> list[str]:
        """
        Tells which of the retrieved hashtags the model is shown beside a description: those there is room for.

        Args:
            text (`str`): The description. Hashtags in it are removed.
            guidance (`list[str]`): Retrieved hashtags, best first.
            **clues (`str`): The row's `transcript`, `screen_text` and `language`.

        Returns:
            `list[str]`: The first of them.
        """
        row = {"description": text, "guidance": list(guidance), **clues}
        count = len(self._parts(row, 0, self._markers()).guidance)
        return list(guidance[:count])

    def shown(self, frames: torch.Tensor | None) -> int:
        """
        How many of a clip's frames the model is shown.

        Args:
            frames (`torch.Tensor`): (f, 3, h, w), or `None`.
        """
        return 0 if frames is None or self.prompt_processor is None else min(self.num_frames, len(frames))

    def decode_hashtags(self, ids) -> list[list[str]]:
        """
        Reads hashtags from answers, as [`~processing.answer_hashtags.hashtag_places`] does: normalised, valid, each
        once per row, in order, without `#`.

        Args:
            ids (`torch.Tensor` or `list`): (b, m) token ids behind the prompts. Special tokens and -100 are skipped.

        Returns:
            `list[list[str]]`: One list per row.
        """
        rows = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        return [AnswerTokens(self.tokenizer, row).hashtags() for row in rows]

    @property
    def read_texts(self) -> tuple[str, ...]:
        """Which texts of a row the model reads: all that there are."""
        return TEXTS

    @property
    def _shares(self) -> tuple[float, ...]:
        return (1 - self.transcript_share - self.screen_text_share, self.transcript_share, self.screen_text_share)

    @property
    def model_input_names(self) -> list[str]:
        names = ["input_ids", "attention_mask"]
        return names if self.prompt_processor is None else self.prompt_processor.model_input_names

    @property
    def _template(self):
        """What has the chat template, if anything has one."""
        return self.tokenizer if self.prompt_processor is None else self.prompt_processor

    @property
    def _pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id
        return (self.tokenizer.eos_token_id or 0) if pad is None else pad

    def _markers(self) -> regex.Pattern:
        of_images = (getattr(self.prompt_processor, f"{kind}_token", None) for kind in ("image", "video", "audio"))
        return markers_of(self.tokenizer, *of_images)

    def _parts(self, row: Mapping[str, Any], num_frames: int, markers: regex.Pattern) -> PromptParts:
        """What a row's prompt is made of: without marks, and as much as there is room for."""
        given = {name: row.get(name) or "" for name in ("description", "transcript", "screen_text", "language")}
        given["description"] = remove_hashtags(given["description"])
        similar = list(row.get("examples") or ())
        examples = [
            Example(on_one_line(remove_hashtags(text), markers), tuple(map(normalize_hashtag, tags)))
            for text, tags in similar[max(len(similar) - self.num_examples, 0) :]
        ]
        parts = PromptParts(
            **{name: on_one_line(text, markers) for name, text in given.items()},
            guidance=tuple(map(normalize_hashtag, (row.get("guidance") or ())[: self.num_guidance])),
            examples=tuple(examples),
            num_frames=num_frames,
        )
        return fitted(parts, self._length_of, self.max_prompt_length, self._shares)

    def _length_of(self, parts: PromptParts) -> int:
        return len(token_ids(self.tokenizer, self.prompt_of(parts), add_special_tokens=self._adds_special_tokens))

    @property
    def _adds_special_tokens(self) -> bool:
        # A chat's template has them already.
        return not self._template.chat_template

    def _message(self, role: str, text: str, num_frames: int = 0) -> dict[str, Any]:
        if self.prompt_processor is None:
            return {"role": role, "content": text}
        return {"role": role, "content": [{"type": "image"}] * num_frames + [{"type": "text", "text": text}]}

    def _plain_prompt(self, parts: PromptParts, instruction: str, answer: str | None) -> str:
        """For models without a chat template: turns are paragraphs."""
        turns = [
            f"{parts.of_example(example).request(instruction)}\nHashtags: {join_hashtags(example.hashtags)}"
            for example in parts.examples
        ]
        places = getattr(self.prompt_processor, "image_token", "") * parts.num_frames
        turns.append(f"{places}{parts.request(instruction)}\nHashtags:")
        return "\n\n".join(turns) + ("" if answer is None else f" {answer}{self.tokenizer.eos_token or ''}")

    def _answer(self, parts: PromptParts, hashtags: Sequence[str], row: int) -> list[int]:
        """Token ids of the target and of what ends it. Hashtags that do not fit are left out from the end, whole."""
        if not hashtags:
            raise HashtagError(
                f"Row {row} of `hashtags` is empty: a target needs one hashtag at least. Leave the row out."
            )
        prompt = self.prompt_of(parts)
        for count in range(len(hashtags), 0, -1):
            tags = join_hashtags(hashtags[:count])
            whole = self.prompt_of(parts, tags).rstrip()
            # A template that does not simply go on behind the prompt still ends an answer by the end token.
            end = self.tokenizer.eos_token or ""
            ids = token_ids(
                self.tokenizer,
                whole[len(prompt) :] if whole.startswith(prompt) else tags + end,
                add_special_tokens=False,
            )
            if len(ids) <= self.max_target_length:
                break
        return ids

    def _images(self, frames: Any) -> list:
        """The frames that are shown, from the middles of as many equal parts of the clip."""
        if frames is None or self.prompt_processor is None:
            return []
        if is_media_source(frames) or isinstance(frames, Media):
            frames = self.video_processor.frames_of(self.decode_media(frames) if is_media_source(frames) else frames)
        return [to_pil_image(frame) for frame in spread_frames(frames, self.num_frames)]

    def _encode(self, prompts: list[str], images: list[list]) -> dict[str, torch.Tensor]:
        special = self._adds_special_tokens
        if not any(images):
            rows = token_ids_of_all(self.tokenizer, prompts, add_special_tokens=special)
            mask = pad_tokens([[1] * len(ids) for ids in rows], 0, None, "left")
            return {"input_ids": pad_tokens(rows, self._pad_id, None, "left"), "attention_mask": mask}
        with lock_of(self.tokenizer):
            batch = self.prompt_processor(
                text=prompts,
                images=images,
                padding=True,
                padding_side="left",
                add_special_tokens=special,
                return_tensors="pt",
                **whole_images(self.prompt_processor.image_processor),
            )
        return dict(batch)

    def to_dict(self) -> dict[str, Any]:
        """As in transformers; the processor of the language model has a folder of its own."""
        prompt_processor, self.prompt_processor = self.prompt_processor, None
        try:
            fields = super().to_dict()
        finally:
            self.prompt_processor = prompt_processor
        return {**fields, "prompt_processor": None if prompt_processor is None else PROMPT_PROCESSOR_FOLDER}

    def save_pretrained(self, save_directory, push_to_hub: bool = False, **kwargs):
        """As in transformers; the processor of a language model that sees goes into `prompt_processor/`."""
        if self.prompt_processor is not None:
            self.prompt_processor.save_pretrained(Path(save_directory) / PROMPT_PROCESSOR_FOLDER)
        return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    @classmethod
    def get_attributes(cls) -> list[str]:
        # The other processor is saved and loaded by this class.
        return ["video_processor", "tokenizer"]

    @classmethod
    def _get_arguments_from_pretrained(cls, pretrained_model_name_or_path, processor_dict=None, **kwargs):
        # The base class asks AutoVideoProcessor, which knows our class only after registration.
        video_processor = GGMVideoProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs)
        tokenizer = load_tokenizer(pretrained_model_name_or_path, **kwargs)
        folder = (processor_dict or {}).get("prompt_processor")
        if folder is None:
            return [video_processor, tokenizer, None]
        kwargs["subfolder"] = "/".join(filter(None, (kwargs.get("subfolder"), folder)))
        return [video_processor, tokenizer, AutoProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs)]

    @classmethod
    def from_args_and_dict(cls, args, processor_dict, **kwargs):
        settings = {name: value for name, value in processor_dict.items() if name != "prompt_processor"}
        return super().from_args_and_dict(args, settings, **kwargs)


def _frames(size: Mapping[str, int]) -> GGMVideoProcessor:
    return GGMVideoProcessor(size=dict(size), do_center_crop=False)


def _rows(columns: Mapping[str, Sequence | None]) -> list[dict[str, Any]]:
    """The arguments of a call, row by row."""
    given = {name: list(values) for name, values in columns.items() if values is not None}
    lengths = {name: len(values) for name, values in given.items()}
    if not any(lengths.values()):
        raise InputError("Nothing to process: pass `videos`, `text` or `guidance`, with one value per row.")
    if len(set(lengths.values())) > 1:
        raise InputError(f"The arguments have {lengths} rows: give one value per row in each.")
    return [dict(zip(given, values)) for values in zip(*given.values())]


def _with_answers(
    batch: Mapping[str, torch.Tensor], answers: Sequence[Sequence[int]], pad_id: int
) -> dict[str, torch.Tensor]:
    """Puts an answer behind each prompt, in all tensors that have a value per token, and adds `labels`."""
    kept = batch["attention_mask"].bool()
    joined = dict(batch)
    for name, tensor in batch.items():
        if torch.is_tensor(tensor) and tensor.shape == kept.shape:
            behind = {"input_ids": answers, "attention_mask": [[1] * len(answer) for answer in answers]}
            added = behind.get(name, [[0] * len(answer) for answer in answers])
            rows = [[*row[mask].tolist(), *more] for row, mask, more in zip(tensor, kept, added)]
            joined[name] = pad_tokens(rows, pad_id if name == "input_ids" else 0, None, "left")
    joined["labels"] = pad_tokens(answers, LABEL_PADDING, joined["input_ids"].shape[1], "left")
    return joined


__all__ = ["InstructedProcessor"]
