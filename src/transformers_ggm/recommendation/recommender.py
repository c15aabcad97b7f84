"""From clues to hashtags with probabilities: sources, then the ranker."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..errors import InputError, RankerError, SourceError
from ..retrieval.hashtag_uses import HashtagUses
from .candidates import GENERATOR, CandidateSource, check_counts, check_number, gather_candidates
from .checkpoint_parts import CheckpointParts
from .clues import Clues
from .configuration_hashtag_ranker import HashtagRankerConfig
from .expected_f1 import best_number
from .features import COMMON, OF_SOURCE, CandidateFeatures, candidate_features, feature_names
from .filters.reach_filter import learn_reach_calls
from .fitting import fit_ranker
from .fusion import Guidance
from .modeling_hashtag_ranker import HashtagRanker
from .plausibility import PlausibilityScorer
from .recommender_files import fetch_recommendation, read_recommendation, write_recommendation
from .sources import PostsSource, TrendsSource
from .word_table import added, without


@dataclass(frozen=True)
class Recommendation:
    """
    A hashtag that is recommended.

    Attributes:
        hashtag (`str`): normalised, without `#`.
        score (`float`): the probability that the author would use it.
        sources (`tuple[str, ...]`): what proposed it.
        novel (`bool`): whether nobody is known to have used it, by the recommender's `counts`.
        explanation (`Mapping[str, tuple[float, float]]`, *optional*): of each feature its value, and what it added to
            the logit above an average candidate.
    """

    hashtag: str
    score: float
    sources: tuple[str, ...]
    novel: bool
    explanation: Mapping[str, tuple[float, float]] | None = field(default=None, repr=False)


class Recommender:
    """
    Asks several sources for candidates and ranks them all. It costs what the sources cost, and about a millisecond a
    row.

    Args:
        sources (`Sequence[CandidateSource]`): Of different names.
        ranker ([`HashtagRanker`], *optional*): Fitted with the same sources, or by [`~Recommender.fit`].
        counts (`Mapping[str, int]`, *optional*): How often each known hashtag was used, as
            [`PostIndex.hashtag_counts`] tells.
        k (`int`, defaults to 50): How many candidates of each source are looked at.
        guidance ([`Guidance`], *optional*): Which of the sources guide a generator, and how much each counts.
        reach_calls (`Collection[str]`, *optional*): The calls for reach, as [`~Recommender.learn_reach_calls`] finds
            them; `None` where nobody sought them.
        plausibility ([`PlausibilityScorer`] or [`DistilledPlausibilityScorer`], *optional*): A masked language model
            that tells a ranker, which is fitted with it, how plausible the likeliest candidates are.

    Raises:
        RankerError: The ranker's features are not those of the sources.
        SourceError: The guidance names a source that is not among them, or the generator.
        InputError: A count is negative, or `k` is below 1.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import Clues, FrequentSource, HistorySource, Recommender

    >>> counts = {"snow": 9, "cats": 4, "lake": 1}
    >>> recommender = Recommender([HistorySource(), FrequentSource(counts)], counts=counts)
    >>> rows = [Clues(history=["cats"]) if number % 2 else Clues() for number in range(60)]
    >>> recommender.fit(rows, [["cats"] if number % 2 else ["snow"] for number in range(60)]).features[:2]
    ['sources', 'mean_reciprocal_rank']
    >>> [(found.hashtag, found.sources) for found in recommender.recommend([Clues(history=["cats"])])[0]]
    [('cats', ('history', 'frequent'))]

    ```
    """

    def __init__(
        self,
        sources: Sequence[CandidateSource],
        ranker: HashtagRanker | None = None,
        counts: Mapping[str, int] | None = None,
        k: int = 50,
        guidance: Guidance | None = None,
        reach_calls: Collection[str] | None = None,
        plausibility: PlausibilityScorer | None = None,
    ):
        check_number("k", k)
        check_counts(counts or {})
        self.sources, self.counts, self.k = list(sources), counts or {}, k
        self.ranker, self.guidance, self.plausibility = ranker, guidance, plausibility
        self.reach_calls = None if reach_calls is None else frozenset(reach_calls)
        retrieving = [source.name for source in self.sources if source.name != GENERATOR]
        unknown = [name for name in guidance.sources if name not in retrieving] if guidance else []
        if unknown:
            raise SourceError(f"{unknown} cannot guide the generator: name some of {retrieving}.")
        if ranker is not None:
            self._check_features(ranker)

    def _check_features(self, ranker: HashtagRanker) -> None:
        known, given = feature_names(self.sources, self.plausibility), ranker.config.features
        # A ranker of an earlier version does without evidence that its sources have had since, but not without one.
        own = {*COMMON, *(f"{source.name}.{name}" for source in self.sources for name in OF_SOURCE)}
        expected = [name for name in known if name in own or name in given]
        if expected != given:
            missing = [name for name in given if name not in expected]
            new = [name for name in expected if name not in given]
            raise RankerError(
                "the ranker was fitted with other sources: "
                + (f"it needs the features {missing[:5]}, " if missing else "")
                + (f"it does not know {new[:5]}, " if new else "")
                + ("they come in another order, " if not missing and not new else "")
                + "give it the sources (and the plausibility) that it was fitted with, or fit one anew with"
                " Recommender.fit(...)."
            )

    @classmethod
    def from_pretrained(
        cls,
        path_or_hub_id: str | os.PathLike,
        *,
        retriever: Any = None,
        retriever_processor: Any = None,
        hashtag_pool: Any = None,
        model: Any = None,
        processor: Any = None,
        classifier: Any = None,
        sources: Sequence[CandidateSource] = (),
        device: torch.device | None = None,
        **hub: Any,
    ) -> "Recommender":
        """
        Loads the recommender of a checkpoint. Without `guidance` its generator is guided by its pool.

        Args:
            path_or_hub_id (`str` or `os.PathLike`): A folder with a `recommendation.json`, or the id of a repository.
            retriever ([`HashtagRetriever`]), retriever_processor ([`HashtagRetrieverProcessor`]), hashtag_pool
                ([`HashtagPool`]), model ([`GGMForHashtagGeneration`]), processor ([`GGMProcessor`]), classifier
                ([`ClassifierSource`], all *optional*): Those that are loaded already; others that a source needs are
                loaded from the checkpoint.
            sources (`Sequence[CandidateSource]`): Of your own; each is taken for the stored one of its name.
            device (`torch.device`, *optional*): Where models are put that are loaded here; the CPU by default.
            hub: `revision`, `token`, `cache_dir`, `local_files_only`, as in `huggingface_hub.snapshot_download`.

        Raises:
            CheckpointError: There is no `recommendation.json`, or something is damaged or missing.
            SourceError: A source is not known, or cannot be made.
            EncoderMismatchError, RetrieverMismatchError: Parts were made by different encoders.
            RankerError: The ranker's features are not those of the sources.
        """
        loaded = {
            "retriever": retriever,
            "retriever_processor": retriever_processor,
            "hashtag_pool": hashtag_pool,
            "model": model,
            "processor": processor,
        }
        folder = fetch_recommendation(path_or_hub_id, whole=None in loaded.values(), **hub)
        parts = CheckpointParts(folder, device, classifier=classifier, **loaded)
        return cls(**read_recommendation(parts, sources))

    def save_pretrained(self, save_directory: str | os.PathLike) -> None:
        """
        Saves the recommender into a checkpoint, whose other files stay: `recommendation.json` and, where its sources
        have them, `posts/`, `words/`, `word_pool/`, `text_encoder/`, `classifier/`, `ranker/` and `plausibility/`.
        The checkpoint's own model, retriever and pool are not saved here.

        Args:
            save_directory (`str` or `os.PathLike`): The checkpoint's folder, made where there is none.

        Raises:
            SourceError: A source cannot be stored; nothing is written.
            CheckpointError: `save_directory` is a file.
        """
        write_recommendation(
            save_directory,
            self.sources,
            self.guidance,
            self.ranker,
            self.counts,
            self.k,
            self.reach_calls,
            self.plausibility,
        )

    def learn_reach_calls(self, texts: Sequence[str], hashtags: Sequence[Sequence[str]]) -> None:
        """
        Learns which hashtags are calls for reach (#fyp, #viral) from tagged posts: a pipeline leaves these out on
        demand (`reach_calls=True`). They are saved with the recommender.

        Args:
            texts, hashtags: As for [`~filters.learn_reach_calls`].

        Raises:
            InputError: As there.
        """
        self.reach_calls = learn_reach_calls(texts, hashtags)

    def add_hashtags(self, counts: Mapping[str, int]) -> None:
        """
        Takes in hashtags that are known from now on: all sources that can propose them do, and they are not novel.

        Args:
            counts (`Mapping[str, int]`): Normalised hashtags, with how many more uses of each there are.
        """
        self.counts = added(self.counts, counts)
        for source in self.sources:
            source.add_hashtags(counts)

    def observe(self, posts: Sequence[Mapping[str, Any]]) -> None:
        """
        Takes in posts that were just made: from now on they are found as similar posts, their hashtags count for the
        trends, and are known.

        Args:
            posts (`Sequence[dict]`): With `hashtags`, `time`, and what else is known of them: as for
                [`PostIndex.add`] and [`HashtagPool.observe`].

        Raises:
            InputError: A post has no time, one without zone, or one in the future; nothing is taken in.
            HashtagError: A post has what is no hashtag; nothing is taken in.
            PostIndexError: A post is in an index already.
        """
        posts = list(posts)
        counts = HashtagUses().observe(posts)
        # Two sources may search one index, by meaning and by words.
        indexes = {id(source.index): source.index for source in self.sources if isinstance(source, PostsSource)}
        pools = {id(source.pool): source.pool for source in self.sources if isinstance(source, TrendsSource)}
        for index in indexes.values():
            index.add(posts)
        for pool in pools.values():
            pool.observe(posts)
        self.add_hashtags(counts)

    def remove_hashtags(self, hashtags: Collection[str]) -> None:
        """
        Forgets hashtags; posts that have them, and the generator, may still propose them.

        Args:
            hashtags (`Collection[str]`): Normalised; those that are not known are passed over.
        """
        self.counts = without(self.counts, hashtags)
        for source in self.sources:
            source.remove_hashtags(hashtags)

    def features(self, rows: Sequence[Clues], on_error: str = "raise") -> CandidateFeatures:
        """
        The candidates of all sources, and what a ranker knows of them.

        Args:
            rows (`Sequence[Clues]`): Clips.
            on_error (`str`, defaults to `"raise"`): See [`gather_candidates`].

        Returns:
            [`CandidateFeatures`]: Of all candidates.

        Raises:
            SourceError: As [`gather_candidates`].
        """
        found = gather_candidates(self.sources, rows, self.k, on_error=on_error)
        return candidate_features(self.sources, found, rows, self.counts, self.plausibility)

    def fit(self, rows: Sequence[Clues], hashtags: Sequence[Sequence[str]], **options) -> HashtagRankerConfig:
        """
        Fits the ranker on rows that no source learned from.

        Args:
            rows (`Sequence[Clues]`): 50 or more.
            hashtags (`list[list[str]]`): Their true hashtags.
            options: As of [`fit_ranker`].

        Returns:
            [`HashtagRankerConfig`]: Of the new ranker, with its calibration error.

        Raises:
            RankerError: As [`fit_ranker`]; a ranker that was there before stays.
        """
        self.ranker = fit_ranker(self.features(rows), hashtags, **options)
        return self.ranker.config

    def recommend(
        self,
        rows: Sequence[Clues],
        *,
        top_n: int | None = None,
        min_score: float | None = None,
        explain: bool = False,
        on_error: str = "raise",
    ) -> list[list[Recommendation]]:
        """
        Hashtags for each row, the most likely first.

        Args:
            rows (`Sequence[Clues]`): Clips.
            top_n (`int`, *optional*): How many are shown at most. Without it and `min_score`, as many as make the
                expected F1 largest.
            min_score (`float`, *optional*): Only those at least so likely.
            explain (`bool`, defaults to `False`): Whether to tell each feature's value and what it added.
            on_error (`str`, defaults to `"raise"`): `"skip"` goes on without a source that fails, and warns.

        Returns:
            `list[list[Recommendation]]`: For each row its hashtags; none where no source proposes any, or none is as
            likely as `min_score`.

        Raises:
            RankerError: There is no ranker yet.
            InputError: `top_n` is below 1, or `min_score` is not from 0 to 1.
            SourceError: A source failed.
        """
        return self.rank(self.features(rows, on_error), top_n=top_n, min_score=min_score, explain=explain)

    def rank(
        self,
        features: CandidateFeatures,
        *,
        top_n: int | None = None,
        min_score: float | None = None,
        explain: bool = False,
    ) -> list[list[Recommendation]]:
        """
        What [`~Recommender.recommend`] makes of candidates that are known already.

        Args:
            features ([`CandidateFeatures`]): As [`~Recommender.features`] gives them.
            top_n, min_score, explain: As in [`~Recommender.recommend`].

        Returns:
            `list[list[Recommendation]]`: As [`~Recommender.recommend`].

        Raises:
            RankerError: There is no ranker yet, or the features are not its own.
            InputError: `top_n` is below 1, or `min_score` is not from 0 to 1.
        """
        if self.ranker is None:
            raise RankerError("there is no ranker: fit one with Recommender.fit(...), or load one.")
        names = self.ranker.config.features
        if not set(names) <= set(features.names):
            raise RankerError("the features are not those of the ranker: take them from Recommender.features(...).")
        features = features.named(names)
        if top_n is not None:
            check_number("top_n", top_n)
        if min_score is not None and not 0 <= min_score <= 1:
            raise InputError(f"min_score={min_score}: give a number from 0 to 1.")
        logits = self.ranker(features.values).detach()
        found = []
        parts = zip(
            features.by_row(features.values),
            features.by_row(logits),
            features.by_row(self.ranker.probabilities(features.values)),
            features.hashtags,
            features.sources,
        )
        for values, of_logits, probabilities, hashtags, sources in parts:
            # By logit, which tells apart what the calibration makes equal.
            order = of_logits.argsort(descending=True, stable=True)
            order = order[: self._number(probabilities[order], top_n, min_score)]
            explanations = self._explanations(values[order]) if explain else [None] * len(order)
            found.append(
                [
                    Recommendation(
                        hashtags[place],
                        probabilities[place].item(),
                        tuple(sources[place]),
                        not self.counts.get(hashtags[place]),
                        explanation,
                    )
                    for place, explanation in zip(order.tolist(), explanations)
                ]
            )
        return found

    def _number(self, probabilities: torch.Tensor, top_n: int | None, min_score: float | None) -> int:
        if top_n is None and min_score is None:
            return best_number(probabilities.double().numpy(), self.ranker.config.missing_hashtags)
        likely = len(probabilities) if min_score is None else int((probabilities >= min_score).sum())
        return likely if top_n is None else min(top_n, likely)

    def _explanations(self, values: torch.Tensor) -> list[dict[str, tuple[float, float]]]:
        names = self.ranker.config.features
        return [
            dict(zip(names, zip(of_one, added)))
            for of_one, added in zip(values.tolist(), self.ranker.explain(values).tolist())
        ]
