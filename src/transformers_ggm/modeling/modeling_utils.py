"""Where a model was loaded from: which commit on the Hub, and how it was fetched."""

from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from huggingface_hub.constants import DEFAULT_REVISION
from transformers import PreTrainedModel

from ..errors import CheckpointError
from .peft_versions import peft_mismatch

try:
    from transformers.utils.hub import resolve_revision
except ImportError:  # versions that note the commit themselves
    resolve_revision = None

_Model = TypeVar("_Model", bound="NotedCommitMixin")
_HUB_ARGUMENTS = ("token", "cache_dir", "local_files_only")


@dataclass(frozen=True)
class ModelSource:
    """
    Args:
        hub (`dict`): `revision` (a commit, where the model came from the Hub), `token`, `cache_dir` and
            `local_files_only`, as far as they were given.
        asked_revision (`str`, *optional*): the revision that was asked for.
        adapter (`str`, *optional*): the adapter that was named, of which the model is the base.
        requested_dtype (`str` or `torch.dtype`, *optional*): the type that was asked for; `pipeline()` asks for
            `"auto"` where its user named none.
    """

    hub: dict[str, Any]
    asked_revision: str | None
    adapter: str | None
    requested_dtype: Any = None


# Not on the models: there may be a token among it, which is not to be saved or copied with them.
_SOURCES: WeakKeyDictionary[PreTrainedModel, ModelSource] = WeakKeyDictionary()


def source_of(model: PreTrainedModel) -> ModelSource | None:
    """How a model was loaded; `None` for one that was not."""
    return _SOURCES.get(model)


class NotedCommitMixin:
    """
    Notes in `config._commit_hash` the commit that a model was loaded from, as older versions of transformers do: what
    belongs to the model is then taken from that commit too, whatever was pushed since. [`source_of`] tells the rest,
    which `pipeline()` does not hand to its pipeline class.
    """

    @classmethod
    def from_pretrained(
        cls: type[_Model], pretrained_model_name_or_path, *model_args, revision=DEFAULT_REVISION, **kwargs
    ) -> _Model:
        """As in transformers."""
        hub = {name: kwargs[name] for name in _HUB_ARGUMENTS if name in kwargs}
        if resolve_revision is not None:
            revision = resolve_revision(pretrained_model_name_or_path, revision, **hub)
        # Older versions of transformers note the commit in the configuration, and pass on that or the commit itself.
        noted = getattr(kwargs.get("config"), "_commit_hash", None)
        hub["revision"] = kwargs.get("_commit_hash") or noted or revision
        adapter = (kwargs.get("adapter_kwargs") or {}).get("_adapter_model_path")
        if adapter is not None and (mismatch := peft_mismatch()):
            raise CheckpointError(f"{adapter} is an adapter. {mismatch}")
        requested_dtype = kwargs.get("dtype")
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, revision=revision, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        commit = getattr(revision, "resolved", None)
        # Of an adapter the base model is loaded, which comes from another repository.
        if commit is not None and model.name_or_path == str(pretrained_model_name_or_path):
            model.config._commit_hash = commit
        asked = getattr(revision, "initial", revision)
        adapter = None if adapter is None else str(adapter)
        _SOURCES[model] = ModelSource(hub, asked, adapter, requested_dtype)
        return loaded


class UnsplitLayersMixin:
    """
    Leaves in `_no_split_modules` what a model really has. transformers collects there the layers of all its backbones
    as their families name them, of a tower also those of its other half, and accelerate looks for every one of them.
    """

    def post_init(self):
        """As in transformers."""
        super().post_init()
        self._no_split_modules &= {type(module).__name__ for module in self.modules()}


class OneEmbeddingMixin:
    """
    For models whose word embeddings are one module with several names, not several with one weight, which transformers
    takes for loaded.
    """

    def mark_tied_weights_as_initialized(self, loading_info):
        """
        As in transformers, but where a checkpoint has the embeddings by none of their names, they are missing.
        """
        missing = set(loading_info.missing_keys)
        super().mark_tied_weights_as_initialized(loading_info)
        for source in missing & set(self.all_tied_weights_keys.values()):
            names = {target for target, of_target in self.all_tied_weights_keys.items() if of_target == source}
            if names <= missing:
                self.get_parameter(source)._is_hf_initialized = False
                loading_info.missing_keys.add(source)


__all__ = ["ModelSource", "NotedCommitMixin", "OneEmbeddingMixin", "UnsplitLayersMixin", "source_of"]
