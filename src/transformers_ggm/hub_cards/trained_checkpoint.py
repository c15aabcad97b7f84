"""What a card tells of: a trained checkpoint, as plain data that its training left behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.checkpoint_layout import POOL_FOLDER, RETRIEVER_FOLDER


@dataclass(frozen=True)
class TrainedCheckpoint:
    """
    Args:
        folder (`Path`): the checkpoint, into which the card is written.
        data_dir (`Path`): the folder of shorts that it was trained on.
        num_rows (`dict[str, int]`): rows used per split.
        model (`dict`): the fields of [`~transformers_ggm.training.ModelArguments`] that training went by.
        lora (`dict`): the fields of [`~transformers_ggm.training.LoraArguments`].
        predictions (`Path`): JSON lines with the test rows and their `predicted` hashtags, if the file is there.
        generator_record, retriever_record (`dict`, *optional*): what the two trainings noted of themselves.
        pool_counts (`dict[str, int]`, *optional*): the pool's hashtags and how often each occurs.
        keeps_pool (`bool`, defaults to `False`): whether the pool is that of the checkpoint that was adapted.
        hub_model_id (`str`, *optional*): the repository that it is going to be in.
    """

    folder: Path
    data_dir: Path
    num_rows: Mapping[str, int]
    model: Mapping[str, Any]
    lora: Mapping[str, Any]
    predictions: Path
    generator_record: Mapping[str, Any] | None = None
    retriever_record: Mapping[str, Any] | None = None
    pool_counts: Mapping[str, int] | None = None
    keeps_pool: bool = False
    hub_model_id: str | None = None

    @property
    def is_instructed(self) -> bool:
        """Whether its generator is a language model."""
        return self.model.get("generator") == "instructed"

    @property
    def starts_from_trained(self) -> bool:
        """Whether a generator was trained on, and none put together of backbones."""
        return self.lora["base_checkpoint"] is not None or self.lora["lora_adapter"] is not None

    @property
    def retriever_folder(self) -> Path:
        """Where its retriever is, if it has one."""
        return self.folder / RETRIEVER_FOLDER

    @property
    def pool_folder(self) -> Path:
        """Where its hashtag pool is, if it has one."""
        return self.folder / POOL_FOLDER
