"""What trainers make of the datasets that they are given: rows as their collators read them."""

from collections.abc import Iterator, Sequence
from typing import Any

import datasets
from transformers.utils import logging

from ..data.stored import clip_column, stored_shorts
from ..errors import ArgumentError, DatasetError
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..processing.hashtag_fields import read_hashtags
from ..retrieval.nearest import has_query
from .shorts_dataset import ShortsDataset

logger = logging.get_logger(__name__)

# Few, as rows can hold whole clips, which a dataset with an index mapping copies.
_BATCH_ROWS = 16
READ_BY = {"video": "a video", "text": "a description", "video+text": "a video or a description"}


def generator_rows(
    dataset: Any, processor: GGMProcessor, inputs: Sequence[str], blank_video: bool = False, name: str | None = None
) -> Any:
    """
    What the generator's collator reads of a dataset.

    Args:
        dataset (`datasets.Dataset`): see [`ShortsDataset`]; or one of clips that were decoded before: a split of
            [`~transformers_ggm.data.load_prepared`], or what [`~transformers_ggm.data.decode_split`] gives. Anything
            else is taken to have such rows already.
        processor ([`GGMProcessor`]): the generator's.
        inputs (`list[str]`): what it reads: some of `"text"`, `"video"`, `"audio"`.
        blank_video (`bool`, *optional*, defaults to `False`): see [`ShortsDataset`].
        name (`str`, *optional*): what messages call a dataset to learn from: rows without hashtags, and those without
            a clip and words, are left out with a warning. `None` keeps all rows.

    Raises:
        ArgumentError: the dataset is a stream.
        DatasetError: a column is missing, or there is no row to learn from.
    """
    if not _is_of_datasets(dataset):
        return dataset
    dataset = _checked(dataset, "video+text", processor.read_texts, name)
    if "audio" not in inputs:
        processor = GGMProcessor(processor.video_processor, processor.tokenizer)
    reads_media = bool({"video", "audio"} & set(inputs))
    retrieved = {name: dataset[name] for name in ("guidance", "examples") if name in dataset.column_names}
    stored = stored_shorts(dataset, processor if reads_media else None, **retrieved)
    return ShortsDataset(dataset, processor, reads_media, blank_video) if stored is None else stored


def retriever_rows(dataset: Any, processor: HashtagRetrieverProcessor, query: str, name: str | None = None) -> Any:
    """
    What the retriever's collator reads of a dataset.

    Args:
        dataset, name: see [`generator_rows`]; left out are rows without a hashtag or without what the query is made
            of.
        processor ([`HashtagRetrieverProcessor`]): the retriever's.
        query (`str`): that of the retriever: `"video"`, `"text"` or `"video+text"`.

    Raises:
        ArgumentError, DatasetError: as [`generator_rows`].
    """
    if not _is_of_datasets(dataset):
        return dataset
    dataset = _checked(dataset, query, processor.query_texts, name)
    stored = stored_shorts(dataset, retriever_processor=processor)
    if stored is not None:
        return stored
    # It is deaf: of the sound nothing is decoded.
    return ShortsDataset(dataset, GGMProcessor(processor.video_processor, processor.tokenizer), "video" in query)


def _is_of_datasets(dataset: Any) -> bool:
    return isinstance(dataset, (datasets.Dataset, datasets.IterableDataset))


def _checked(dataset: Any, query: str, texts: Sequence[str], name: str | None) -> datasets.Dataset:
    """The dataset; where there is something to learn from it, without the rows that have nothing."""
    if isinstance(dataset, datasets.IterableDataset):
        raise ArgumentError(
            "The dataset is a stream (`datasets.IterableDataset`), whose rows have no numbers: load it whole, without"
            " `streaming=True`."
        )
    if name is None:
        return dataset
    if "hashtags" not in dataset.column_names:
        raise DatasetError(
            f"`{name}` has no column 'hashtags', only {dataset.column_names}: rename the one that has them, as in"
            f" {name}.rename_column('tags', 'hashtags')."
        )
    kept = [
        index
        for index, (hashtags, clip, words) in enumerate(_small_columns(dataset, texts))
        if read_hashtags(hashtags).hashtags and has_query(query, clip, words)
    ]
    if not kept:
        raise DatasetError(f"No row of `{name}` has hashtags, and {READ_BY[query]} to find them by.")
    if len(kept) < len(dataset):
        logger.warning(
            f"{len(dataset) - len(kept)} of {len(dataset)} rows of `{name}` have no hashtags, or lack"
            f" {READ_BY[query]}: they are left out."
        )
        dataset = dataset.select(kept)
    return dataset


def _small_columns(dataset: datasets.Dataset, texts: Sequence[str]) -> Iterator[tuple[Any, bool | None, str]]:
    """Hashtags, whether there is a clip (`None` if not) and words of each row; no clip is read."""
    columns, clip = dataset.column_names, clip_column(dataset)
    texts = [name for name in texts if name in columns]
    names = [name for name in ("hashtags", *texts, clip) if name in columns]
    for table in dataset.select_columns(names).with_format("arrow").iter(_BATCH_ROWS):
        hashtags = table["hashtags"].to_pylist()
        words = ["\n".join(text for text in row.values() if text) for row in table.select(texts).to_pylist()]
        words = words or [""] * len(hashtags)
        clips = table[clip].is_valid().to_pylist() if clip in columns else [False] * len(hashtags)
        yield from ((tags, has_clip or None, text) for tags, has_clip, text in zip(hashtags, clips, words))
