"""Similar posts as examples for the prompt of an instructed language model."""

from collections.abc import Sequence

from ..candidates import CandidateSource
from ..clues import Clues
from .posts import PostsSource

# Of each clip some posts: their words and their hashtags.
Examples = list[list[tuple[str, tuple[str, ...]]]]
# Posts that have no words or no hashtags show nothing: as many times more are looked at first.
_MORE = 2


def examples_source(sources: Sequence[CandidateSource]) -> PostsSource | None:
    """The first of some sources that knows the words of similar posts; `None` where none does."""
    return next((source for source in sources if isinstance(source, PostsSource) and source.index.stores_text), None)


def example_posts(source: PostsSource | None, rows: Sequence[Clues], k: int, training: bool = False) -> Examples:
    """
    The posts that a language model is shown before each clip, as its [`InstructedProcessor`] takes them.

    Args:
        source ([`PostsSource`], *optional*): Of posts whose words are kept; see [`examples_source`].
        rows (`Sequence[Clues]`): The clips.
        k (`int`): How many at most; 0 for none.
        training (`bool`, defaults to `False`): Whether the clips are posts of the index themselves, which, as
            near-duplicates of them, are left out.

    Returns:
        `list[list[tuple[str, tuple[str, ...]]]]`: Of each row words and hashtags of posts, the most similar last. No
        post without words or without hashtags is among them.
    """
    if source is None or not k:
        return [[] for _ in rows]
    examples = []
    for posts in source.similar_posts(rows, _MORE * k, training):
        telling = [(post.text, post.hashtags) for post in posts if post.text.strip() and post.hashtags]
        examples.append(telling[:k][::-1])
    return examples
