"""A whole checkpoint on the Hub: all of its parts in one commit."""

import os
import shutil
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import CommitInfo
from safetensors import SafetensorError, safe_open
from transformers.utils.peft_utils import ADAPTER_CONFIG_NAME, ADAPTER_SAFE_WEIGHTS_NAME

from ..errors import CheckpointError, InputError
from ..hub_cards.recommendation_card import RELIABILITY_PLOT
from ..hub_cards.training_curve import TRAINING_CURVE
from ..modeling import HashtagRetriever, HashtagRetrieverConfig, RetrievalOnlyConfig
from ..pipelines.top_models import TOP_MODELS
from ..processing.processing_instructed import PROMPT_PROCESSOR_FOLDER
from ..recommendation.recommender_files import check_recommendation
from ..recommendation.word_table import WORDS_FILE
from ..retrieval import HashtagPool
from ..retrieval.pool_files import POOL_FILES, USES_FILE
from ..retrieval.post_files import POST_FILES
from ..utils.checkpoint_layout import (
    CLASSIFIER_FOLDER,
    COMPOSITION_FILE,
    OPENVINO_FILE,
    OPENVINO_FOLDER,
    PLAUSIBILITY_FOLDER,
    POOL_FOLDER,
    POSTS_FOLDER,
    RANKER_FOLDER,
    RECOMMENDATION_FILE,
    RETRIEVER_FOLDER,
    TEXT_ENCODER_FOLDER,
    WORD_POOL_FOLDER,
    WORDS_FOLDER,
    read_configuration,
)
from ..utils.hub_commits import commit_files, is_hub_id
from .remote_code import ENTRY_MODULE, accompanying_modules, save_remote_code

if TYPE_CHECKING:
    from ..pipelines import HashtagGenerationPipeline

WEIGHTS_INDEX = "model.safetensors.index.json"
WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", WEIGHTS_INDEX)
NEEDED = ("config.json", "processor_config.json")
TOKENIZER_CONFIG = "tokenizer_config.json"
MODEL_FILES = (
    *NEEDED,
    TOKENIZER_CONFIG,
    *WEIGHTS,
    "generation_config.json",
    # The tokenizers of the BART, mBART, CLIP and BERT families, and of others.
    "tokenizer.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "chat_template.jinja",
)
CARD_FILES = ("README.md", "*.png", "*.svg")
CODE_FILES = ("*.py",)
# What recommends beside the generator: `recommendation.json` says which of these folders count.
RECOMMENDATION_LAYOUT = {
    POSTS_FOLDER: (*POST_FILES, "README.md"),
    # As sentence-transformers has it.
    TEXT_ENCODER_FOLDER: (
        *MODEL_FILES, "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json",
    ),
    f"{TEXT_ENCODER_FOLDER}/1_Pooling": ("config.json",),
    WORDS_FOLDER: (WORDS_FILE,),
    WORD_POOL_FOLDER: (*POOL_FILES, USES_FILE, "README.md"),
    CLASSIFIER_FOLDER: (*MODEL_FILES, "video_preprocessor_config.json"),
    RANKER_FOLDER: MODEL_FILES,
    PLAUSIBILITY_FOLDER: MODEL_FILES,
}  # fmt: skip
# What a checkpoint consists of, by folder. Everything else in it (trainings, caches, pickles) stays where it is.
LAYOUT = {
    "": (
        *MODEL_FILES,
        ADAPTER_CONFIG_NAME,
        ADAPTER_SAFE_WEIGHTS_NAME,
        RECOMMENDATION_FILE,
        COMPOSITION_FILE,
        *CARD_FILES,
    ),
    PROMPT_PROCESSOR_FOLDER: (*MODEL_FILES, "preprocessor_config.json", "video_preprocessor_config.json"),
    RETRIEVER_FOLDER: MODEL_FILES,
    POOL_FOLDER: (*POOL_FILES, USES_FILE, "README.md"),
    OPENVINO_FOLDER: (OPENVINO_FILE, "*.xml", "*.bin"),
    **RECOMMENDATION_LAYOUT,
}


def push_checkpoint_to_hub(
    checkpoint: "str | os.PathLike | HashtagGenerationPipeline",
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    remote_code: bool = False,
    commit_message: str = "Upload GGM checkpoint",
    token: str | bool | None = None,
) -> CommitInfo:
    """
    Uploads a whole checkpoint to a model repository on the Hub in one commit: model, processor, tokenizer and card,
    `retriever/` and `hashtag_pool/`, and with a `recommendation.json` the folders that this names: `posts/`, `words/`,
    `text_encoder/`, `word_pool/`, `classifier/`, `ranker/` and `plausibility/`. The repository is made where there is
    none.

    Only files that belong to a checkpoint go up. Parts of an older checkpoint in the repository that this one does not
    have (a pool, shards of weights) are deleted by the same commit; its card stays where this one has none. Folders
    that sources of your own saved do not go up by themselves.
    `pipeline("hashtag-generation", model=repo_id)` then loads it. An adapter goes up in the same way, with what lies
    beside it; its base has to be on the Hub.

    Args:
        checkpoint (`str`, `os.PathLike` or [`HashtagGenerationPipeline`]): The folder of a checkpoint or an adapter,
            or a pipeline, which goes up as it is, with the hashtags that were added to its pool.
        repo_id (`str`): The repository, `"user/name"`.
        private (`bool`, *optional*): Whether a repository that is made is to be private. Defaults to what the Hub
            does for you, which is public for most users. One that exists stays as it is.
        revision (`str`, *optional*): The branch to push to, made from `main` where there is none, or a pull request's
            `"refs/pr/<n>"`. Defaults to `main`.
        create_pr (`bool`, defaults to `False`): Whether to offer the commit as a pull request.
        remote_code (`bool`, defaults to `False`): Whether this package's code goes along, in the same commit, so that
            the checkpoint works with `trust_remote_code=True` where the package is not installed. See
            [`save_remote_code`]; the folder itself is left as it is.
        commit_message (`str`, defaults to `"Upload GGM checkpoint"`): The commit's message.
        token (`str` or `bool`, *optional*): Defaults to that of `hf auth login`.

    Returns:
        `CommitInfo`: The commit, as `huggingface_hub` describes it (`oid`, `commit_url`, `pr_url`).

    Raises:
        CheckpointError: The folder is no checkpoint, or lacks a file; or the base of an adapter is a folder here.
            Nothing was sent.
        RetrieverMismatchError, EncoderMismatchError: The pool was made by another retriever than the one beside it, or
            the index of posts by another encoder. Nothing was sent.
        PushError: The Hub cannot be reached, or refuses. What the repository held before is untouched, and pushing
            again is safe. A subclass of `CheckpointError`.
        InputError: `checkpoint` is neither a folder nor a pipeline, or an adapter with `remote_code`.

    Example:

    ```python
    >>> from transformers_ggm import push_checkpoint_to_hub

    >>> push_checkpoint_to_hub("outputs/ggm/checkpoint", "user/tags", private=True)  # doctest: +SKIP

    ```
    """
    if isinstance(checkpoint, (str, os.PathLike)):
        files = checkpoint_files(checkpoint)
        if remote_code and ADAPTER_CONFIG_NAME in files:
            raise InputError("`remote_code` is for whole checkpoints: an adapter is loaded with the code of its base.")

        def replaced(there: list[str]) -> list[str]:
            # The pictures of an older training have nothing to say beside a new card.
            pictures = {TRAINING_CURVE, RELIABILITY_PLOT} & set(there) if "README.md" in files else set()
            return _replaced(there) + sorted(pictures)

        with tempfile.TemporaryDirectory() as folder:
            if remote_code:
                files |= _with_code(files, Path(folder))
            return commit_files(
                files,
                repo_id,
                commit_message=commit_message,
                private=private,
                token=token,
                revision=revision,
                create_pr=create_pr,
                replaced=replaced,
            )
    if not hasattr(checkpoint, "hashtag_pool"):
        raise InputError(
            f"`checkpoint` is a {type(checkpoint).__name__}: pass a checkpoint folder or a hashtag-generation pipeline"
            " (a model, processor, retriever or pool alone has a push_to_hub of its own)."
        )
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save_pretrained(folder)
        return push_checkpoint_to_hub(
            folder,
            repo_id,
            private=private,
            revision=revision,
            create_pr=create_pr,
            remote_code=remote_code,
            commit_message=commit_message,
            token=token,
        )


def checkpoint_files(folder: str | os.PathLike) -> dict[str, Path]:
    """
    The files of a checkpoint, by their paths in its repository.

    Raises:
        CheckpointError: The folder is no checkpoint, or a file of it is missing or cannot be read.
        RetrieverMismatchError, EncoderMismatchError: Its pool was made by another retriever than the one beside it, or
            its index of posts by another encoder.
    """
    folder = Path(folder)
    if (folder / ADAPTER_CONFIG_NAME).is_file():
        has_code = False
        _check_adapter(folder)
    else:
        config = _check_model(folder, *TOP_MODELS)
        # Code goes along only where the checkpoint says that it comes with some.
        has_code = "auto_map" in config or "custom_pipelines" in config
    retriever = None
    if (folder / RETRIEVER_FOLDER).is_dir():
        _check_model(folder / RETRIEVER_FOLDER, HashtagRetrieverConfig.model_type)
        retriever = HashtagRetriever.from_pretrained(folder / RETRIEVER_FOLDER)
    if (folder / POOL_FOLDER).is_dir():
        HashtagPool.from_pretrained(folder / POOL_FOLDER, retriever=retriever)
    counting = set()
    if (folder / RECOMMENDATION_FILE).is_file():
        counting = check_recommendation(folder, retriever)
    patterns = {
        part: names
        for part, names in LAYOUT.items()
        if part not in RECOMMENDATION_LAYOUT or part.partition("/")[0] in counting
    }
    patterns[""] += CODE_FILES if has_code else ()
    return {
        path.relative_to(folder).as_posix(): path
        for part, names in patterns.items()
        if (folder / part).is_dir()
        for path in sorted((folder / part).iterdir())
        if path.is_file() and _is_among(path.name, names)
    }


def _with_code(files: dict[str, Path], folder: Path) -> dict[str, Path]:
    """The configurations of a checkpoint as they name its code, and the code, written to another folder."""
    for path, file in files.items():
        if file.suffix == ".json":
            copy = folder / path
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, copy)
    save_remote_code(folder)
    return {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}


def _replaced(there: list[str]) -> list[str]:
    """Those files of a repository that are a checkpoint's, and not for its reader: its code too, where it has ours."""
    code = set(accompanying_modules()) if ENTRY_MODULE in there else set()
    return [path for path in there if path in code or _is_replaced(path)]


def _is_replaced(path: str) -> bool:
    part, _, name = path.rpartition("/")
    return _is_among(name, LAYOUT.get(part, ())) and not _is_among(name, CARD_FILES)


def _is_among(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _check_model(folder: Path, *model_types: str) -> dict[str, Any]:
    """The configuration of a model's folder that has all it needs: weights, processor and tokenizer, if it reads."""
    config_file = folder / "config.json"
    if not config_file.is_file():
        hint = ""
        if (folder / "checkpoint" / "config.json").is_file():
            hint = f" The output of a training has its checkpoint inside: push {folder / 'checkpoint'}."
        raise CheckpointError(f"{folder} is no checkpoint: it has no config.json.{hint}")
    config = read_configuration(config_file)
    model_type = config.get("model_type")
    if model_type not in model_types:
        raise CheckpointError(
            f"{folder} is no checkpoint of this kind: {config_file} has the model type {model_type!r},"
            f" not {model_types[0]!r}. Other models have a push_to_hub of their own."
        )
    weights = ["model.safetensors"]
    if not (folder / weights[0]).is_file() and (folder / WEIGHTS_INDEX).is_file():
        weights = sorted(set(read_configuration(folder / WEIGHTS_INDEX).get("weight_map", {}).values()))
    reads = model_type != RetrievalOnlyConfig.model_type
    for name in (*NEEDED, *([TOKENIZER_CONFIG] if reads else []), *weights):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} lacks {name}: save the checkpoint again, model and processor both.")
    for name in weights:
        _check_weights(folder / name)
    return config


def _check_adapter(folder: Path) -> None:
    """Sees that others can load an adapter: its weights, and the base that they change."""
    if not (folder / ADAPTER_SAFE_WEIGHTS_NAME).is_file():
        raise CheckpointError(f"{folder} lacks {ADAPTER_SAFE_WEIGHTS_NAME}: save the adapter again.")
    _check_weights(folder / ADAPTER_SAFE_WEIGHTS_NAME)
    config_file = folder / ADAPTER_CONFIG_NAME
    base = read_configuration(config_file).get("base_model_name_or_path")
    if not is_hub_id(base):
        raise CheckpointError(
            f"{config_file} has the base {base!r}, which nobody finds on the Hub: push the base first, and write its"
            " id there as `base_model_name_or_path`."
        )


def _check_weights(file: Path) -> None:
    try:
        with safe_open(file, framework="pt"):
            pass
    except SafetensorError as error:
        raise CheckpointError(f"{file} is cut short or damaged ({error}): save it again.") from error
