"""What a model reads, what training withheld from it, and how to leave it out."""

from collections.abc import Mapping, Sequence
from typing import Any

READING = {"text": "reads the description", "video": "looks at the frames", "audio": "hears the sound"}
NAMES = {"text": "description", "video": "frames", "audio": "sound", "guidance": "guidance"}
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
        inputs (`list[str]`): what the generator is given: some of `"text"`, `"video"`, `"audio"`.
        num_guidance (`int`): retrieved hashtags that it is shown; 0 for none.
        data (`dict`): the fields of [`~transformers_ggm.training.arguments.DataArguments`], as far as they are known.
    """
    used = [name for name in READING if name in inputs] + (["guidance"] if num_guidance else [])
    rows = []
    for name in used:
        said = [f"{num_guidance} hashtags"] if name == "guidance" else []
        argument, words = DROPOUTS[name]
        if data.get(argument):
            said.append(words.format(share=f"{100 * data[argument]:.3g} %"))
        rows.append({"name": NAMES[name], "training": ", ".join(said) or "used", "off": OFF[name]})
    return rows + [{"name": NAMES[name], "training": "not used", "off": "-"} for name in READING if name not in inputs]
