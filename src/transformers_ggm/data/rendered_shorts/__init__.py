"""Rendered shorts: small MP4 clips with sound and a description, made by code, whose hashtags have known causes.

Each clip shows one large coloured shape, may move in one of eight ways, may sound in one of ten ways and comes with a
sentence about everyday life. The hashtags name what is seen, the movement, what is heard and what the words are
about, and some are plain noise, so it can be measured which input a model uses for which hashtag. A fifth of the
colour+shape compounds (`#bluesquare`) occur only in the test split: hashtags that nobody used before. Where told
(`--spoken`, `--written`), words are spoken in the clips or stand on their screen, as causes of their own.

```bash
ggm render-shorts --output_dir shorts
```
"""

from .read_topics import SPOKEN_TOPICS, WRITTEN_TOPICS
from .recipes import SPLITS, ClipRecipe, sample_recipes
from .render import render_clip, render_shorts
from .vocabulary import (
    CAUSES,
    COLOURS,
    MOVEMENTS,
    NOISE,
    READ_CAUSES,
    REVERSED_MOVEMENTS,
    SHAPES,
    SOUNDS,
    compounds,
    held_out_compounds,
)
from .words import TOPICS

__all__ = [
    "CAUSES",
    "COLOURS",
    "MOVEMENTS",
    "NOISE",
    "READ_CAUSES",
    "REVERSED_MOVEMENTS",
    "SHAPES",
    "SOUNDS",
    "SPLITS",
    "SPOKEN_TOPICS",
    "TOPICS",
    "WRITTEN_TOPICS",
    "ClipRecipe",
    "compounds",
    "held_out_compounds",
    "render_clip",
    "render_shorts",
    "sample_recipes",
]
