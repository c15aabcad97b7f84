"""What the app shows, as HTML and pictures: pure functions of an answer. Colours and sizes are in style.css."""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from transformers_ggm import HashtagPool
from transformers_ggm.processing import Media

KINDS = {
    "guided": "retrieved from the pool and shown to the model",
    "novel": "made up by the model: the pool does not have it",
    "known": "in the pool, but the model came to it by itself",
}
# Of a model that recommends from more than what it writes.
MEANINGS = {**KINDS, "found": "proposed by a source, and not shown to the model"}
LISTED_HASHTAGS = 300
FRAME_PIXELS = 320
BARS = 120
_WAVE_HEIGHT = 40


def kind(suggestion: dict[str, Any]) -> str:
    """The one of `MEANINGS` that a suggested hashtag is."""
    if suggestion["guided"]:
        return "guided"
    if "generator" not in suggestion.get("sources", ["generator"]):
        return "found"
    return "novel" if suggestion["novel"] else "known"


def chips(suggestions: Sequence[dict[str, Any]]) -> str:
    """Suggested hashtags as chips, each with its score and what proposed it, and a legend of the kinds that occur."""
    if not suggestions:
        return notice("The model wrote no hashtag for this one. Try another description.")
    items = "".join(
        f'<li class="chip {kind(tag)}" data-hashtag="{escape(tag["hashtag"])}" title="{MEANINGS[kind(tag)]}">'
        f'<span class="tag">{escape(tag["hashtag"])}</span><span class="score">{tag["score"]:.2f}</span>'
        f"{_sources(tag)}</li>"
        for tag in suggestions
    )
    present = {kind(tag) for tag in suggestions}
    legend = "".join(
        f'<li class="{name}"><b>{name}</b> {meaning}</li>' for name, meaning in MEANINGS.items() if name in present
    )
    return f'<ul class="chips">{items}</ul><ul class="legend">{legend}</ul>'


def _sources(tag: dict[str, Any]) -> str:
    sources = ", ".join(tag.get("sources", ()))
    return f'<span class="sources">{escape(sources)}</span>' if sources else ""


def guidance_rows(
    answer_guidance: Sequence[dict[str, Any]], written: set[str], added: set[str], fused: bool = False
) -> str:
    """Retrieved hashtags with their score as a bar.

    Args:
        answer_guidance (`list[dict]`): `hashtag` and `score`, best first.
        written (`set[str]`): Hashtags, with `#`, that the model suggested.
        added (`set[str]`): Hashtags, with `#`, that the visitor added to the pool.
        fused (`bool`, defaults to `False`): Whether scores are sums of reciprocal ranks, shown beside the largest of
            them, instead of cosine similarities.
    """
    if not answer_guidance:
        return quiet("Nothing was retrieved for this one.")
    rows = []
    largest = max(tag["score"] for tag in answer_guidance) if fused else 1.0
    for tag in answer_guidance:
        name, score = tag["hashtag"], tag["score"] / largest
        marks = "".join(
            f'<span class="mark">{text}</span>'
            for text, applies in (("suggested", name in written), ("yours", name in added))
            if applies
        )
        width = 100 * min(max(score, 0.0), 1.0)
        rows.append(
            f'<li data-hashtag="{escape(name)}"><span class="tag">{escape(name)}{marks}</span>'
            f'<span class="bar"><i style="width:{width:.1f}%"></i></span><span class="score">{score:.2f}</span></li>'
        )
    return f'<ol class="guidance">{"".join(rows)}</ol>'


def pool_summary(pool: HashtagPool, own: HashtagPool) -> str:
    """How many hashtags a visitor's pool has, what was changed, and the hashtags themselves, newest first.

    Args:
        pool ([`HashtagPool`]): The visitor's.
        own ([`HashtagPool`]): The checkpoint's, from which it was copied.
    """
    added = [tag for tag in pool if tag not in own]
    removed = [tag for tag in own if tag not in pool]
    changes = "".join(
        f'<p class="changes">{verb} by you: {_tags(tags)}</p>'
        for verb, tags in (("Added", added), ("Removed", removed))
        if tags
    )
    listed = pool.hashtags[::-1][:LISTED_HASHTAGS]
    more = f" and {len(pool) - len(listed):,} more" if len(listed) < len(pool) else ""
    return (
        f'<p><b id="pool-size">{len(pool):,}</b> hashtags to take guidance from. Changes are yours alone and hold'
        f" until you leave the page.</p>{changes}"
        f'<details><summary>Show the pool</summary><p class="pool">{_tags(listed)}{more}</p></details>'
    )


def _tags(hashtags: Sequence[str]) -> str:
    return " ".join(f'<span class="tag">#{escape(tag)}</span>' for tag in hashtags)


def gallery(media: Media | None) -> str:
    """The sampled frames, uncropped and at most `FRAME_PIXELS` wide and high, each with its time in the clip."""
    if media is None or media.frames is None:
        return quiet("No picture: the model went by the rest.")
    pictures = []
    for frame, seconds in zip(media.frames, media.timestamps.tolist()):
        picture = Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy())
        picture.thumbnail((FRAME_PIXELS, FRAME_PIXELS))
        time = f"{seconds:.1f} s"
        pictures.append(
            f'<figure><img src="{_data_url(picture)}" alt="Frame at {time}"><figcaption>{time}</figcaption></figure>'
        )
    return f'<div class="frames">{"".join(pictures)}</div>'


def _data_url(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def sound(media: Media | None, hears: bool) -> str:
    """The waveform that the model heard, as SVG."""
    if not hears:
        return quiet("This model does not hear.")
    if media is None or media.audio is None or media.sampling_rate is None or not media.audio.size:
        return quiet("No sound.")
    seconds = media.audio.size / media.sampling_rate
    bars = "".join(
        f'<rect x="{4 * place + 0.5:g}" y="{_WAVE_HEIGHT * (1 - peak):.1f}" width="3"'
        f' height="{max(2 * _WAVE_HEIGHT * peak, 1.0):.1f}" rx="1"/>'
        for place, peak in enumerate(peaks(media.audio).tolist())
    )
    return (
        f'<figure class="sound"><svg viewBox="0 0 {4 * BARS} {2 * _WAVE_HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="Waveform of {seconds:.1f} seconds">{bars}</svg>'
        f"<figcaption><span>0 s</span><span>{seconds:.1f} s</span></figcaption></figure>"
    )


def peaks(waveform: np.ndarray, count: int = BARS) -> np.ndarray:
    """The loudest sample of each of `count` equal parts of a waveform (n,), the loudest of all as 1; zeros of silence.

    Example:

    ```python
    >>> peaks(np.array([0.1, -0.4, 0.2, 0.0]), count=2)
    array([1. , 0.5])

    ```
    """
    starts = np.arange(count) * len(waveform) // count
    # Of parts that begin at the same sample, because there are fewer samples than parts, each gets that one.
    loud = np.maximum.reduceat(np.abs(waveform), starts)
    return loud / max(loud.max(), np.finfo(np.float32).tiny)


def notice(message: str, is_error: bool = False) -> str:
    """A message in place of the chips."""
    kind, role = ("notice error", "alert") if is_error else ("notice", "status")
    return f'<p class="{kind}" role="{role}">{escape(message)}</p>'


def quiet(message: str) -> str:
    """A line in place of a panel that has nothing to show."""
    return f'<p class="quiet">{escape(message)}</p>'
