"""Which commit on the Hub a model comes from."""

from huggingface_hub.constants import DEFAULT_REVISION

try:
    from transformers.utils.hub import resolve_revision
except ImportError:  # versions that note the commit themselves
    resolve_revision = None

_HUB_ARGUMENTS = ("token", "cache_dir", "local_files_only")


class NotedCommitMixin:
    """
    Notes in `config._commit_hash` the commit that a model was loaded from, as older versions of transformers do: what
    belongs to the model is then taken from that commit too, whatever was pushed since.
    """

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, revision=DEFAULT_REVISION, **kwargs):
        """As in transformers."""
        if resolve_revision is not None:
            hub = {name: kwargs[name] for name in _HUB_ARGUMENTS if name in kwargs}
            revision = resolve_revision(pretrained_model_name_or_path, revision, **hub)
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, revision=revision, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        commit = getattr(revision, "resolved", None)
        # Of an adapter the base model is loaded, which comes from another repository.
        if commit is not None and model.name_or_path == str(pretrained_model_name_or_path):
            model.config._commit_hash = commit
        return loaded


__all__ = ["NotedCommitMixin"]
