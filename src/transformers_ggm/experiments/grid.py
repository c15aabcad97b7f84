"""
What is to be run: systems x corpora x seeds, as cells that know what they need and are found again by their settings.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..data.stamps import data_stamp
from ..processing.modalities import TEXTS
from ..utils.yaml_files import read_yaml_mapping
from ..version import __version__
from .systems import RETRIEVER, SOURCE_ARGUMENTS, SYSTEMS, System, parse_system

# Arguments that decide how clips are decoded.
DECODING = {
    "data_dir", "scratch_config", "vision", "audio", "text", "retriever", "vision_from_retriever", "on_error",
    "decoding_workers", "blank_video", "row_texts",
}  # fmt: skip
# Arguments that name texts which a system reads.
_READING = ("inputs", "retriever_texts")
# Arguments that the retriever does not read. One too few here costs one more training, never a wrong result.
NOT_THE_RETRIEVERS = {
    "vision", "text", "audio", "vision_from_retriever", "freeze_vision", "inputs", "fusion",
    "frame_position_embedding", "patch_pooling", "pointer_head", "fusion_num_attention_heads", "fusion_dropout",
    "text_position_embedding", "position_biased_input", "restart_positions",
    "num_guidance", "max_text_length", "max_target_length", "target_order", "guidance_dropout", "frame_dropout",
    "audio_dropout", "description_dropout", "learning_rate",
    "num_train_epochs", "max_steps", "per_device_train_batch_size", "warmup_steps", "generation_num_beams",
    "num_best_checkpoints", "label_smoothing_factor", "gradient_accumulation_steps", "metric_for_best_model",
    *SOURCE_ARGUMENTS,
}  # fmt: skip
# Of systems with many sources, where the corpus names none.
DEFAULT_SOURCES = ["pool", "posts", "words", "frequent", "generator"]
CORPUS_KEYS = {"data_dir", "config", "arguments", "systems", "seeds", "guidance_sizes"}
GRID_KEYS = {"corpora", "systems", "seeds", "guidance_sizes", "bert_score"}
# Not every corpus has clips: TF-IDF, the classifiers and GGM with its parts switched off are the paper's Table 2.
NOT_BY_DEFAULT = ("prompted", "ggm_guided_by_tfidf", "fused", "ggm_fused", "recommender", "right")
DEFAULT_SYSTEMS = [name for name in SYSTEMS if not name.startswith(NOT_BY_DEFAULT)]


@dataclass(frozen=True)
class Cell:
    """
    One training and its predictions, or what several share.

    Args:
        corpus (`str`): the corpus' name.
        kind (`str`): one of a [`System`], or `"data"`: the clips decoded once.
        arguments (`dict`): of `train.py`, or of the method.
        seed (`int`).
        data (`str`): the stamp of the data: another one when they change.
        needs (`dict[str, Cell]`): finished cells that it builds on, by the part they play: `"data"`, `"retriever"`,
            `"guidance"`, `"generator"`.
    """

    corpus: str
    kind: str
    arguments: Mapping[str, Any]
    seed: int
    data: str
    needs: Mapping[str, "Cell"] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that the result depends on, ready for JSON."""
        return {
            "corpus": self.corpus,
            "kind": self.kind,
            "arguments": dict(self.arguments),
            "seed": self.seed,
            "data": self.data,
            "needs": {part: cell.name for part, cell in self.needs.items()},
            "version": __version__,
        }

    @cached_property
    def key(self) -> str:
        """
        A short fingerprint of the settings, with the stamp of the data, and of the scratch configuration they name.
        """
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode())
        if self.arguments.get("scratch_config"):
            digest.update(Path(self.arguments["scratch_config"]).read_bytes())
        return digest.hexdigest()[:10]

    @property
    def name(self) -> str:
        """The cell's folder below `cells/`."""
        return f"{self.corpus}/{self.kind}-seed{self.seed}-{self.key}"


@dataclass(frozen=True)
class Corpus:
    """
    One corpus of the grid.

    Args:
        name (`str`).
        arguments (`dict`): of `train.py`, with `data_dir`, for every system.
        systems (`list[System]`): in the order of the tables.
        seeds (`list[int]`).
        guidance_sizes (`list[int]`): of Table 3; empty for no sweep.
        data (`str`): the stamp of the data.
    """

    name: str
    arguments: Mapping[str, Any]
    systems: list[System]
    seeds: list[int]
    guidance_sizes: list[int]
    data: str

    def cell(self, system: System, seed: int) -> Cell:
        """The cell of a system, with all that it needs."""
        arguments = {**self.arguments, **system.arguments, **self._rows}
        decoding = {name: arguments[name] for name in sorted(DECODING & arguments.keys())}
        needs = {"data": Cell(self.name, "data", decoding, 0, self.data)}
        if system.kind == "text":  # which nothing random is in
            return Cell(self.name, "text", {**decoding, "method": arguments["method"]}, 0, self.data, needs)
        if system.kind in ("retriever", "fused"):
            wanted = sorted(arguments.keys() - NOT_THE_RETRIEVERS - _classifiers(arguments))
            if system.kind == "fused":
                return self._fused({name: arguments[name] for name in wanted}, system, seed, needs)
            return Cell(self.name, "retriever", {name: arguments[name] for name in wanted}, seed, self.data, needs)
        if system.kind == "recommender":
            return self._recommender(arguments, system, seed, needs)
        arguments = {name: value for name, value in arguments.items() if name not in SOURCE_ARGUMENTS}
        if system.kind == "prompted":
            arguments = decoding | {
                name: arguments[name] for name in ("num_guidance", "prompting") if name in arguments
            }
        guided = system.kind != "classifier" and arguments.get("num_guidance") != 0
        if guided:
            needs["guidance"] = self.cell(self._system(system.guided_by), seed)
        if arguments.get("vision_from_retriever") and _sees(system, arguments):
            needs["retriever"] = self.cell(self._system(RETRIEVER), seed)
        return Cell(self.name, system.kind, arguments, seed, self.data, needs)

    @cached_property
    def _rows(self) -> dict[str, Any]:
        """What keeps the same rows for all systems, whatever texts each of them reads."""
        told = [self.arguments, *(system.arguments for system in self.systems)]
        read = [arguments[name] for arguments in told for name in _READING if name in arguments]
        names = {name for names in read for name in ([names] if isinstance(names, str) else names)}
        texts = [name for name in TEXTS[1:] if name in names]
        return {"row_texts": texts} if texts else {}

    def _sources(self, system: System) -> dict[str, Any]:
        """The arguments that choose the sources of a system: its own, those of the corpus, or the default."""
        chosen = {"sources": DEFAULT_SOURCES, **self.arguments, **system.arguments}
        if "classifier" in chosen["sources"]:
            raise ValueError(f"The system {system.name!r}: experiments have no 'classifier' among the `sources`.")
        return {name: chosen[name] for name in SOURCE_ARGUMENTS if name in chosen}

    def _fused(self, arguments: Mapping[str, Any], system: System, seed: int, needs: dict[str, Cell]) -> Cell:
        """Several sources as guidance, by the retriever that others have too where the pool is among them."""
        chosen = self._sources(system)
        # The generator is what is guided, and the ranker comes after it.
        chosen["sources"] = [name for name in chosen["sources"] if name != "generator"]
        for of_ranker in ("ranker_hidden_size", "plausibility"):
            chosen.pop(of_ranker, None)
        if "pool" in chosen["sources"]:
            needs["retriever"] = self.cell(self._system(RETRIEVER), seed)
        return Cell(self.name, "fused", {**arguments, **chosen}, seed, self.data, needs)

    def _recommender(self, arguments: Mapping[str, Any], system: System, seed: int, needs: dict[str, Cell]) -> Cell:
        """All sources and a ranker, with the generator that the fused ones guide."""
        needs["guidance"] = self.cell(self._system(system.guided_by), seed)
        needs["generator"] = self.cell(replace(self._system("ggm_fused"), guided_by=system.guided_by), seed)
        return Cell(self.name, "recommender", {**arguments, **self._sources(system)}, seed, self.data, needs)

    def sweep(self, seed: int) -> dict[int, Cell]:
        """Table 3: GGM with so many hashtags of guidance."""
        ggm = self._system("ggm")
        return {k: self.cell(ggm.with_arguments(num_guidance=k), seed) for k in self.guidance_sizes}

    def cells(self) -> list[Cell]:
        """Every cell, what others need before them, each once."""
        found: dict[str, Cell] = {}
        for seed in self.seeds:
            for system in self.systems:
                _collect(self.cell(system, seed), found)
            for cell in self.sweep(seed).values():
                _collect(cell, found)
        return list(found.values())

    def _system(self, name: str) -> System:
        """The system as this corpus has it, also one that has no row of its own."""
        return next((system for system in self.systems if system.name == name), None) or parse_system(name)


def _classifiers(arguments: Mapping[str, Any]) -> set[str]:
    return {name for name in arguments if name.startswith("classifier_")}


def _sees(system: System, arguments: Mapping[str, Any]) -> bool:
    """Whether a system has a vision encoder."""
    modalities = arguments.get("classifier_modalities" if system.kind == "classifier" else "inputs", ["video"])
    return system.kind != "prompted" and "video" in modalities


def _collect(cell: Cell, found: dict[str, Cell]) -> None:
    for needed in cell.needs.values():
        _collect(needed, found)
    found.setdefault(cell.name, cell)


@dataclass(frozen=True)
class Grid:
    """The corpora to run, and the model of BERTScore, if it is wanted: see [`read_grid`]."""

    corpora: list[Corpus]
    bert_score: Mapping[str, Any] | None = None

    def cells(self) -> list[Cell]:
        """Every cell of every corpus, what others need before them."""
        return [cell for corpus in self.corpora for cell in corpus.cells()]


def read_grid(path: str | Path) -> Grid:
    """
    Reads a configuration of experiments, a YAML file with

    - `corpora`: a mapping of names to `data_dir` (a folder of shorts or a prepared set), `config` (a YAML file of
      `train.py` arguments), `arguments` (further ones), and, where they differ from the grid's, `systems`, `seeds` and
      `guidance_sizes`;
    - `systems`: names of [`SYSTEMS`], or mappings; see [`parse_system`]. By default the paper's and the text
      baselines;
    - `seeds` (default `[0]`): each system is trained once for each;
    - `guidance_sizes` (default none): the numbers of guidance hashtags of Table 3;
    - `bert_score`: arguments of [`BertScorer`], to have BERTScore in Table 2.

    Paths are relative to the working directory.

    Raises:
        ValueError: the file cannot be read, or has missing or unknown keys; names file and key.
        DatasetError: a corpus cannot be read.
    """
    content = read_yaml_mapping(path, "names to values, one a line")
    _check_keys(content, GRID_KEYS, {"corpora"}, str(path))
    corpora = []
    for name, entry in content["corpora"].items():
        place = f"{path}, corpus {name!r}"
        if not re.fullmatch(r"[\w-]+", str(name)):
            raise ValueError(f"{place}: the name is a folder's too, so give it letters, digits, '_' and '-' only.")
        _check_keys(entry, CORPUS_KEYS, {"data_dir"}, place)
        arguments = read_yaml_mapping(entry["config"], "names to values, one a line") if "config" in entry else {}
        arguments |= {"data_dir": str(entry["data_dir"]), **entry.get("arguments", {})}
        if not Path(arguments["data_dir"]).is_dir():
            raise ValueError(f"{place}: `data_dir` {arguments['data_dir']} is no folder.")
        for owned in ("output_dir", "seed"):
            arguments.pop(owned, None)
        merged = {**content, **entry}
        systems = [parse_system(system) for system in merged.get("systems", DEFAULT_SYSTEMS)]
        seeds, sizes = merged.get("seeds", [0]), merged.get("guidance_sizes", [])
        corpora.append(Corpus(name, arguments, systems, seeds, sizes, data_stamp(arguments["data_dir"])))
    return Grid(corpora, content.get("bert_score"))


def _check_keys(content: Any, known: set[str], needed: set[str], place: str) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{place} must map names to values.")
    if unknown := sorted(content.keys() - known):
        raise ValueError(f"{place} has unknown keys {unknown}; known are {sorted(known)}.")
    if missing := sorted(needed - content.keys()):
        raise ValueError(f"{place} lacks {missing}.")
