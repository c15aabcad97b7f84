"""The folders of a checkpoint, beside the files of its model, and its configurations."""

import json
from pathlib import Path
from typing import Any

from transformers.utils import CONFIG_NAME
from transformers.utils.peft_utils import ADAPTER_CONFIG_NAME

from ..errors import CheckpointError

RETRIEVER_FOLDER = "retriever"
POOL_FOLDER = "hashtag_pool"
# What recommends beside the generator. The file is there where any of it is, and says which of the folders count.
RECOMMENDATION_FILE = "recommendation.json"
# Of a checkpoint that was put together of parts, which ones.
COMPOSITION_FILE = "composition.json"
POSTS_FOLDER = "posts"
TEXT_ENCODER_FOLDER = "text_encoder"
WORDS_FOLDER = "words"
WORD_POOL_FOLDER = "word_pool"
CLASSIFIER_FOLDER = "classifier"
RANKER_FOLDER = "ranker"
PLAUSIBILITY_FOLDER = "plausibility"
# Models as OpenVINO computes them, and which.
OPENVINO_FOLDER = "openvino"
OPENVINO_FILE = "openvino.json"
RECOMMENDATION_FOLDERS = (
    POSTS_FOLDER, TEXT_ENCODER_FOLDER, WORDS_FOLDER, WORD_POOL_FOLDER, CLASSIFIER_FOLDER, RANKER_FOLDER,
    PLAUSIBILITY_FOLDER,
)  # fmt: skip
# Of a whole model, or of an adapter.
CONFIGURATIONS = (CONFIG_NAME, ADAPTER_CONFIG_NAME)


def read_configuration(file: Path, advice: str = "save the checkpoint again") -> dict[str, Any]:
    """
    A JSON file of a checkpoint or of a part of it.

    Args:
        file (`Path`): Exists.
        advice (`str`, *optional*): What the message tells to do.

    Raises:
        CheckpointError: It holds something else than a JSON object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file} is not JSON: {advice}.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} holds no JSON object: {advice}.")
    return content
