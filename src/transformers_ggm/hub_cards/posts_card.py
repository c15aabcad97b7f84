"""The card of an index of tagged posts that is shared alone."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from huggingface_hub import ModelCardData

from .rendering import render_card

TEMPLATE = "posts_card_template.md"
TAGS = ["hashtag-generation", "ggm", "retrieval-augmented-generation"]
_SEARCHES = {"dense": "meaning (vectors)", "sparse": "shared words (hashed terms)"}


def make_posts_card(
    size: int,
    num_hashtags: int,
    searches: Sequence[str],
    stores_text: bool,
    encoder_fingerprint: str = "",
    repo_id: str | None = None,
    subfolder: str = "",
) -> str:
    """
    A card with metadata, how to load the index, whether it holds people's words, and risks.

    Args:
        size (`int`), num_hashtags (`int`): of posts, and of different hashtags.
        searches (`Sequence[str]`): of `"dense"` and `"sparse"`.
        stores_text (`bool`): whether the words of the posts are in it.
        encoder_fingerprint (`str`, *optional*): of the text encoder.
        repo_id (`str`, *optional*): the Hub id by which the usage loads it; else it is the card's own folder.
        subfolder (`str`, *optional*): where in the repository it lies.
    """
    card = render_card(
        TEMPLATE,
        ModelCardData(library_name="transformers-ggm", tags=TAGS),
        name=PurePosixPath(subfolder).name or (repo_id or "").rpartition("/")[2] or "Index of posts",
        arguments=f'"{repo_id or "."}"' + (f', subfolder="{subfolder}"' if repo_id and subfolder else ""),
        size=size,
        num_hashtags=num_hashtags,
        searches=" and by ".join(_SEARCHES[name] for name in searches),
        texts="**The words of the posts are stored** (`text` in `posts.parquet`)."
        if stores_text
        else "The words of the posts are not stored.",
        encoder_fingerprint=encoder_fingerprint,
    )
    return f"{card}\n"
