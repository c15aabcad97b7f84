"""Where one training keeps what it makes."""

from dataclasses import dataclass
from pathlib import Path

from ..utils.checkpoint_layout import (
    PLAUSIBILITY_FOLDER,
    POOL_FOLDER,
    POSTS_FOLDER,
    RANKER_FOLDER,
    RETRIEVER_FOLDER,
    TEXT_ENCODER_FOLDER,
)

# Beside guidance, by split: the similar posts that a language model is shown.
EXAMPLES_FILE = "{}_examples.json"


@dataclass(frozen=True)
class RunFolders:
    """
    The folders of one training.

    Args:
        output (`Path`): the folder of them all.
    """

    output: Path

    @property
    def prepared(self) -> Path:
        """Processors and decoded clips."""
        return self.output / "prepared"

    @property
    def guidance(self) -> Path:
        """The hashtags retrieved for each row, and their recall."""
        return self.output / "guidance"

    @property
    def evaluation(self) -> Path:
        """Test metrics and predictions."""
        return self.output / "evaluation"

    @property
    def checkpoint(self) -> Path:
        """The result: generator, retriever, pool and card."""
        return self.output / "checkpoint"

    @property
    def retriever(self) -> Path:
        """The retriever, within the checkpoint."""
        return self.checkpoint / RETRIEVER_FOLDER

    @property
    def pool(self) -> Path:
        """The hashtag pool, within the checkpoint."""
        return self.checkpoint / POOL_FOLDER

    @property
    def posts(self) -> Path:
        """The index of the training posts, within the checkpoint."""
        return self.checkpoint / POSTS_FOLDER

    @property
    def text_encoder(self) -> Path:
        """The sentence encoder of their vectors, within the checkpoint."""
        return self.checkpoint / TEXT_ENCODER_FOLDER

    @property
    def ranker(self) -> Path:
        """The ranker, within the checkpoint."""
        return self.checkpoint / RANKER_FOLDER

    @property
    def plausibility(self) -> Path:
        """The masked language model that the ranker was fitted with, within the checkpoint, where there is one."""
        return self.checkpoint / PLAUSIBILITY_FOLDER

    @property
    def classifier(self) -> Path:
        """The classifier, where one was asked for."""
        return self.output / "classifier"

    @property
    def base(self) -> Path:
        """The new-made model that an adapter changes."""
        return self.output / "base"

    @property
    def retriever_run(self) -> Path:
        """Checkpoints and record of the retriever's training."""
        return self.output / "runs" / "retriever"

    @property
    def generator_run(self) -> Path:
        """Checkpoints and record of the generator's training."""
        return self.output / "runs" / "generator"

    @property
    def classifier_run(self) -> Path:
        """Checkpoints and record of the classifier's training."""
        return self.output / "runs" / "classifier"

    @property
    def ranker_run(self) -> Path:
        """What the fitting of the ranker noted of itself."""
        return self.output / "runs" / "ranker"

    @property
    def best(self) -> Path:
        """Where the generator's result is put together, before it is moved into the checkpoint."""
        return self.output / "runs" / "best"

    def prepared_file(self, split: str) -> Path:
        """The decoded clips of a split."""
        return self.prepared / f"{split}.arrow"
