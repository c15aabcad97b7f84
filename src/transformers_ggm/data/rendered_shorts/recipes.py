"""What each clip is: seeded sampling of recipes, and the metadata row that a recipe gives."""

from dataclasses import dataclass, replace

import numpy as np

from ...errors import InputError
from .read_topics import SPOKEN_TOPICS, WRITTEN_TOPICS
from .vocabulary import CAUSES, COLOURS, MOVEMENTS, NOISE, READ_CAUSES, SHAPES, SOUNDS, generator, held_out_compounds
from .words import TOPICS, describe

SPLITS: tuple[str, ...] = ("train", "validation", "test")
FRAMES_PER_SECOND = 12
MIN_SECONDS, MAX_SECONDS = 2.0, 6.0

_MOVING = 0.8
_SOUNDING = 0.9
_WORDLESS = 0.05
_TWO_TOPICS = 0.4
# In the test split one clip of every block of five shows a held-out compound: exactly 20%, and a longer split begins
# with the clips of a shorter one.
_UNSEEN_BLOCK = 5
_UNSEEN_STREAM = 4
# And one for each split.
_READ_STREAM = 5
_SPEAKING = _CAPTIONED = 0.8
# Room for the longest phrase.
_MIN_SPOKEN_SECONDS = 4.0


@dataclass(frozen=True)
class ClipRecipe:
    """Everything that decides a clip's pixels, sound and metadata.

    Attributes:
        id (`str`): Unique over the splits, for instance `"train-00012"`.
        seed (`int`): Decides the looks and the sound's details: sizes, places, background, pitch, tempo.
        num_frames (`int`): At 12 frames per second, 24 to 72.
        colour (`str`): A key of `COLOURS`.
        shape (`str`): One of `SHAPES`.
        movement (`str`, *optional*): One of `MOVEMENTS`; `None` stands still.
        sound (`str`, *optional*): One of `SOUNDS`; `None` gives a file without an audio stream.
        topics (`tuple[str, ...]`): What the description is about: none, one or two keys of `TOPICS`.
        noise (`tuple[str, ...]`): Popular hashtags that have nothing to do with the clip.
        description (`str`): What the author wrote; may be empty.
        hashtags (`tuple[str, ...]`): All hashtags in random order, lower case, without '#'.
        unseen_compound (`bool`): Whether colour+shape is one of the held-out compounds.
        speech (`str`, *optional*): What is said; `None` where nobody speaks.
        spoken (`str`, *optional*): What that is about, a key of `SPOKEN_TOPICS`.
        caption (`str`, *optional*): What stands on the screen; `None` where nothing does.
        written (`str`, *optional*): What that is about, a key of `WRITTEN_TOPICS`.
        is_read (`bool`, defaults to `False`): Whether the clip is of a set in which words are spoken or shown.
    """

    id: str
    seed: int
    num_frames: int
    colour: str
    shape: str
    movement: str | None
    sound: str | None
    topics: tuple[str, ...]
    noise: tuple[str, ...]
    description: str
    hashtags: tuple[str, ...]
    unseen_compound: bool
    speech: str | None = None
    spoken: str | None = None
    caption: str | None = None
    written: str | None = None
    is_read: bool = False

    @property
    def compound(self) -> str:
        """The hashtag of what is seen, for instance `"bluesquare"`."""
        return self.colour + self.shape

    @property
    def duration(self) -> float:
        """Length of the clip in seconds."""
        return self.num_frames / FRAMES_PER_SECOND

    @property
    def causes(self) -> dict[str, list[str]]:
        """
        The hashtags by cause: every key of `CAUSES` is there, some with an empty list, and those of `READ_CAUSES` in
        sets with words that are spoken or shown.
        """
        tags = (
            [self.compound],
            [self.movement] if self.movement else [],
            [self.sound] if self.sound else [],
            list(self.topics),
            list(self.noise),
        )
        read = ([self.spoken] if self.spoken else [], [self.written] if self.written else [])
        return dict(zip(CAUSES, tags)) | (dict(zip(READ_CAUSES, read)) if self.is_read else {})

    def metadata(self) -> dict:
        """The clip's row of `metadata.jsonl`."""
        read = {"said": self.speech or "", "shown": self.caption or ""} if self.is_read else {}
        return {
            "file_name": f"{self.id}.mp4",
            "id": self.id,
            "description": self.description,
            "hashtags": list(self.hashtags),
            "causes": self.causes,
            "unseen_compound": self.unseen_compound,
            **read,
        }


def sample_recipes(split: str, n: int, seed: int = 0, spoken: bool = False, written: bool = False) -> list[ClipRecipe]:
    """Draws the recipes of a split. The first clips of a longer split are those of a shorter one.

    Args:
        split (`str`): `"train"`, `"validation"` or `"test"`; only the test split shows held-out compounds.
        n (`int`): How many clips, 0 or more.
        seed (`int`, defaults to 0): The data set's seed, the same for all splits, not negative.
        spoken, written (`bool`, default to `False`): Whether words are spoken in most clips, and stand on the screen,
            with a hashtag each. All else is the same with and without them, but for the length of clips with words.

    Returns:
        `list[ClipRecipe]`: `n` recipes.

    Raises:
        InputError: `split` is no split, `n` or `seed` is negative.

    Example:

    ```python
    >>> from transformers_ggm.data.rendered_shorts import sample_recipes

    >>> recipes = sample_recipes("test", 10, seed=0)
    >>> recipes[3].id, sum(recipe.unseen_compound for recipe in recipes)
    ('test-00003', 2)

    ```
    """
    if split not in SPLITS:
        raise InputError(f"`split` is {split!r}: give one of {', '.join(SPLITS)}.")
    if n < 0:
        raise InputError(f"`n` is {n}: give 0 or more.")
    held_out = set(held_out_compounds(seed))
    pairs = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    pairs_of_kind = {
        unseen: [pair for pair in pairs if ("".join(pair) in held_out) is unseen] for unseen in (False, True)
    }
    recipes = [_sample_recipe(split, index, seed, pairs_of_kind) for index in range(n)]
    if not (spoken or written):
        return recipes
    return [
        _with_words(recipe, generator(seed, _READ_STREAM + SPLITS.index(split), index), spoken, written)
        for index, recipe in enumerate(recipes)
    ]


def _sample_recipe(split: str, index: int, seed: int, pairs_of_kind: dict[bool, list[tuple[str, str]]]) -> ClipRecipe:
    rng = generator(seed, SPLITS.index(split), index)
    unseen = split == "test" and _is_unseen(index, seed)
    colour, shape = pairs_of_kind[unseen][rng.integers(len(pairs_of_kind[unseen]))]
    movement = str(rng.choice(MOVEMENTS)) if rng.random() < _MOVING else None
    sound = str(rng.choice(SOUNDS)) if rng.random() < _SOUNDING else None
    num_topics = 0 if rng.random() < _WORDLESS else 1 + int(rng.random() < _TWO_TOPICS)
    topics = _choose(tuple(TOPICS), num_topics, rng)
    noise = _choose(NOISE, int(rng.integers(3)), rng)
    hashtags = [tag for tag in (colour + shape, movement, sound, *topics, *noise) if tag is not None]
    return ClipRecipe(
        id=f"{split}-{index:05d}",
        seed=int(rng.integers(2**62)),
        num_frames=round(rng.uniform(MIN_SECONDS, MAX_SECONDS) * FRAMES_PER_SECOND),
        colour=colour,
        shape=shape,
        movement=movement,
        sound=sound,
        topics=topics,
        noise=noise,
        description=describe(list(topics), rng),
        hashtags=_choose(tuple(hashtags), len(hashtags), rng),
        unseen_compound=unseen,
    )


def _with_words(recipe: ClipRecipe, rng: np.random.Generator, spoken: bool, written: bool) -> ClipRecipe:
    """The recipe with words that are spoken or shown, and their hashtags among the others."""
    # Drawn whether or not it is used, so that one option does not change what the other one draws.
    said, speech = _draw_phrase(SPOKEN_TOPICS, _SPEAKING, rng)
    shown, caption = _draw_phrase(WRITTEN_TOPICS, _CAPTIONED, rng)
    if not spoken:
        said = speech = None
    if not written:
        shown = caption = None
    hashtags = [tag for tag in (*recipe.hashtags, said, shown) if tag is not None]
    return replace(
        recipe,
        num_frames=max(recipe.num_frames, round(_MIN_SPOKEN_SECONDS * FRAMES_PER_SECOND) if said else 0),
        hashtags=_choose(tuple(hashtags), len(hashtags), rng),
        speech=speech,
        spoken=said,
        caption=caption,
        written=shown,
        is_read=True,
    )


def _draw_phrase(
    topics: dict[str, tuple[str, ...]], share: float, rng: np.random.Generator
) -> tuple[str | None, str | None]:
    """A topic and a phrase about it, for a share of the clips."""
    is_there, topic = rng.random() < share, str(rng.choice(tuple(topics)))
    phrase = str(rng.choice(topics[topic]))
    return (topic, phrase) if is_there else (None, None)


def _is_unseen(index: int, seed: int) -> bool:
    block, place = divmod(index, _UNSEEN_BLOCK)
    return place == int(generator(seed, _UNSEEN_STREAM, block).integers(_UNSEEN_BLOCK))


def _choose(items: tuple[str, ...], n: int, rng: np.random.Generator) -> tuple[str, ...]:
    """`n` different items in random order."""
    return tuple(items[i] for i in rng.permutation(len(items))[:n])
