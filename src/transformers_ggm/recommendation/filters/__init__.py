"""What must not be shown, and what is not wanted: filters after ranking, each optional."""

from .blocked_filter import BlockedFilter
from .capitals import display_spelling
from .hashtag_filter import HashtagFilter, Removed, filter_hashtags
from .near_duplicate_filter import NearDuplicateFilter
from .platform_filter import NumberFilter, Platform, PlatformFilter, platforms
from .pool_filter import NovelFilter
from .reach_filter import ReachFilter, learn_reach_calls
from .safety_filter import SafetyFilter, shared_safety_filter
from .term_lists import Term, read_terms, safety_terms

__all__ = [
    "BlockedFilter",
    "HashtagFilter",
    "NearDuplicateFilter",
    "NovelFilter",
    "NumberFilter",
    "Platform",
    "PlatformFilter",
    "ReachFilter",
    "Removed",
    "SafetyFilter",
    "Term",
    "display_spelling",
    "filter_hashtags",
    "learn_reach_calls",
    "platforms",
    "read_terms",
    "safety_terms",
    "shared_safety_filter",
]
