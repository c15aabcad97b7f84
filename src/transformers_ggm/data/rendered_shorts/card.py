"""The dataset card of a folder of rendered shorts."""

from collections.abc import Mapping

from .read_topics import SPOKEN_TOPICS, WRITTEN_TOPICS
from .recipes import FRAMES_PER_SECOND, MAX_SECONDS, MIN_SECONDS
from .vocabulary import MOVEMENTS, NOISE, SOUNDS, compounds, held_out_compounds
from .words import TOPICS

_CARD = """---
license: apache-2.0
pretty_name: Rendered shorts
language:
- en
tags:
- video
- audio
- hashtag-generation
- synthetic
---

# Rendered shorts

Short clips made by code, for demonstrations, tests and measurements of hashtag generation. Everything in them is
synthetic: {size}x{size} pixel MP4 files (H.264, {fps} frames per second, {shortest:g} to {longest:g} seconds, AAC
sound at 16 kHz) that show one coloured shape, with a made-up description. No person, place or recording is in them.

| split | clips |
|---|---|
{counts}

Each hashtag has one cause, which `causes` in `metadata.jsonl` records:

| cause | how many a clip | hashtags |
|---|---|---|
| `seen` | 1 | colour + shape, {num_compounds} compounds such as `{example}` |
| `movement` | 1 (80% of clips), else 0 | {movements} |
| `heard` | 1 (90% of clips), else 0 and no audio stream | {sounds} |
| `words` | 1 or 2 topics (60/40); 0 where the description is empty (5%) | {topics} |
| `noise` | 0 to 2, drawn whatever the clip shows | {noise} |
{read_causes}
`movingleft`/`movingright`, `rising`/`falling` and `growing`/`shrinking` are time reverses of each other: without the
order of the frames they cannot be told apart. A description never names a colour, shape, movement or sound.

{num_held_out} compounds occur in a fifth of the test clips (`unseen_compound`) and nowhere else:
{held_out}.

Columns: `file_name`, `id`, `description`, `hashtags` (lower case, without '#', in random order), `causes`,
`unseen_compound`{read_columns}.

Made with seed {seed} by `ggm render-shorts`. Licence: Apache-2.0.
"""


def dataset_card(counts: Mapping[str, int], seed: int, size: int, spoken: bool = False, written: bool = False) -> str:
    """The text of `README.md`.

    Args:
        counts (`Mapping[str, int]`): Clips per split; splits with 0 are left out.
        seed (`int`): The data set's seed.
        size (`int`): Width and height of the clips in pixels.
        spoken, written (`bool`, default to `False`): Whether words are spoken, and shown.
    """
    read_causes = ""
    if spoken:
        read_causes += f"| `spoken` | 1 (80% of clips), said by espeak-ng | {', '.join(SPOKEN_TOPICS)} |\n"
    if written:
        read_causes += f"| `written` | 1 (80% of clips), on the screen | {', '.join(WRITTEN_TOPICS)} |\n"
    held_out = held_out_compounds(seed)
    return _CARD.format(
        size=size,
        fps=FRAMES_PER_SECOND,
        shortest=MIN_SECONDS,
        longest=MAX_SECONDS,
        counts="\n".join(f"| {split} | {n} |" for split, n in counts.items() if n),
        num_compounds=len(compounds()),
        example=compounds()[0],
        movements=", ".join(MOVEMENTS),
        sounds=", ".join(SOUNDS),
        topics=", ".join(TOPICS),
        noise=", ".join(NOISE),
        read_causes=read_causes,
        read_columns=", `said` and `shown` (the words)" if read_causes else "",
        num_held_out=len(held_out),
        held_out=", ".join(held_out),
        seed=seed,
    )
