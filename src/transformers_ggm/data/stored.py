"""Clips that were decoded before, in whichever form they are stored."""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset

from ..processing import GGMProcessor, HashtagRetrieverProcessor
from .decoded import FRAME_FEATURES, DecodedShorts
from .prepared import PreparedShorts, clip_features

# Columns that only rows of `decode_split` have, and only those of `load_prepared`.
_DECODED = set(FRAME_FEATURES)
_PREPARED = set(clip_features(sampling_rate=1))


def stored_shorts(
    dataset: Dataset,
    processor: GGMProcessor | None = None,
    retriever_processor: HashtagRetrieverProcessor | None = None,
    guidance: Sequence[Sequence[str]] | None = None,
    examples: Sequence[Sequence[Mapping[str, Any]]] | None = None,
) -> DecodedShorts | PreparedShorts | None:
    """
    Rows of clips that were decoded before, as the collators want them.

    Args:
        dataset (`datasets.Dataset`): from [`decode_split`], or a split of [`load_prepared`].
        processor ([`GGMProcessor`], *optional*), retriever_processor ([`HashtagRetrieverProcessor`], *optional*): what
            prepared clips are decoded for; see [`PreparedShorts`].
        guidance (`list[list[str]]`, *optional*): hashtags retrieved for each row, best first.
        examples (`list[list[dict]]`, *optional*): similar posts of each row, see
            [`DataCollatorForInstructedGeneration`].

    Returns:
        [`DecodedShorts`] or [`PreparedShorts`], `None` for a dataset of clips that are still files.
    """
    columns = set(dataset.column_names)
    if columns >= _DECODED:
        return DecodedShorts(dataset, guidance, examples)
    if columns >= _PREPARED:
        return PreparedShorts(dataset, processor, retriever_processor, guidance, examples)
    return None


def clip_column(dataset: Dataset) -> str:
    """
    A small column that is `None` in rows without frames: `"video"` where clips are still files.

    Example:

    ```python
    >>> from datasets import Dataset
    >>> from transformers_ggm.data.stored import clip_column
    >>> clip_column(Dataset.from_dict({"video": ["clip.mp4"], "hashtags": [["snow"]]}))
    'video'

    ```
    """
    columns = set(dataset.column_names)
    if columns >= _DECODED:
        return "frames_shape"
    return "duration" if columns >= _PREPARED else "video"
