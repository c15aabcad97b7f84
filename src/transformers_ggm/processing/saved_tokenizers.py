"""Loading the tokenizer that a processor was saved with."""

from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase


def load_tokenizer(name_or_path: str, **kwargs) -> PreTrainedTokenizerBase:
    """
    A tokenizer of which `tokenizer_config.json` tells all, as saved ones do.

    Left to itself, `AutoTokenizer` reads the configuration of the model too, and where that names code which came with
    the checkpoint, it asks whether to run it, although a tokenizer of ours never needs it.

    Args:
        name_or_path (`str`): Folder or Hub id.
        **kwargs: `revision`, `token`, `cache_dir`, `subfolder`, `local_files_only`.
    """
    return AutoTokenizer.from_pretrained(name_or_path, config=PreTrainedConfig(), **kwargs)
