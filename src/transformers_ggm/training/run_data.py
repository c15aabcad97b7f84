"""The data of one training: the rows of its folder, and what the stages before left of them."""

import json
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset, DatasetDict
from transformers.utils import logging

from ..data import DecodedShorts, PreparedShorts, load_prepared
from ..data.hashtag_lists import hashtags_of_shorts
from ..data.prepared import is_prepared, read_record
from ..data.shorts import SPLITS, read_shorts
from ..data.stamps import joined_stamp, prepared_stamp, rows_stamp
from ..data.stored import clip_column, stored_shorts
from ..errors import DatasetError
from ..processing import GGMProcessor, HashtagRetrieverProcessor, InstructedProcessor
from ..processing.hashtag_fields import DroppedHashtags
from ..processing.hashtags import normalize_hashtag, remove_hashtags
from ..processing.modalities import TEXTS
from ..recommendation import Clues, clues_of
from ..retrieval.nearest import has_query
from .arguments import ClassifierArguments, DataArguments, ModelArguments, RetrieverArguments
from .run_folders import EXAMPLES_FILE, RunFolders

logger = logging.get_logger(__name__)

# What tells of a post, but for its clip.
POST_FIELDS = ("description", "transcript", "screen_text", "hashtags", "user", "time", "language", "country")


class RunData:
    """
    Reads a data folder, and the processors, decoded clips and guidance that earlier stages made of it.

    Args:
        folders ([`~transformers_ggm.training.run_folders.RunFolders`]): where the stages write.
        data ([`DataArguments`]): name the data folder.
        model ([`ModelArguments`]), retriever ([`RetrieverArguments`]), classifier ([`ClassifierArguments`]): say what
            each model reads.
        num_examples (`int`, *optional*, defaults to 0): similar posts that a language model is shown.

    Attributes:
        data_dir (`str`): a folder of shorts, or a prepared set.
        left_out (`list[str]`): sentences on what of the data is not trained on.
    """

    def __init__(
        self,
        folders: RunFolders,
        data: DataArguments,
        model: ModelArguments,
        retriever: RetrieverArguments,
        classifier: ClassifierArguments,
        num_examples: int = 0,
    ):
        self.folders = folders
        self.data_dir = data.data_dir
        self.is_instructed = model.is_instructed
        self.num_guidance, self.num_examples = model.num_guidance, num_examples
        self.generator_inputs = model.inputs
        self.retriever_query = retriever.retriever_query
        further = {*model.inputs, *retriever.retriever_texts, *data.row_texts}
        # What generator or retriever reads of a row, or others that are compared with them.
        self.wanted_texts = [name for name in TEXTS if name == "description" or name in further]
        self.classifier_modalities = classifier.classifier_modalities
        self.left_out: list[str] = []

    @cached_property
    def splits(self) -> DatasetDict:
        """The rows of the data folder that can be learnt from, in all three splits; their clips are not read."""
        splits, dropped = self._read()
        if dropped:
            self.left_out.append(str(dropped))
        missing = set(SPLITS) - set(splits)
        if missing:
            raise DatasetError(f"{self.data_dir} lacks the split folders {sorted(missing)}.")
        read = {split: len(rows) for split, rows in splits.items()}
        splits = splits.filter(
            _is_usable,
            input_columns=["hashtags", clip_column(splits["train"]), *_texts_of(splits, self.wanted_texts)],
            desc="Leaving out rows without hashtags, and without a clip and words",
        )
        for split, rows in splits.items():
            if not len(rows):
                raise DatasetError(f"No row of {self.data_dir}/{split} has hashtags, and a clip or a description.")
            if unusable := read[split] - len(rows):
                self.left_out.append(
                    f"{unusable} of {read[split]} rows of the split '{split}' have no hashtags, or neither a clip nor"
                    " words, and were left out"
                )
        self.tell_left_out()
        return splits

    @property
    def texts(self) -> list[str]:
        """The columns with texts that are read."""
        return _texts_of(self.splits, self.wanted_texts)

    @cached_property
    def text_reading(self) -> dict[str, Any] | None:
        """What read the transcripts and screen texts of a prepared set; `None` where it had them already."""
        reading = read_record(self.data_dir).get("reading") if self.is_prepared_set else None
        if reading is None or reading["read_speech"] is None:
            return reading
        # Of a folder the name: where it lay is nobody's business.
        model = Path(reading["read_speech"])
        return {**reading, "read_speech": model.name if model.is_absolute() else str(model)}

    def _read(self) -> tuple[DatasetDict, DroppedHashtags]:
        """The data, and the entries that were no hashtags."""
        if not self.is_prepared_set:
            return read_shorts(self.data_dir)
        dropped = read_record(self.data_dir).get("dropped_hashtags")
        return load_prepared(self.data_dir), DroppedHashtags.from_dict(dropped) if dropped else DroppedHashtags()

    def tell_left_out(self) -> None:
        """Logs what of the data is not trained on: while it is read, and again at the end, where it is seen."""
        for what in self.left_out if PartialState().is_main_process else ():
            logger.warning(f"{self.data_dir}: {what}.")

    @cached_property
    def stamp(self) -> str:
        """Another one when the data change."""
        if self.is_prepared_set:
            return prepared_stamp(self.data_dir)
        return joined_stamp({split: rows_stamp(rows) for split, rows in self.splits.items()})

    @cached_property
    def hashtag_counts(self) -> Counter:
        """How often each hashtag occurs in the training split, most frequent first."""
        counts = Counter(tag for tags in self.splits["train"]["hashtags"] for tag in tags)
        return Counter(dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))))

    @cached_property
    def written_hashtags(self) -> dict[str, int]:
        """
        The same by the spelling that each has most often in the training posts; in lower case of a prepared set, which
        does not keep others.
        """
        if self.is_prepared_set:
            return self.hashtag_counts
        spellings = {normalize_hashtag(spelling): spelling for spelling in hashtags_of_shorts(self.data_dir)}
        return {spellings.get(hashtag, hashtag): count for hashtag, count in self.hashtag_counts.items()}

    @cached_property
    def unseen_hashtags(self) -> list[str]:
        """The hashtags that a prepared corpus keeps away from training."""
        if not self.is_prepared_set or not read_record(self.data_dir)["unseen_hashtags"]:
            raise DatasetError(
                f"{self.data_dir} has no unseen hashtags to put into the pool: prepare it as a corpus "
                "(--build_corpus true), or leave --unseen_hashtags_in_pool out."
            )
        return read_record(self.data_dir)["unseen_hashtags"]

    @cached_property
    def is_prepared_set(self) -> bool:
        """Whether the data folder holds clips that `transformers_ggm.data.prepare` decoded, instead of their files."""
        return is_prepared(self.data_dir)

    def rows(self, split: str) -> Dataset:
        """A split's decoded clips and their fields, as they are stored."""
        if self.is_prepared_set:
            return self.splits[split]
        return Dataset.from_file(str(_needed(self.folders.prepared_file(split))))

    @cached_property
    def processor(self) -> GGMProcessor | InstructedProcessor:
        """The generator's."""
        kind = InstructedProcessor if self.is_instructed else GGMProcessor
        return kind.from_pretrained(_needed(self.folders.prepared / "processor"))

    @cached_property
    def retriever_processor(self) -> HashtagRetrieverProcessor:
        """The retriever's."""
        return HashtagRetrieverProcessor.from_pretrained(_needed(self.folders.prepared / "retriever_processor"))

    def posts(self, split: str) -> list[dict[str, Any]]:
        """A split's words, hashtags, authors and times, as far as there are any; the descriptions without hashtags."""
        rows = self.rows(split)
        fields = [field for field in POST_FIELDS if field in rows.column_names]
        posts = rows.select_columns(fields).to_list()
        return [{**post, "description": remove_hashtags(post["description"])} for post in posts]

    def clues(self, split: str) -> list[Clues]:
        """What is known of each row but its clip; the history of its author comes from the rows of all splits."""
        others = [self.posts(other) for other in SPLITS if other != split]
        return clues_of(self.posts(split), *others)

    def guidance(self, split: str) -> list[list[str]]:
        """The hashtags retrieved for each row of a split, nearest first, as many as the generator is shown."""
        if self.num_guidance == 0:
            return [[] for _ in range(len(self.rows(split)))]
        return [tags[: self.num_guidance] for tags in self._retrieved(split, f"{split}.json")]

    def _retrieved(self, split: str, name: str) -> list:
        """What was retrieved for each row of a split."""
        path = self.folders.guidance / name
        if not path.is_file():
            raise DatasetError(f"{path} is missing: run the stage 'guidance' first.")
        retrieved = json.loads(path.read_text(encoding="utf-8"))
        if len(retrieved) != len(self.rows(split)):
            raise DatasetError(
                f"{path} is for {len(retrieved)} rows, but {len(self.rows(split))} are trained on: run the stage "
                "'guidance' again, with the same inputs and row_texts."
            )
        return retrieved

    def examples(self, split: str) -> list[list[dict[str, Any]]] | None:
        """The similar posts that a language model is shown with each row of a split, where there are to be any."""
        if not self.num_examples:
            return None
        return self._retrieved(split, EXAMPLES_FILE.format(split))

    def for_generator(self, split: str, guidance: list[list[str]] | None = None) -> DecodedShorts | PreparedShorts:
        """A split as the generator reads it, with the guidance retrieved for it, or another one."""
        rows = self.rows(split)
        guidance = self.guidance(split) if guidance is None else guidance
        looks = {"video", "audio"} & set(self.generator_inputs)
        processor = self.processor if looks else None
        return stored_shorts(rows, processor, guidance=guidance, examples=self.examples(split))

    def for_retriever(self, split: str, only_pairs: bool = False) -> DecodedShorts | PreparedShorts:
        """A split as the retriever reads it; with `only_pairs` the rows that have both a query and a hashtag."""
        rows = self.rows(split)
        if only_pairs:
            columns = zip(rows["hashtags"], rows[clip_column(rows)], self._queries(rows))
            kept = [i for i, row in enumerate(columns) if row[0] and has_query(self.retriever_query, *row[1:])]
            rows = rows.select(kept)
        return stored_shorts(rows, retriever_processor=self.retriever_processor)

    def _queries(self, rows: Dataset) -> list[str]:
        """The text of each row that the retriever goes by."""
        fields = rows.select_columns([name for name in TEXTS if name in rows.column_names])
        return [self.retriever_processor.query_text(row) for row in fields]

    def for_classifier(self, split: str) -> DecodedShorts | PreparedShorts:
        """A split as the classifier reads it; frames of a prepared set are decoded only where it looks at them."""
        if "video" not in self.classifier_modalities:
            return stored_shorts(self.rows(split))
        # Without a feature extractor, so that no sound is decoded.
        return stored_shorts(self.rows(split), GGMProcessor(self.processor.video_processor, self.processor.tokenizer))


def _texts_of(splits: DatasetDict, wanted: list[str]) -> list[str]:
    """Those texts that all splits have as columns."""
    return [name for name in wanted if all(name in rows.column_names for rows in splits.values())]


def _is_usable(hashtags: list[str], clip: str | float | None, *texts: str | None) -> bool:
    """Whether a row has hashtags to learn, and anything that they could be learnt from."""
    return bool(hashtags) and has_query("video+text", clip, "\n".join(text for text in texts if text))


def _needed(path: Path) -> Path:
    if not path.exists():
        raise DatasetError(f"{path} is missing: run the stage 'prepare' first.")
    return path
