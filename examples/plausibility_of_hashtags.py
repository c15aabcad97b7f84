"""
Measures what a masked language model knows of hashtags: whether it tells authors' hashtags from damaged ones, whether
it finds the right ones among new ones, and whether it helps a ranker (docs/recommendation.md).

    python examples/plausibility_of_hashtags.py --data_dir DATA/tweets --output_dir outputs/plausibility

`DATA/tweets` has `train`, `validation` and `test`, each with a `metadata.jsonl` (docs/data.md). A small model is
trained on the descriptions of `train` and the words of their hashtags, or `--model` names any masked language model.
Weights and the ranker are chosen on `validation`. What was trained lies in `--output_dir`, and is not trained again.

Needs `pip install transformers-ggm[recommend,eval]`.
"""

import json
import random
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import regex
import torch
from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForTokenClassification,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedTokenizerFast,
    get_linear_schedule_with_warmup,
)
from wordfreq import zipf_frequency

from transformers_ggm import PostIndex
from transformers_ggm.evaluation import bootstrap_intervals, hashtag_metrics_per_video, paired_test
from transformers_ggm.recommendation import (
    CandidateFeatures,
    FrequentSource,
    HistorySource,
    PostsSource,
    Recommender,
    WordsSource,
    clues_of,
    fit_ranker,
)
from transformers_ggm.recommendation.features import PLAUSIBILITY, SHORTLIST
from transformers_ggm.recommendation.plausibility import (
    DistilledPlausibilityScorer,
    PlausibilityScorer,
    best_weight,
    distill_plausibility,
    load_scorer,
    rerank,
)
from transformers_ggm.utils.hashtag_words import split_hashtag

SPECIAL = {
    name: f"[{name[:-6].upper()}]" for name in ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
}
MASKED_SHARE = 0.2
NOT_A_TARGET = -100
# Of the words of a text that a new hashtag is composed of.
MOST_WORDS = 3


class PlainScorer(PlausibilityScorer):
    """The first pseudo-log-likelihood (Salazar et al., 2020): the other tokens of a word are seen."""

    def _masked(self, word: list[int], first: int) -> list[int]:
        return [word[first]]


class RememberingScorer:
    """Asks a scorer for each hashtag of a description once."""

    def __init__(self, scorer: PlausibilityScorer):
        self.scorer, self.known = scorer, {}

    def score(self, descriptions: Sequence[str], hashtags: Sequence[Sequence[str]]) -> list[list[float]]:
        keys = [[(description, tag) for tag in row] for description, row in zip(descriptions, hashtags)]
        new = [list(dict.fromkeys(key for key in row if key not in self.known)) for row in keys]
        found = self.scorer.score(descriptions, [[tag for _, tag in row] for row in new])
        self.known.update((key, one) for row, of_row in zip(new, found) for key, one in zip(row, of_row))
        return [[self.known[key] for key in row] for row in keys]


@dataclass(frozen=True)
class PerScorer:
    """The same scores, which are per word, of all words together or per letter."""

    scorer: RememberingScorer
    unit: Callable[[str], int]

    def score(self, descriptions: Sequence[str], hashtags: Sequence[Sequence[str]]) -> list[list[float]]:
        scores = self.scorer.score(descriptions, hashtags)
        return [
            [one * len(split_hashtag(tag)) / self.unit(tag) for one, tag in zip(*row)] for row in zip(scores, hashtags)
        ]


@dataclass(frozen=True)
class Counted:
    """A baseline that looks at the hashtag alone."""

    value_of: Callable[[str], float]

    def score(self, descriptions: Sequence[str], hashtags: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[float(self.value_of(tag)) for tag in row] for row in hashtags]


def main() -> None:
    options = parse_options()
    torch.manual_seed(options.seed)
    rows = {split: read_rows(options.data_dir / split / "metadata.jsonl") for split in ("train", "validation", "test")}
    counts = dict(Counter(tag for row in rows["train"] for tag in row["hashtags"]))
    learned = some(rows["train"], options.rows_to_train, options.seed)
    teacher: Any = load_scorer(options.model, options.max_length) if options.model else trained(learned, options)
    student = distilled(teacher, learned, options)
    remembering = RememberingScorer(teacher)
    plain = PlainScorer(teacher.model, teacher.tokenizer, teacher.batch_size, options.max_length)
    scorers = {
        "known in training": Counted(lambda tag: np.log1p(counts.get(tag, 0))),
        "frequency of its words": Counted(lambda tag: min(zipf_frequency(word, "en") for word in split_hashtag(tag))),
        "PLL": plain,
        "PLL-word-l2r": remembering,
        "PLL-word-l2r, summed": PerScorer(remembering, lambda tag: 1),
        "PLL-word-l2r per letter": PerScorer(remembering, len),
        "one pass": student,
    }
    measure_damage(scorers, rows, counts, options)
    measure_new(scorers, rows, counts, options)
    asked = RememberingScorer(teacher)
    per_letter = PerScorer(asked, len)
    measure_ranker({"PLL-word-l2r": asked, "PLL-word-l2r per letter": per_letter, "one pass": student}, rows, options)


def parse_options() -> Namespace:
    parser = ArgumentParser(description="Measures what a masked language model knows of hashtags.")
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with train, validation and test")
    parser.add_argument("--output_dir", type=Path, required=True, help="where models are saved")
    parser.add_argument("--model", help="masked language model, a folder or Hub id; by default one is trained")
    parser.add_argument("--sources", nargs="+", default=["posts", "words", "frequent"], help="also history")
    parser.add_argument("--num_epochs", type=int, default=10, help="of the language model")
    parser.add_argument("--rows_to_train", type=int, default=7500, help="training rows that it learns from")
    parser.add_argument("--vocabulary", type=int, default=3000, help="tokens of the language model")
    parser.add_argument("--max_length", type=int, default=48, help="tokens of description and hashtag")
    parser.add_argument("--rows_to_distill", type=int, default=1000, help="training rows that the student learns from")
    parser.add_argument("--rows_to_damage", type=int, default=400, help="test rows whose hashtags are damaged")
    parser.add_argument("--rows_with_new", type=int, default=150, help="rows with new hashtags, of each split")
    parser.add_argument("--rows_to_rank", type=int, default=400, help="rows that a ranker is fitted and tested on")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def read_rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def print_header(*names: str) -> None:
    print(f"\n| {' | '.join(names)} |\n{'|---' * len(names)}|")


def some(rows: Sequence, count: int, seed: int) -> list:
    """Some of the rows, in their order."""
    chosen = sorted(random.Random(seed).sample(range(len(rows)), min(count, len(rows))))
    return [rows[number] for number in chosen]


# The models


def trained(rows: list[dict], options: Namespace) -> PlausibilityScorer:
    """
    A small model that learned from descriptions, each with the words of one of its hashtags behind it: a ModernBERT,
    which learns more from few texts than a BERT.
    """
    folder = options.output_dir / "masked_language_model"
    if not folder.is_dir():
        words = [" ".join(word for tag in row["hashtags"] for word in split_hashtag(tag)) for row in rows]
        tokenizer: Any = make_tokenizer([row["description"] for row in rows] + words, options.vocabulary)
        config = ModernBertConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=options.max_length + 16,
            initializer_range=0.05,
            pad_token_id=tokenizer.pad_token_id,
            cls_token_id=tokenizer.cls_token_id,
            sep_token_id=tokenizer.sep_token_id,
            bos_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
        )
        model = ModernBertForMaskedLM(config)
        train(model, tokenizer, rows, options)
        PlausibilityScorer(model, tokenizer).save_pretrained(folder)
    return PlausibilityScorer.from_pretrained(folder, batch_size=256, max_length=options.max_length)


def make_tokenizer(texts: list[str], size: int) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=[*SPECIAL.values()], limit_alphabet=1000)
    tokenizer.train_from_iterator(texts, trainer)
    ends: Any = [(token, tokenizer.token_to_id(token)) for token in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.BertProcessing(*ends)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def train(
    model: ModernBertForMaskedLM, tokenizer: PreTrainedTokenizerFast, rows: list[dict], options: Namespace
) -> None:
    rng, start = random.Random(options.seed), time.process_time()
    steps = options.num_epochs * -(-len(rows) // 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 20, steps)
    model.train()
    for epoch in range(options.num_epochs):
        losses = []
        for inputs, targets in training_batches(tokenizer, rows, options.max_length, rng):
            hidden = model.model(**inputs).last_hidden_state[targets != NOT_A_TARGET]
            # The vocabulary's scores where they are asked for, and nowhere else.
            loss = torch.nn.functional.cross_entropy(
                model.decoder(model.head(hidden)), targets[targets != NOT_A_TARGET]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {np.mean(losses):.3f}, {time.process_time() - start:.0f} s", flush=True)


def training_batches(
    tokenizer: PreTrainedTokenizerFast, rows: list[dict], max_length: int, rng: random.Random
) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
    """Inputs with masks, and the tokens that were there."""
    texts = [f"{row['description']} {' '.join(split_hashtag(rng.choice(row['hashtags'])))}" for row in rows]
    encoded = tokenizer(texts, truncation=True, max_length=max_length, return_token_type_ids=False)
    order = sorted(range(len(texts)), key=lambda row: (len(encoded["input_ids"][row]), rng.random()))
    batches = [order[first : first + 64] for first in range(0, len(order), 64)]
    rng.shuffle(batches)
    for batch in batches:
        inputs = tokenizer.pad({"input_ids": [encoded["input_ids"][row] for row in batch]}, return_tensors="pt")
        ids = inputs["input_ids"]
        special = torch.isin(
            ids, torch.tensor([tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id])
        )
        masked = (torch.rand(ids.shape) < MASKED_SHARE) & ~special
        if masked.any():
            inputs["input_ids"] = ids.masked_fill(masked, tokenizer.mask_token_id)
            yield (
                {name: inputs[name] for name in ("input_ids", "attention_mask")},
                ids.masked_fill(~masked, NOT_A_TARGET),
            )


def distilled(teacher: PlausibilityScorer, rows: list[dict], options: Namespace) -> DistilledPlausibilityScorer:
    """A scorer of one pass that begins as its teacher, and learned from right and damaged hashtags."""
    folder = options.output_dir / "distilled"
    if not folder.is_dir():
        begin = options.model or options.output_dir / "masked_language_model"
        model = AutoModelForTokenClassification.from_pretrained(begin, num_labels=1)
        student = DistilledPlausibilityScorer(model, teacher.tokenizer, 64, options.max_length)
        chosen, damage = some(rows, options.rows_to_distill, options.seed), Damage(rows, options.seed)
        tags = [random.Random(number).choice(row["hashtags"]) for number, row in enumerate(chosen)]
        asked = [[tag, damage.of_letter(tag), damage.of_word(tag)] for tag in tags]
        start = time.process_time()
        losses = distill_plausibility(
            teacher, student, [row["description"] for row in chosen], asked, num_epochs=5, learning_rate=1e-3
        )
        print(
            f"distilled: losses {[round(loss, 2) for loss in losses]}, {time.process_time() - start:.0f} s", flush=True
        )
        student.save_pretrained(folder)
    return DistilledPlausibilityScorer.from_pretrained(folder, batch_size=256, max_length=options.max_length)


# Authors' hashtags and damaged ones


class Damage:
    """Hashtags with a letter, or a word, that stands for another; of letters and words of the training's hashtags."""

    def __init__(self, rows: list[dict], seed: int):
        self.hashtags = sorted({tag for row in rows for tag in row["hashtags"]})
        self.words = sorted({word for tag in self.hashtags for word in split_hashtag(tag)})
        self.rng = random.Random(seed)

    def of_letter(self, hashtag: str) -> str:
        place = self.rng.randrange(len(hashtag))
        letter = self.rng.choice(self.rng.choice(self.hashtags))
        changed = hashtag[:place] + letter + hashtag[place + 1 :]
        return changed if changed != hashtag and not changed.isdigit() else self.of_letter(hashtag)

    def of_word(self, hashtag: str) -> str:
        words = list(split_hashtag(hashtag))
        words[self.rng.randrange(len(words))] = self.rng.choice(self.words)
        changed = "".join(words)
        return changed if changed != hashtag and not changed.isdigit() else self.of_word(hashtag)


def measure_damage(scorers: dict, rows: dict[str, list[dict]], counts: dict[str, int], options: Namespace) -> None:
    damage = Damage(rows["train"], options.seed)
    chosen = some([row for row in rows["test"] if row["description"]], options.rows_to_damage, options.seed)
    asked = [[(tag, damage.of_letter(tag), damage.of_word(tag)) for tag in row["hashtags"][:3]] for row in chosen]
    flat = [[tag for triple in row for tag in triple] for row in asked]
    is_known = np.array([triple[0] in counts for row in asked for triple in row])
    print(f"\n{len(is_known)} hashtags of {len(chosen)} test rows, {(~is_known).sum()} of them not in training")
    print("area under the curve against hashtags with a letter, or a word, changed; right of pairs, in percent")
    print_header("scorer", "letter", "word", "letter, new", "word, new", "pairs, letter", "pairs, word")
    descriptions = [row["description"] for row in chosen]
    with_summed = {**scorers, "PLL-word-l2r, no description": scorers["PLL-word-l2r"]}
    for name, scorer in with_summed.items():
        said = [""] * len(chosen) if "no description" in name else descriptions
        triples = np.array([score for row in scorer.score(said, flat) for score in row]).reshape(-1, 3)
        cells = [area(triples[kept], other) for kept in (slice(None), ~is_known) for other in (1, 2)]
        pairs = [100 * np.mean((triples[:, 0] > triples[:, o]) + (triples[:, 0] == triples[:, o]) / 2) for o in (1, 2)]
        print(f"| {name} | {' | '.join(cells)} | {pairs[0]:.1f} | {pairs[1]:.1f} |", flush=True)


def area(triples: np.ndarray, other: int) -> str:
    if not len(triples):
        return "-"
    truth = np.repeat([1, 0], len(triples))
    return f"{roc_auc_score(truth, np.concatenate([triples[:, 0], triples[:, other]])):.3f}"


# New hashtags


def composed(description: str) -> dict[str, int]:
    """Hashtags that one to three neighbouring words of a text make, with how many words."""
    words = regex.findall(r"[\p{L}\p{M}\p{N}_]+", description.lower())
    found = {}
    for size in range(1, MOST_WORDS + 1):
        for first in range(len(words) - size + 1):
            hashtag = "".join(words[first : first + size])
            if any(map(str.isalpha, hashtag)):
                found.setdefault(hashtag, size)
    return found


def kind_of(hashtag: str, size: int, texts: dict[str, int]) -> tuple[int, int, int]:
    return size, min(len(hashtag) // 4, 5), min(texts.get(hashtag, 0), 3)


def likelihoods(rows: list[dict], counts: dict[str, int]) -> tuple[dict, dict[str, int]]:
    """How often words like these were a hashtag that was used once, by their number, letters and texts."""
    runs = [composed(row["description"]) for row in rows]
    texts = Counter(hashtag for of_row in runs for hashtag in of_row)
    all_of, right = Counter(), Counter()
    for row, of_row in zip(rows, runs):
        for hashtag, size in of_row.items():
            own = hashtag in row["hashtags"]
            if counts.get(hashtag, 0) == own:  # as if the row were not known
                kind = kind_of(hashtag, size, {hashtag: texts[hashtag] - 1})
                all_of[kind] += 1
                right[kind] += own
    return {kind: (right[kind] + 0.1) / (all_of[kind] + 100) for kind in all_of}, texts


def measure_new(scorers: dict, rows: dict[str, list[dict]], counts: dict[str, int], options: Namespace) -> None:
    """Whether the first new hashtag is right, of those that the words of the description make."""
    rates, texts = likelihoods(rows["train"], counts)
    tables, shares = {}, {}
    for split in ("validation", "test"):
        table = [new_candidates(row, counts, rates, texts) for row in rows[split]]
        kept = [(row, of_row) for row, of_row in zip(rows[split], table) if set(of_row) & set(row["hashtags"])]
        shares[split] = len(kept) / len(rows[split])
        tables[split] = some(kept, options.rows_with_new, options.seed)
    print(f"\n{100 * shares['test']:.1f} % of {len(rows['test'])} test rows have a right one among their 20 likeliest")
    print(f"new ones; {len(tables['validation'])} such rows of validation, {len(tables['test'])} of test")
    if not all(tables.values()):
        return
    print_header("scorer", "weight", "first is right, of those rows", "without", "p", "MRR", "without")
    for name, scorer in scorers.items():
        if name in ("known in training", "PLL"):  # none is; and one kind of PLL is enough
            continue
        plausible = {split: scored(scorer, table) for split, table in tables.items()}
        if name == "frequency of its words":  # from 0 to 8: more is likelier, but rare words are better hashtags
            plausible = {split: [[-one for one in row] for row in found] for split, found in plausible.items()}
        weight = best_weight(likely(tables["validation"]), plausible["validation"], truth_of(tables["validation"]))
        first, ranks = ranks_of(tables["test"], plausible["test"], weight)
        plain_first, plain_ranks = ranks_of(tables["test"], plausible["test"], 0.0)
        test = paired_test(first, plain_first)
        print(
            f"| {name} | {weight:.2f} | {100 * first.mean():.1f} | {100 * plain_first.mean():.1f} | {test.p_value:.4f}"
            f" | {ranks.mean():.3f} | {plain_ranks.mean():.3f} |",
            flush=True,
        )


def new_candidates(row: dict, counts: dict[str, int], rates: dict, texts: dict[str, int]) -> dict[str, float]:
    found = composed(row["description"])
    least = min(rates.values())
    new = {tag: rates.get(kind_of(tag, size, texts), least) for tag, size in found.items() if tag not in counts}
    return dict(sorted(new.items(), key=lambda pair: -pair[1])[:SHORTLIST])


def scored(scorer, table: list[tuple[dict, dict[str, float]]]) -> list[list[float]]:
    return scorer.score([row["description"] for row, _ in table], [list(of_row) for _, of_row in table])


def likely(table: list) -> list[list[float]]:
    return [list(of_row.values()) for _, of_row in table]


def truth_of(table: list) -> list[list[bool]]:
    return [[tag in row["hashtags"] for tag in of_row] for row, of_row in table]


def ranks_of(table: list, plausible: list[list[float]], weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Of each row whether the first is right, and the reciprocal rank of the first right one."""
    first, ranks = [], []
    for row, right in zip(rerank(likely(table), plausible, weight), truth_of(table)):
        order = np.argsort(-np.array(row), kind="stable")
        rank = next(rank for rank, place in enumerate(order, start=1) if right[place])
        first.append(float(rank == 1))
        ranks.append(1 / rank)
    return np.array(first), np.array(ranks)


# The ranker


def measure_ranker(scorers: dict[str, Any], rows: dict[str, list[dict]], options: Namespace) -> None:
    chosen = {split: some(rows[split], options.rows_to_rank, options.seed) for split in ("validation", "test")}
    clues = {split: clues_of(chosen[split], *(rows[other] for other in rows if other != split)) for split in chosen}
    known = {"validation": rows["train"], "test": rows["train"] + rows["validation"]}
    references = {split: [row["hashtags"] for row in chosen[split]] for split in chosen}
    print(f"\nranker fitted on {len(chosen['validation'])} validation rows, {len(chosen['test'])} test rows")
    print_header("ranker", "F1", "difference", "p", "calibration error", "ms a clip", "of that plausibility")
    recommenders = {split: recommender_of(known[split], options.sources) for split in chosen}
    plain = None
    for name, scorer in {"without": None, **scorers}.items():
        features, seconds = {}, 0.0
        for split, recommender in recommenders.items():
            recommender.plausibility, start = scorer, time.process_time()
            # As a pipeline asks, some rows at a time.
            parts = [recommender.features(clues[split][at : at + 32]) for at in range(0, len(clues[split]), 32)]
            features[split], seconds = CandidateFeatures.joined(parts), time.process_time() - start
        ranker = fit_ranker(features["validation"], references["validation"], seed=options.seed)
        recommenders["test"].ranker = ranker
        answers = [[found.hashtag for found in row] for row in recommenders["test"].rank(features["test"])]
        f1 = hashtag_metrics_per_video(answers, references["test"], word_splitter="whole")["f1"]
        plain = (f1, seconds) if plain is None else plain
        print_ranker(name, f1, ranker.config.calibration_error, seconds, plain, len(answers))
        if scorer is not None:
            print_weight(ranker, features["test"])


def print_ranker(name, f1: np.ndarray, error: Any, seconds: float, plain: tuple[np.ndarray, float], rows: int) -> None:
    interval = bootstrap_intervals({"f1": f1})["f1"]
    test = paired_test(f1, plain[0])
    each, before = 1000 * seconds / rows, 1000 * plain[1] / rows
    # What is remembered costs nothing.
    took = "as above" if "letter" in name else f"{each - before:.1f} ({each / before:.1f} times without)"
    print(
        f"| {name} | {interval.mean:.1f} ({interval.low:.1f} to {interval.high:.1f}) | {test.difference:+.2f} |"
        f" {test.p_value:.4f} | {error:.3f} | {each:.1f} | {took} |",
        flush=True,
    )


def print_weight(ranker, features: CandidateFeatures) -> None:
    """How much the feature moves the logits, beside the one that moves them most."""
    moved = dict(zip(features.names, ranker.explain(features.values).std(dim=0).tolist()))
    most = max(moved, key=lambda name: moved[name])
    asked = 100 * (features.values[:, features.names.index(PLAUSIBILITY)] > 0).float().mean()
    print(
        f"  it moves logits by {moved[PLAUSIBILITY]:.2f} (standard deviation), {most} by {moved[most]:.2f};", end=" "
    )
    print(f"asked of {asked:.0f} % of the candidates", flush=True)


def recommender_of(rows: list[dict], names: Sequence[str]) -> Recommender:
    counts = dict(Counter(tag for row in rows for tag in row["hashtags"]))
    made = {
        "posts": lambda: PostsSource(PostIndex.build(rows), "sparse"),
        "words": lambda: WordsSource.build(rows),
        "history": HistorySource,
        "frequent": lambda: FrequentSource(counts),
    }
    return Recommender([made[name]() for name in names], counts=counts)


if __name__ == "__main__":
    main()
