"""What a general vision-language model suggests when it is simply asked, with and without retrieved hashtags."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torchvision.transforms.functional import to_pil_image
from transformers import pipeline
from transformers.utils.logging import tqdm

from ...processing.answer_hashtags import parse_hashtags
from ...processing.frame_inputs import spread_frames, whole_images
from ...processing.hashtags import join_hashtags, remove_hashtags


class VisionLanguagePrompting:
    """
    Asks a vision-language model for hashtags in one chat turn: frames, description and, where a row has any, the
    hashtags of similar videos. Answers are decoded greedily, and read by [`parse_hashtags`].

    Nothing is trained. Rows with and without `guidance` make the two baselines.

    Args:
        model (`str` or `os.PathLike`, *optional*, defaults to `"HuggingFaceTB/SmolVLM2-256M-Video-Instruct"`): a
            checkpoint for `pipeline("image-text-to-text")` with a chat template. SmolVLM needs `num2words`, which
            `pip install transformers-ggm[baselines]` brings.
        num_hashtags (`int`, *optional*, defaults to 5): how many to ask for, and the most that are answered; the mean
            of the training split is a fair choice.
        num_frames (`int`, *optional*, defaults to 8): the most frames to show; longer clips are thinned out evenly.
        max_new_tokens (`int`, *optional*, defaults to 32): length of an answer.
        batch_size (`int`, *optional*, defaults to 1): rows per pass. Rows go together where they show as many frames
            of one size.
        progress_bar (`bool`, *optional*, defaults to `True`): whether to show one.
        pipeline_kwargs: for `transformers.pipeline`, such as `device`, `dtype` or `revision`.

    Raises:
        ValueError: a number is below 1. OSError: there is no such model.

    Example:

    ```python
    from transformers_ggm.experiments.baselines import VisionLanguagePrompting

    prompting = VisionLanguagePrompting(num_hashtags=4)
    rows = [{"frames": frames, "description": "first snow", "guidance": ["winter", "snowday"]}]
    prompting.predict(rows)  # [["snow", "winter", "snowday", "cold"]]
    ```
    """

    def __init__(
        self,
        model: str = "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
        *,
        num_hashtags: int = 5,
        num_frames: int = 8,
        max_new_tokens: int = 32,
        batch_size: int = 1,
        progress_bar: bool = True,
        **pipeline_kwargs: Any,
    ):
        numbers = {"num_hashtags": num_hashtags, "num_frames": num_frames}
        for name, number in {**numbers, "max_new_tokens": max_new_tokens, "batch_size": batch_size}.items():
            if number < 1:
                raise ValueError(f"`{name}` is {number}, but one is needed at least.")
        self.num_hashtags = num_hashtags
        self.num_frames = num_frames
        self.max_new_tokens = max_new_tokens
        self.batch_size = batch_size
        self.progress_bar = progress_bar
        self.pipeline = pipeline("image-text-to-text", model=str(model), **pipeline_kwargs)
        # Answers continue their prompts, so what a batch is filled up with has to stand before these.
        self.pipeline.tokenizer.padding_side = "left"

    def predict(self, rows: Iterable[Mapping[str, Any]]) -> list[list[str]]:
        """
        Asks for the hashtags of each row.

        Args:
            rows (iterable of `dict`): each with `frames` (`torch.uint8` of shape `(f, 3, h, w)`, or `None` without a
                video), `description` (`str`; hashtags in it are not shown) and `guidance` (`list[str]`, may be empty).
                Items of [`PreparedShorts`] and [`DecodedShorts`] are such rows. Read one batch at a time.

        Returns:
            `list[list[str]]`: for each row at most `num_hashtags`, in the order of the answer, each once.

        Raises:
            InputError: frames of another shape or type. HashtagError: `guidance` has what is no hashtag.
        """
        answers: dict[int, list[str]] = {}
        total = len(rows) if hasattr(rows, "__len__") else None
        with tqdm(total=total, desc="Asking for hashtags", unit="video", disable=not self.progress_bar) as bar:
            for batch in self._batches(rows):
                answers |= zip(batch, self._ask(list(batch.values())))
                bar.update(len(batch))
        return [answers[number] for number in range(len(answers))]

    def prompt(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """
        The chat that is sent for a row: one message of the user's, frames first.

        Raises:
            InputError, HashtagError: as [`~VisionLanguagePrompting.predict`].
        """
        frames = () if row["frames"] is None else spread_frames(row["frames"], self.num_frames)
        images = [{"type": "image", "image": to_pil_image(frame)} for frame in frames]
        lines = ["These are frames of a short video, in their order."] if images else []
        description = self._plain(remove_hashtags(row["description"] or ""))
        if description:
            lines.append(
                f"Its author wrote: {description}" if images else f"The author of a video wrote: {description}"
            )
        if row["guidance"]:
            lines.append(f"Hashtags of similar videos: {join_hashtags(row['guidance'])}")
        lines.append(
            f"Write the {self.num_hashtags} hashtags that fit this video best, separated by spaces, and nothing else."
        )
        return [{"role": "user", "content": [*images, {"type": "text", "text": "\n".join(lines)}]}]

    def _batches(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[int, list[dict[str, Any]]]]:
        """Chats by the indices of their rows, of rows whose images make tensors of one shape."""
        waiting: dict[tuple, dict[int, list[dict[str, Any]]]] = {}
        for number, row in enumerate(rows):
            chat = self.prompt(row)
            images = tuple(part["image"].size for part in chat[0]["content"] if part["type"] == "image")
            waiting.setdefault(images, {})[number] = chat
            if len(waiting[images]) == self.batch_size:
                yield waiting.pop(images)
        yield from waiting.values()

    def _ask(self, chats: list[list[dict[str, Any]]]) -> list[list[str]]:
        outputs = self.pipeline(
            chats,
            batch_size=len(chats),
            return_full_text=False,
            processor_kwargs=whole_images(self.pipeline.processor.image_processor),
            generate_kwargs={"do_sample": False, "num_beams": 1, "max_new_tokens": self.max_new_tokens},
        )
        return [parse_hashtags(output[0]["generated_text"], self.num_hashtags) for output in outputs]

    def _plain(self, text: str) -> str:
        """Without what a model would take for a part of the chat, such as the place of an image."""
        processor = self.pipeline.processor
        multimodal = (getattr(processor, f"{kind}_token", None) for kind in ("image", "video", "audio"))
        for token in {*processor.tokenizer.all_special_tokens, *filter(None, multimodal)}:
            text = text.replace(token, " ")
        return " ".join(text.split())
