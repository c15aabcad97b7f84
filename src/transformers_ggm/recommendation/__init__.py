"""From all that is known of a clip to hashtags: sources of candidates, their fusion to guidance, and a ranker."""

from .candidates import (
    Candidate,
    CandidateSource,
    gather_candidates,
    register_source,
    source_class,
)
from .checkpoint_parts import CheckpointParts
from .clues import Clues, EarlierPost, clues_of
from .configuration_hashtag_ranker import HashtagRankerConfig
from .features import CandidateFeatures, candidate_features, feature_names
from .fitting import fit_ranker
from .fusion import FusedSource, Guidance, learn_fusion_weights, reciprocal_rank_fusion
from .modeling_hashtag_ranker import HashtagRanker
from .recommender import Recommendation, Recommender
from .sources import (
    ClassifierSource,
    FrequentSource,
    GeneratorSource,
    HistorySource,
    PoolSource,
    PostsSource,
    TrendsSource,
    WordsSource,
)

__all__ = [
    "Candidate",
    "CandidateFeatures",
    "CandidateSource",
    "CheckpointParts",
    "ClassifierSource",
    "Clues",
    "EarlierPost",
    "FrequentSource",
    "FusedSource",
    "GeneratorSource",
    "Guidance",
    "HashtagRanker",
    "HashtagRankerConfig",
    "HistorySource",
    "PoolSource",
    "PostsSource",
    "Recommendation",
    "Recommender",
    "TrendsSource",
    "WordsSource",
    "candidate_features",
    "clues_of",
    "feature_names",
    "fit_ranker",
    "gather_candidates",
    "learn_fusion_weights",
    "reciprocal_rank_fusion",
    "register_source",
    "source_class",
]
