"""The systems that are compared: the paper's (appendix A), three that only count words, and those of many sources."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

KINDS = ("text", "retriever", "classifier", "fused", "generator", "recommender", "prompted")
RETRIEVER = "retriever"
# Arguments of `train.py` that choose sources: for the kinds that have some alone, all others are the paper's.
SOURCE_ARGUMENTS = ("sources", "text_encoder", "neighbours", "ranker_hidden_size", "plausibility")


@dataclass(frozen=True)
class System:
    """
    One row of the tables.

    Args:
        name (`str`): as configurations name it.
        title (`str`): as tables name it.
        kind (`str`): what trains and predicts: `"text"` (a text baseline), `"retriever"` (its top k alone),
            `"classifier"`, `"fused"` (several sources joined to guidance, its top k alone), `"generator"` (GGM with
            all or some of its parts), `"recommender"` (all sources, the generator among them, and a ranker) or
            `"prompted"` (a vision-language model that is not trained).
        arguments (`dict`): arguments of `train.py` that differ from the corpus' own; for `"text"` the `method`, for
            `"prompted"` the arguments of [`VisionLanguagePrompting`].
        guided_by (`str`): the system whose ranked hashtags are the guidance: the retriever's, unless told otherwise.
    """

    name: str
    title: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    guided_by: str = RETRIEVER

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"The system {self.name!r} is of the kind {self.kind!r}: choose one of {KINDS}.")
        object.__setattr__(self, "arguments", MappingProxyType(dict(self.arguments)))

    def with_arguments(self, **arguments) -> "System":
        """The same system with further arguments."""
        return replace(self, arguments={**self.arguments, **arguments})


SYSTEMS = {
    system.name: system
    for system in (
        System("most_frequent", "most frequent hashtags", "text", {"method": "most_frequent"}),
        System("tfidf_neighbours", "TF-IDF, nearest neighbours", "text", {"method": "tfidf_neighbours"}),
        System("tfidf_regression", "TF-IDF, logistic regression", "text", {"method": "tfidf_regression"}),
        System("bert", "BERT", "classifier", {"classifier_modalities": ["text"]}),
        System("vit", "ViT", "classifier", {"classifier_modalities": ["video"]}),
        System("vit_bert", "ViT-BERT", "classifier", {"classifier_modalities": ["text", "video"]}),
        System(RETRIEVER, "VLM (the retriever's nearest)", "retriever"),
        System("bart", "BART", "generator", {"inputs": ["text"], "num_guidance": 0}),
        System("trocr_fid", "TrOCR-FiD", "generator", {"inputs": ["video"], "fusion": "decoder", "num_guidance": 0}),
        System(
            "vg_bart",
            "VG-BART",
            "generator",
            {"inputs": ["text", "video"], "num_guidance": 0, "freeze_vision": True},
        ),
        System("ggm_without_sound", "GGM without sound", "generator", {"inputs": ["text", "video"]}),
        System("ggm", "GGM", "generator"),
        System("ggm_without_guidance", "GGM without guidance", "generator", {"num_guidance": 0}),
        System("ggm_guided_by_vit", "GGM guided by ViT", "generator", guided_by="vit"),
        System("ggm_guided_by_tfidf", "GGM guided by TF-IDF", "generator", guided_by="tfidf_neighbours"),
        System("fused", "fused sources", "fused"),
        System("ggm_fused", "GGM guided by fused sources", "generator", guided_by="fused"),
        System("recommender", "all sources and a ranker", "recommender", guided_by="fused"),
        # Fan et al. (ECIR 2024): hashtags of similar posts, selected with how often all use them, guide a generator.
        System("right_selector", "RIGHT's selector", "fused", {"sources": ["posts", "frequent"]}),
        System("right", "RIGHT", "generator", guided_by="right_selector"),
        System("prompted", "prompted vision-language model", "prompted", {"num_guidance": 0}),
        System("prompted_with_guidance", "prompted vision-language model, with guidance", "prompted"),
    )
}


def parse_system(entry: str | Mapping[str, Any], known: Mapping[str, System] = SYSTEMS) -> System:
    """
    Reads one entry of a configuration's `systems`: the name of a known system; or a mapping with `name`, which changes
    a known one (`arguments`, `title`, `guided_by`) or, with `base`, derives a new one from it.

    Raises:
        ValueError: an unknown name or key.

    Example:

    ```python
    >>> from transformers_ggm.experiments.systems import parse_system
    >>> system = parse_system({"name": "ggm_k5", "base": "ggm", "title": "GGM, 5", "arguments": {"num_guidance": 5}})
    >>> system.kind, dict(system.arguments)
    ('generator', {'num_guidance': 5})

    ```
    """
    entry = {"name": entry} if isinstance(entry, str) else dict(entry)
    if unknown := sorted(entry.keys() - {"name", "base", "title", "arguments", "guided_by"}):
        raise ValueError(f"The system {entry.get('name')!r} has unknown keys: {unknown}.")
    name = entry.pop("name", None)
    base = known.get(entry.pop("base", name))
    if name is None or base is None:
        raise ValueError(f"The system {name!r} is unknown: give one of {sorted(known)} as its `name` or `base`.")
    arguments = {**base.arguments, **entry.pop("arguments", {})}
    title = entry.pop("title", base.title if name == base.name else name)
    return replace(base, name=name, title=title, arguments=arguments, **entry)
