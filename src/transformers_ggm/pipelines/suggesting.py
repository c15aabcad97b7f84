"""What happens to a batch of clips: read, seen, looked up, guided, written, and ranked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from transformers.utils import logging

from ..errors import CheckpointError, InputError
from ..recommendation import Clues
from ..retrieval import HashtagPool
from ..retrieval.nearest import scored_nearest_hashtags
from .checkpoint_pipeline import CheckpointPipeline
from .clip_reading import ClipReading, missing_text
from .inputs import CLUES
from .recommending import (
    generator_arguments,
    guide,
    pool_hashtags,
    query_texts,
    recommended,
    retrieve,
    shared_queries,
    similar_posts,
    writes,
)
from .showing import SHOWING_ALL, Showing
from .writing import HashtagWriter

logger = logging.get_logger(__name__)


class SuggestingPipeline(CheckpointPipeline):
    """
    The way of [`HashtagGenerationPipeline`] from the clips of a batch to their hashtags. Decoding comes before it, and
    answers for people after it.
    """

    _writer: HashtagWriter | None
    _reading: ClipReading | None
    used_clues: tuple[str, ...]

    def step_arguments(self, **options) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """The arguments of a call and the pipeline's own, for `preprocess`, `run_batch` and `postprocess`, see
        [`CallSteps`].

        Args:
            **options: As of the call.

        Raises:
            `InputError`: One is unknown or out of range.
        """
        own = (self._preprocess_params, self._forward_params, self._postprocess_params)
        preprocess, forward, postprocess = (a | b for a, b in zip(own, self._sanitize_parameters(**options)))
        self._check_recommending(preprocess, postprocess)
        return preprocess, forward, postprocess

    def run_batch(self, readable: Sequence[Mapping[str, Any]], forward_params: Mapping[str, Any]) -> list[dict]:
        """What `forward` gives for each of some items.

        Args:
            readable (`list[dict]`): What `preprocess` gave for them.
            forward_params (`dict`): Arguments of `_forward`.

        Raises:
            `CheckpointError`: There is to be guidance, and the pipeline has no pool.
        """
        return list(_rows(self.forward(_as_lists(readable), **self._checked(forward_params))))

    def _checked(self, forward_params: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of `forward` with their defaults, by the parts that the pipeline has now."""
        self._check_decoding(forward_params)
        num_guidance = forward_params.get("num_guidance", self.processor.num_guidance)
        pool = forward_params.get("hashtag_pool", self.hashtag_pool)
        if pool_hashtags(self.recommender, num_guidance) and (self.retriever is None or pool is None):
            raise CheckpointError(
                "This pipeline was made without retriever or hashtag pool: call it with num_guidance=0, or make it"
                " anew without num_guidance=0."
            )
        return {**forward_params, "num_guidance": num_guidance, "hashtag_pool": pool}

    def _check_recommending(self, preprocess_params: Mapping[str, Any], postprocess_params: Mapping[str, Any]) -> None:
        ranker = None if self.recommender is None else self.recommender.ranker
        if postprocess_params.get("explain") and ranker is None:
            raise InputError("explain=True needs a ranker, which this pipeline's checkpoint has not: leave it out.")
        unused = [name for name in CLUES if name in preprocess_params and name not in self.used_clues]
        if unused:
            logger.warning_once(
                f"{', '.join(unused)}: nothing in this checkpoint goes by it (no recommendation.json)."
            )

    def _check_decoding(self, forward_params: Mapping[str, Any]) -> None:
        own = ("num_guidance", "hashtag_pool", "on_error")
        decoding = {name: value for name, value in forward_params.items() if name not in own}
        if self._writer is not None:
            self._writer.check(decoding)
        elif decoding:
            raise InputError(
                f"{', '.join(decoding)}: this checkpoint has no generator, and answers with what it retrieves: leave"
                " it out."
            )

    def _suggest(
        self,
        rows: dict[str, list],
        num_guidance: int,
        pool: HashtagPool | None,
        on_error: str,
        decoding: Mapping[str, Any],
        showing: Showing | None,
    ) -> dict[str, list]:
        """One batch: candidates, guidance by them, what the generator writes, and what a ranker knows of it all."""
        words, recommender = rows["description"], self.recommender
        read_texts = () if self._writer is None else self._writer.read_texts
        writer = self._writer if writes(recommender) else None
        searched, nearest = pool_hashtags(recommender, num_guidance), [{} for _ in words]
        rows, seen, embeds = self._read_and_see(rows, writer, bool(searched), on_error)
        if searched:
            texts = query_texts(rows, self.retriever_processor)
            queries = shared_queries(recommender, rows.get("clues", ()), texts, self.retriever)
            asked = (rows["retriever_frames"], texts, self.retriever, self.retriever_processor, pool, searched)
            nearest = list(map(dict, scored_nearest_hashtags(*asked, embeds, queries)))
        found = {} if recommender is None else retrieve(recommender, rows["clues"], nearest, on_error)
        removed: list[dict] = [{} for _ in words]
        # Looked up once, so that a batch goes by one state of a store.
        blocks = frozenset() if pool is None else pool.blocks
        screen = (showing or SHOWING_ALL).screen(pool, recommender, blocks) if showing or blocks else None
        if screen is not None:
            nearest = [screen.keep(*row) for row in zip(nearest, removed)]
            found = {name: [screen.keep_candidates(*row) for row in zip(of, removed)] for name, of in found.items()}
        guidance = guide(recommender, found, nearest, num_guidance)
        outputs = {"guidance": guidance if self._writer is None else self._writer.shown(rows, guidance)}
        if writer is not None:
            shown = [list(of_row) for of_row in guidance]
            if recommender is not None and writer.num_examples:
                rows = {**rows, "examples": similar_posts(recommender, rows["clues"], writer, screen, on_error)}
            outputs |= writer.write(rows, shown, seen, {**generator_arguments(recommender), **decoding}, pool)
        if screen is not None:
            outputs |= {"removed": removed, "known": [screen.known] * len(words)}
            if writer is not None:
                outputs["written"] = [screen.keep(*row) for row in zip(outputs["written"], removed)]
        if recommender is None:
            return outputs
        return {**outputs, **recommended(recommender, found, rows["clues"], outputs.get("written"), read_texts)}

    def _read_and_see(
        self, rows: dict[str, list], writer: HashtagWriter | None, retrieves: bool, on_error: str
    ) -> tuple[dict[str, list], dict[str, Any], torch.Tensor | None]:
        """The batch with the words that were read in clips, and what its models saw in them meanwhile."""

        def see() -> tuple[dict[str, Any], torch.Tensor | None]:
            seen = {} if writer is None else writer.see(rows)
            return seen, writer.video_embeds(seen, self.retriever) if writer is not None and retrieves else None

        if self._reading is None:
            seen, embeds = see()
        else:
            with self._reading.beside(rows["clues"], rows["to_read"], on_error) as read:
                seen, embeds = see()
            rows = {**rows, "clues": read.result()}
        self._tell_missing_texts(rows.get("clues", ()))
        return rows, seen, embeds

    def _tell_missing_texts(self, rows: Sequence[Clues]) -> None:
        """Warns, once, of texts that the generator was trained with and that no clip of a batch has."""
        wanted = () if self._writer is None else self._writer.expected_texts
        for name in wanted:
            if (self._reading is None or not self._reading.reads(name)) and not any(
                getattr(row, name) for row in rows
            ):
                logger.warning_once(missing_text(name, getattr(self.processor, "text_reading", None)))


def _as_lists(rows: Sequence[Mapping[str, Any]]) -> dict[str, list]:
    """What `preprocess` gave for each item of a batch, as `_forward` takes it."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def _rows(outputs: Mapping[str, Sequence]) -> Iterator[dict[str, Any]]:
    """What `_forward` gave for a batch, item by item."""
    return (dict(zip(outputs, values)) for values in zip(*outputs.values()))
