"""
People's judgement of novel hashtags (Yu et al., ACL 2023, Table 6): a sheet to fill in, and what comes out of it.

    ggm rate sheet --help
    ggm rate metrics --help
"""

from .agreement import krippendorff_alpha
from .metrics import rating_report, rating_table
from .ratings import Ratings, read_key, read_ratings
from .selection import RatingItem, choose_items, novel_hashtags
from .sheet import read_pool_hashtags, read_predictions, write_rating_sheet

__all__ = [
    "RatingItem",
    "Ratings",
    "choose_items",
    "krippendorff_alpha",
    "novel_hashtags",
    "rating_report",
    "rating_table",
    "read_key",
    "read_pool_hashtags",
    "read_predictions",
    "read_ratings",
    "write_rating_sheet",
]
