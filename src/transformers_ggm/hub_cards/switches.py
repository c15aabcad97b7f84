"""What a model reads, what training withheld from it, and how to leave it out."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..processing.modalities import PUBLISHED_INPUTS

READING = {
    "text": "reads the description",
    "transcript": "reads what is said",
    "screen_text": "reads what is written on the screen",
    "video": "looks at the frames",
    "audio": "hears the sound",
}
NAMES = {
    "text": "description",
    "transcript": "transcript",
    "screen_text": "screen text",
    "video": "frames",
    "audio": "sound",
    "guidance": "guidance",
}
# The argument of training that withholds an input now and then, and what that does.
DROPOUTS = {
    "text": ("description_dropout", "withheld from {share} of the rows"),
    "video": ("frame_dropout", "replaced by one black frame in {share} of the rows"),
    "audio": ("audio_dropout", "withheld from {share} of the rows"),
    "guidance": ("guidance_dropout", "those that are true left out with a chance of {share}"),
}
OFF = {
    "text": "give no `description`",
    "video": 'give words alone, `{"description": ...}`',
    "audio": "give a clip without sound, or its frames as an array",
    "transcript": "give no `transcript`, and no `speech` to the pipeline",
    "screen_text": "give no `screen_text`, neither with clips nor to the pipeline",
    "guidance": "`suggest(..., num_guidance=0)`; fewer with a smaller number",
}


def reading(inputs: Sequence[str], is_guided: bool, is_fused: bool = False) -> str:
    """What the generator reads, as the part of a sentence that follows its name."""
    parts = [READING[name] for name in READING if name in inputs]
    if is_fused:
        parts.append("reads the hashtags that several sources find for the post")
    elif is_guided:
        parts.append("reads the hashtags that a retriever finds for the video in a pool")
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def example_item(inputs: Sequence[str], is_guided: bool) -> str:
    """An item that has what the model reads, as the pipeline takes it; the retriever reads a video too."""
    description = ', description="first snow of the year"' if "text" in inputs else ""
    if "video" in inputs or is_guided:
        return f'"clip.mp4"{description}'
    return '{"audio": "sound.ogg"}' + description if "audio" in inputs else '{"description": "first snow of the year"}'


def switch_rows(inputs: Sequence[str], num_guidance: int, data: Mapping[str, Any]) -> list[dict[str, str]]:
    """
    The table of modalities: `name`, `training` (what training did with it) and `off` (how to leave it out).

    Args:
        inputs (`list[str]`): what the generator is given: some of `INPUTS`.
        num_guidance (`int`): retrieved hashtags that it is shown; 0 for none.
        data (`dict`): the fields of [`~transformers_ggm.training.arguments.DataArguments`], as far as they are known.
    """
    used = [name for name in READING if name in inputs] + (["guidance"] if num_guidance else [])
    rows = []
    for name in used:
        said = [f"{num_guidance} hashtags"] if name == "guidance" else []
        argument, words = DROPOUTS.get(name, (None, ""))
        if data.get(argument):
            said.append(words.format(share=f"{100 * data[argument]:.3g} %"))
        rows.append({"name": NAMES[name], "training": ", ".join(said) or "used", "off": OFF[name]})
    unused = [name for name in PUBLISHED_INPUTS if name not in inputs]
    return rows + [{"name": NAMES[name], "training": "not used", "off": "-"} for name in unused]


def text_reading_words(inputs: Sequence[str], settings: Mapping[str, Any] | None) -> str:
    """
    A sentence on what read the transcripts and screen texts of the training data; `""` where these had them already,
    or the generator is not given any.

    Args:
        inputs (`list[str]`): see [`switch_rows`].
        settings (`dict`, *optional*): of the reading, as `GGMProcessor.text_reading` has them.
    """
    if not settings:
        return ""
    said = []
    if "transcript" in inputs and settings.get("read_speech"):
        parts = "where there is a voice" if settings["voice_activity"] else "wherever there is sound"
        said.append(
            f"Transcripts were read by `{settings['read_speech']}`, {parts}, in the first"
            f" {settings['speech_seconds']:g} s, and believed from a mean log-probability of {settings['min_log_probability']:g}, up to a compression"
            f" ratio of {settings['max_compression_ratio']:g} and a probability of no speech of"
            f" {settings['max_no_speech_probability']:g}."
        )
    if "screen_text" in inputs and settings.get("read_screen"):
        said.append(
            f"Screen texts were read by RapidOCR in up to {settings['screen_frames']} frames, lines with a confidence"
            f" of {settings['min_screen_confidence']:g} or more."
        )
    return " ".join(said)
