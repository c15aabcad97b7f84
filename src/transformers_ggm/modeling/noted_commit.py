"""Where a model was loaded from: which commit on the Hub, and for `pipeline()` how it got there."""

from huggingface_hub.constants import DEFAULT_REVISION

try:
    from transformers.utils.hub import resolve_revision
except ImportError:  # versions that note the commit themselves
    resolve_revision = None

_HUB_ARGUMENTS = ("token", "cache_dir", "local_files_only")
# The attribute of a model that `pipeline()` loaded, for its pipeline class to take off.
PIPELINE_SOURCE = "_pipeline_source"


class NotedCommitMixin:
    """
    Notes in `config._commit_hash` the commit that a model was loaded from, as older versions of transformers do: what
    belongs to the model is then taken from that commit too, whatever was pushed since.

    On a model that `pipeline()` loads it notes more, in [`PIPELINE_SOURCE`]: a dict of the `adapter` that was named
    (or `None`), the `revision` that was asked for, and `hub`, the arguments with which the model itself was fetched.
    `pipeline()` does not hand them to its pipeline class.
    """

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, revision=DEFAULT_REVISION, **kwargs):
        """As in transformers."""
        hub = {name: kwargs[name] for name in _HUB_ARGUMENTS if name in kwargs}
        if resolve_revision is not None:
            revision = resolve_revision(pretrained_model_name_or_path, revision, **hub)
        # Older versions of transformers pass the commit beside the revision that was asked for.
        hub["revision"] = kwargs.get("_commit_hash") or revision
        adapter = (kwargs.get("adapter_kwargs") or {}).get("_adapter_model_path")
        is_for_pipeline = kwargs.get("_from_pipeline") is not None
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, revision=revision, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        commit = getattr(revision, "resolved", None)
        # Of an adapter the base model is loaded, which comes from another repository.
        if commit is not None and model.name_or_path == str(pretrained_model_name_or_path):
            model.config._commit_hash = commit
        if is_for_pipeline:
            asked = getattr(revision, "initial", revision)
            setattr(model, PIPELINE_SOURCE, {"adapter": adapter, "revision": asked, "hub": hub})
        return loaded


__all__ = ["PIPELINE_SOURCE", "NotedCommitMixin"]
