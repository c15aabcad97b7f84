"""What the app asks of the package: hashtags for one clip, with a pool of hashtags for each visitor."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import pipeline

from transformers_ggm import HashtagGenerationPipeline, HashtagPool
from transformers_ggm.errors import HashtagError
from transformers_ggm.processing import Media, MediaLimits
from transformers_ggm.recommendation import Clues

MOST_EDITS = 50  # hashtags that are added or removed at a time: each new one is encoded


@dataclass(frozen=True)
class Answer:
    """What the model says of a clip, and what it went by.

    Args:
        hashtags (`list[dict]`): `hashtag`, `score`, `novel` and `guided`, best first, as the pipeline gives them, and
            `sources` where the checkpoint recommends.
        guidance (`list[dict]`): The retrieved `hashtag`s with their `score`s, best first.
        media ([`Media`] or `None`): The frames that were sampled, with their times, and the sound that was heard.
    """

    hashtags: list[dict[str, Any]]
    guidance: list[dict[str, Any]]
    media: Media | None


class Suggester:
    """A checkpoint, and clips up to a size for it. Unsafe hashtags are left out.

    Args:
        checkpoint (`str`, *optional*): Folder or Hub id. Defaults to the model that comes with the package.
        limits ([`MediaLimits`], *optional*): What a clip may be at most.

    Raises:
        `OSError`: The checkpoint cannot be read.
    """

    def __init__(self, checkpoint: str | None = None, limits: MediaLimits | None = None):
        self.checkpoint = checkpoint
        self.limits = limits or MediaLimits()
        # transformers annotates `pipeline` for its own tasks alone.
        self.pipeline: HashtagGenerationPipeline = pipeline(  # pyright: ignore[reportCallIssue]
            "hashtag-generation",  # pyright: ignore[reportArgumentType]
            model=checkpoint,
            # Whoever shows answers to the public does not show unsafe ones.
            safe=True,
        )

    @property
    def pool(self) -> HashtagPool | None:
        """The checkpoint's own pool, never changed here; `None` where it has none."""
        return self.pipeline.hashtag_pool

    @property
    def can_edit(self) -> bool:
        """Whether there is a pool, and a retriever that encodes hashtags for it."""
        return self.pool is not None and self.pipeline.retriever is not None

    @property
    def recommends(self) -> bool:
        """Whether the checkpoint goes by more than clip and description: by the visitor's history, and the time."""
        return self.pipeline.recommender is not None

    @property
    def fuses(self) -> bool:
        """Whether guidance is joined of several sources."""
        recommender = self.pipeline.recommender
        return recommender is not None and recommender.guidance is not None

    @property
    def ranks(self) -> bool:
        """Whether scores are probabilities."""
        recommender = self.pipeline.recommender
        return recommender is not None and recommender.ranker is not None

    @property
    def sampling_rate(self) -> int | None:
        """Rate in Hz of the sound that the model hears; `None` for a model that does not hear."""
        return self.pipeline.processor.sampling_rate

    def answer(self, clip: str | None, description: str, pool: HashtagPool | None = None, **options) -> Answer:
        """Suggests hashtags. The clip is decoded once, and each encoder sees it once.

        Args:
            clip (`str` or `None`): Path of the clip.
            description (`str`): The author's words; one of the two must be there.
            pool ([`HashtagPool`], *optional*): A visitor's own; defaults to the checkpoint's.
            **options: Those of the pipeline's call, such as `top_n`, `history` and `time`.

        Raises:
            `MediaError`: The clip cannot be read, or is over a limit.
            `InputError`: There is nothing to go by.
        """
        media = None
        if clip is not None:
            media = self.pipeline.processor.decode_media(clip, limits=self.limits, blank_video=True)
        item = {"video": media, "description": description}
        result = self.pipeline(item, hashtag_pool=pool, return_guidance=True, **options)
        return Answer(result["hashtags"], result["guidance"], media)

    def edited(self, pool: HashtagPool | None, add: str = "", remove: str = "") -> HashtagPool | None:
        """A copy of a pool with hashtags added and removed. The pool itself stays as it is: others may use it.

        Args:
            pool ([`HashtagPool`], *optional*): A visitor's own; defaults to the checkpoint's.
            add, remove (`str`): Hashtags with or without `#`, apart by spaces or commas.

        Raises:
            `HashtagError`: Something to be added is no hashtag, or there are more than `MOST_EDITS`.
            `PoolError`: Something to be removed is not in the pool, or all of it is.
        """
        added, removed = hashtags_in(add), hashtags_in(remove)
        pool = pool or self.pool
        if pool is None or not (added or removed):
            return pool
        pool = pool.copy()
        pool.add(added, self.pipeline.retriever, self.pipeline.retriever_processor, progress_bar=False)
        pool.remove(removed)
        return pool


def clues_in(history: str, time: str) -> dict[str, Any]:
    """
    What a visitor tells besides, as the pipeline takes it: only what is given.

    Args:
        history (`str`): Hashtags of earlier posts, a post a line, the newest first.
        time (`str`): When the clip is posted, ISO 8601 with its zone.

    Raises:
        `InputError`: Something in the history is no hashtag, or the time has no zone.
        `HashtagError`: A post has more than `MOST_EDITS`.
    """
    posts = [post for line in history.splitlines() if (post := hashtags_in(line))]
    clues = {"history": posts, "time": time.strip()}
    given = {name: value for name, value in clues.items() if value}
    Clues(**given)
    return given


def hashtags_in(text: str) -> list[str]:
    """What stands between spaces and commas: a visitor may leave out the `#`, so that nothing else can be left out.

    Raises:
        `HashtagError`: There are more than `MOST_EDITS`.
    """
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    if len(words) > MOST_EDITS:
        raise HashtagError(f"These are {len(words)} hashtags: give at most {MOST_EDITS} at a time.")
    return words


def visitors_message(error: ValueError, clip: str | None) -> str:
    """What went wrong, without the server's folders and without advice that only its owner can follow."""
    message = str(error)
    if clip is not None:
        message = message.replace(clip, Path(clip).name)
    message = re.sub(r" or raise MediaLimits\.\w+", "", message)
    message = re.sub(r"than MediaLimits\.\w+", "than allowed", message)
    return message[:1].upper() + message[1:]
