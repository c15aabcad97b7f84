"""The paper's tables on one corpus, each made of what the cells left behind."""

from collections.abc import Iterator

import numpy as np

from ..evaluation.frequency import BUCKETS, f1_by_frequency
from ..evaluation.intervals import Interval, bootstrap_intervals
from ..evaluation.metrics import hashtag_metrics_per_video
from ..evaluation.novelty import novelty_metrics, unseen_recalled
from ..evaluation.recall import recall_at_k_per_video
from .results import CorpusResults, SystemResult
from .table import Table, Value

TITLES = {
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "bertscore_f1": "BERTScore F1",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "f1_of_means": "F1 of means",
}
# Kinds of systems whose hashtags may be new.
WRITING = ("generator", "recommender", "prompted")
RECALL_KS = (1, 5, 10, 25, 50, 100)
_INTERVALS = "Means over {videos} test rows and all seeds, with 95 % intervals over rows."


def make_tables(results: CorpusResults) -> list[Table]:
    """Every table that the corpus' systems have something for."""
    tables = [
        systems_table(results),
        sweep_table(results),
        recall_table(results),
        unseen_table(results),
        novelty_table(results),
        parameters_table(results),
        frequency_table(results),
        costs_table(results),
    ]
    return [table for table in tables if table.rows]


def systems_table(results: CorpusResults) -> Table:
    """Table 2: all systems."""
    return _metrics_table(results, "table_2_systems", "Table 2: systems", "system", results.systems.values())


def sweep_table(results: CorpusResults) -> Table:
    """Table 3: how much guidance, and the classifier's instead of the retriever's."""
    rows = list(results.sweep.values())
    for name in ("ggm_guided_by_vit",) if rows else ():
        rows += [results.systems[name]] if name in results.systems else []
    return _metrics_table(results, "table_3_guidance", "Table 3: guidance", "system", rows)


def _metrics_table(results: CorpusResults, name: str, title: str, what: str, systems) -> Table:
    names = [key for key in TITLES if key != "bertscore_f1" or results.bert_scorer is not None]
    table = Table(name, title, [what, "seeds", *(TITLES[key] for key in names), "sd of ROUGE-1 over seeds"])
    table.notes = [_INTERVALS.format(videos=len(results.references))]
    for system in systems:
        table.notes += [f"{system.title}, {failure}" for failure in system.failures]
        if not system.finished:
            table.rows.append([system.title, 0, system.state, *[None] * len(names)])
            continue
        intervals = results.intervals(system)
        metrics: list[Value] = [intervals[key] for key in names]
        table.rows.append([system.title, len(system.finished), *metrics, results.spread(system, "rouge1")])
    return table


def recall_table(results: CorpusResults) -> Table:
    """Table 4: recall@k of all that rank hashtags."""
    num_hashtags = len(results.training_counts)
    ks = [k for k in RECALL_KS if k < num_hashtags]
    table = Table("table_4_recall", "Table 4: recall@k", ["system", *(f"recall@{k}" for k in ks)])
    table.notes = [f"Training has {num_hashtags:,} hashtags to choose from."]
    for system in results.systems.values():
        ranked = [cell.ranked for cell in system.finished if cell.ranked is not None]
        if ranked and ks:
            recalls = [recall_at_k_per_video(found, results.references, ks) for found in ranked]
            means = {str(k): np.mean([recall[k] for recall in recalls], axis=0) for k in ks}
            table.rows.append([system.title, *bootstrap_intervals(means).values()])
    return table


def unseen_table(results: CorpusResults) -> Table:
    """Table 5: clips with hashtags that training lacks, without and with those hashtags in the pool."""
    headers = ["system", "pool", "unseen hashtags recalled", "of", "rows", "ROUGE-1", "F1"]
    table = Table("table_5_unseen", "Table 5: hashtags that training lacks", headers)
    table.notes = ["The pool grows after training; the models are the same. Numbers are means over seeds."]
    for system in results.systems.values():
        found = [cell.unseen for cell in system.finished if cell.unseen is not None]
        for pool, title in (("pool_without", "without them"), ("pool_with", "with them")) if found else ():
            truth = found[0]["references"]
            counts = [unseen_recalled(unseen[pool], truth, unseen["unseen"]) for unseen in found]
            metrics = [hashtag_metrics_per_video(unseen[pool], truth) for unseen in found]
            means = {key: np.mean([metric[key] for metric in metrics], axis=0) for key in ("rouge1", "f1")}
            recalled = float(np.mean([count["unseen_recalled"] for count in counts]))
            numbers = [recalled, counts[0]["unseen_hashtags"], len(truth), *bootstrap_intervals(means).values()]
            table.rows.append([system.title, title, *numbers])
    return table


def novelty_table(results: CorpusResults) -> Table:
    """What systems write that training never had."""
    headers = ["system", "share novel", "uses", "distinct", "share of uses that are right", "novelty gain"]
    table = Table("novelty", "Hashtags that training lacks, made up", headers)
    for system in results.systems.values():
        cells = system.finished if any(cell.cell.kind in WRITING for cell in system.cells) else []
        if cells:
            metrics = [
                novelty_metrics(cell.predictions, results.references, results.training_counts) for cell in cells
            ]
            names = ("novel_share", "novel_uses", "novel_hashtags", "novel_precision", "novelty_gain")
            table.rows.append([system.title, *(float(np.mean([f[name] for f in metrics])) for name in names)])
    return table


def parameters_table(results: CorpusResults) -> Table:
    """Table 7: parameters, of the system itself and of what guides it."""
    headers = ["system", "trained parameters", "all parameters", "of its guidance, trained"]
    table = Table("table_7_parameters", "Table 7: parameters", headers)
    for system in results.systems.values():
        costs = system.finished[0].result["costs"] if system.finished else {}
        if "parameters" in costs:
            guidance = sum(cost.get("trainable_parameters", 0) for cost in _costs_below(results, system))
            table.rows.append([system.title, costs["trainable_parameters"], costs["parameters"], guidance])
    return table


def frequency_table(results: CorpusResults) -> Table:
    """F1 of frequent and rare hashtags."""
    table = Table("frequency", "F1 by frequency of the hashtag in training", ["system", *BUCKETS])
    table.notes = [
        "Head: the most frequent hashtags, which make up a third of all uses in training; middle and tail: the second "
        "and the last third; unseen: not in training. F1 over all rows together."
    ]
    for system in results.systems.values():
        if system.finished:
            metrics = frequency_metrics(results, system)
            table.rows.append([system.title, *(metrics.get(bucket) for bucket in BUCKETS)])
    return table


def frequency_metrics(results: CorpusResults, system: SystemResult) -> dict[str, Interval]:
    """F1 of a system by bucket."""
    predictions = [cell.predictions for cell in system.finished]
    return f1_by_frequency(predictions, results.references, results.training_counts)


def costs_table(results: CorpusResults) -> Table:
    """Minutes, speed and memory of every system, and of GGM with more or less guidance."""
    headers = ["system", "training, minutes", "of its guidance, minutes", "videos per second", "peak memory, MiB"]
    table = Table("costs", "Time and memory", headers)
    machines, resumed = set(), False
    for system in [*results.systems.values(), *results.sweep.values()]:
        if not system.finished:
            continue
        own = [cell.result["costs"] for cell in system.finished]
        below = list(_costs_below(results, system))
        resumed = resumed or any(cost["is_resumed"] for cost in own + below)
        machines |= {_machine(cost) for cost in own}
        minutes, guidance = (sum(cost.get("train_seconds", 0) for cost in costs) / 60 for costs in (own, below))
        seconds = sum(cost.get("inference_seconds", 0) for cost in own + below) / len(own)
        memory = max(cost["peak_memory_mib"] for cost in own + below)
        speed = len(results.references) / max(seconds, 1e-9)
        table.rows.append([system.title, minutes / len(own), guidance / len(own), speed, memory])
    table.notes = [
        f"Measured on {'; '.join(sorted(machines))}. Means over seeds. Speed is that of the test rows with decoded "
        "frames, guidance included; memory is the process' largest."
    ]
    if resumed:
        table.notes.append("Some trainings were interrupted and resumed: their minutes are those since then.")
    return table


def _machine(costs: dict) -> str:
    gpu = f", {costs['gpu']}" if "gpu" in costs else ""
    return f"{costs['processor']}{gpu} ({costs['threads']} of {costs['cores']} cores)"


def _costs_below(results: CorpusResults, system: SystemResult) -> Iterator[dict]:
    """Costs of the cells that guide a system's cells."""
    for cell in system.finished:
        if guide := cell.cell.needs.get("guidance"):
            yield type(cell)(guide, results.output_dir).result["costs"]
