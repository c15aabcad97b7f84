import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.data.corpus import SPLIT_NAMES, Corpus, CorpusOptions, build_corpus
from transformers_ggm.errors import DatasetError

TRAIN, VALIDATION, TEST, UNSEEN = range(4)

tags = st.sampled_from(["snow", "lake", "hill", "Ünder", "雪", "a", "b", "c"])
row_lists = st.lists(st.lists(tags, max_size=4), min_size=1, max_size=60)
# Shares with room for rounding, and shares that leave a split without rows.
shares = st.sampled_from([(0.8, 0.1), (0.5, 0.25), (0.7, 0.3), (1.0, 0.0), (0.34, 0.0), (0.6, 0.39)])
TOO_SMALL = ("No row is left for training", "occurs in fewer than", "unseen hashtags can be chosen")


def make_rows(num_rows, num_tags, seed=0):
    """Rows with one to five hashtags, the first ones of the vocabulary more often."""
    source = random.Random(seed)
    vocabulary = [f"tag{index}" for index in range(num_tags)]
    weights = [1 / (index + 1) ** 0.5 for index in range(num_tags)]
    uses = iter(source.choices(vocabulary, weights, k=5 * num_rows))
    return [[next(uses) for _ in range(source.randint(1, 5))] for _ in range(num_rows)]


def kept_of(rows, corpus, split):
    """The kept hashtags of the rows of a split, row by row."""
    return [set(row) & corpus.kept_hashtags for row, index in zip(rows, corpus.splits) if index == split]


def built_or_none(rows, options, groups=None):
    """A corpus, or `None` where the rows are too few for one, which other tests look at."""
    try:
        return build_corpus(rows, options, groups)
    except DatasetError as error:
        assert any(part in str(error) for part in TOO_SMALL)
        return None


@given(row_lists, st.integers(1, 6))
def test_rare_hashtags_and_rows_left_with_none_are_dropped(rows, min_count):
    """A hashtag would be dropped that is frequent enough, or kept that is not, or a row dropped for no reason."""
    corpus = built_or_none(rows, CorpusOptions(min_hashtag_count=min_count, train_share=1.0, validation_share=0.0))
    counts = Counter(tag for row in rows for tag in set(row))
    frequent = {tag for tag, count in counts.items() if count >= min_count}
    if corpus is None:
        assert not frequent
        return
    assert corpus.kept_hashtags == frequent
    assert [split == -1 for split in corpus.splits] == [not frequent & set(row) for row in rows]


@given(row_lists, shares, st.integers(0, 2**70))
def test_shares_are_met_to_within_one_row(rows, shares, seed):
    """Splits would be larger or smaller than asked for."""
    options = CorpusOptions(1, *shares, num_unseen_hashtags=0, seed=seed)
    corpus = built_or_none(rows, options)
    if corpus is None:
        return
    num_rows = sum(bool(row) for row in rows)
    wanted = np.array([shares[0], shares[1], 1 - sum(shares), 0]) * num_rows
    sizes = np.array([(corpus.splits == split).sum() for split in range(4)])
    assert sizes.sum() == num_rows
    assert np.abs(sizes - wanted).max() <= 1


@given(row_lists, shares, st.sampled_from([0, 1, 2]), st.integers(0, 99), st.randoms(use_true_random=False))
def test_order_and_repeats_of_hashtags_within_a_row_do_not_matter(rows, shares, number, seed, source):
    """The same data written down differently would be split differently."""
    options = CorpusOptions(1, *shares, num_unseen_hashtags=number, seed=seed)
    corpus = built_or_none(rows, options)
    shuffled = [source.sample(row, len(row)) + row[:1] for row in rows]
    again = built_or_none(iter(shuffled), options)
    if corpus is None:
        assert again is None
        return
    assert np.array_equal(corpus.splits, again.splits)
    assert (corpus.kept_hashtags, corpus.unseen_hashtags) == (again.kept_hashtags, again.unseen_hashtags)


def random_numbers(seed, purpose, count):
    """PCG64 by its definition, in whole numbers: what a corpus must rest on, whichever numpy draws it."""
    state = np.random.PCG64([seed, purpose]).state["state"]
    value, numbers = state["state"], []
    for _ in range(count):
        value = (value * 0x2360ED051FC65DA44385DF649FCCF645 + state["inc"]) % 2**128
        mixed, turn = (value >> 64) ^ (value % 2**64), value >> 122
        numbers.append((mixed >> turn | mixed << (64 - turn)) % 2**64)
    return numbers


def test_the_corpus_is_the_same_everywhere():
    """A data set built again, with another release of numpy or on another machine, would have other splits."""
    rows = [[f"{'zyxwvutsrqponmlkjihg'[index % 20]}{index % 20}"] for index in range(200)]
    order = sorted(range(200), key=random_numbers(7, 0, 200).__getitem__)
    expected = np.full(200, TRAIN)
    expected[order[160:180]], expected[order[180:]] = VALIDATION, TEST
    vocabulary = sorted({tag for row in rows for tag in row})
    assert {tag for row, split in zip(rows, expected) if split == TRAIN for tag in row} == set(vocabulary)
    unseen = min(zip(random_numbers(7, 1, 20), vocabulary))[1]
    expected[[row == [unseen] and split != VALIDATION for row, split in zip(rows, expected)]] = UNSEEN
    corpus = build_corpus(rows, CorpusOptions(seed=7))
    assert corpus.unseen_hashtags == [unseen]
    assert np.array_equal(corpus.splits, expected)


def test_the_seed_decides():
    """Different seeds would give one split, or one seed several."""
    rows = make_rows(400, 60)
    one, again, other = (build_corpus(rows, CorpusOptions(seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.splits, again.splits) and one.unseen_hashtags == again.unseen_hashtags
    assert not np.array_equal(one.splits, other.splits) and one.unseen_hashtags != other.unseen_hashtags


def test_every_row_may_go_to_every_split():
    """The split would depend on where a row stands in the file."""
    rows = [["snow"]] * 20
    counts = np.zeros((20, 3))
    for seed in range(300):
        splits = build_corpus(rows, CorpusOptions(seed=seed, num_unseen_hashtags=0)).splits
        counts[np.arange(20), splits] += 1
    # Two rows of twenty for validation and test each: 30 times in 300, give or take 5.2.
    assert np.abs(counts[:, 1:] - 30).max() < 26


def test_the_published_defaults():
    """A corpus built without options would not be the paper's: at least 5 uses, 80/10/10, 500 unseen hashtags."""
    rows = make_rows(70_000, 10_700, seed=1)
    corpus = build_corpus(rows)
    counts = Counter(tag for row in rows for tag in set(row))
    assert corpus.kept_hashtags == {tag for tag, count in counts.items() if count >= 5}
    assert len(corpus.kept_hashtags) >= 10_000
    assert len(corpus.unseen_hashtags) == 500
    num_rows = (corpus.splits >= 0).sum()
    assert abs((corpus.splits == VALIDATION).sum() - 0.1 * num_rows) <= 1
    # Training and test rows are as likely to have an unseen hashtag.
    before = build_corpus(rows, CorpusOptions(num_unseen_hashtags=0)).splits
    assert abs((before == TRAIN).sum() - 0.8 * num_rows) <= 1
    moved = [(corpus.splits[before == split] == UNSEEN).mean() for split in (TRAIN, TEST)]
    assert moved[0] == pytest.approx(moved[1], abs=0.03)


@settings(max_examples=200)
@given(row_lists, st.one_of(st.none(), st.integers(0, 4)), st.integers(0, 99))
def test_unseen_hashtags_are_not_in_training_and_not_in_test(rows, number, seed):
    """A hashtag that is called unseen would be trained on, or a row of training or test moved for no reason."""
    without = built_or_none(rows, CorpusOptions(1, num_unseen_hashtags=0, seed=seed))
    if without is None:
        return
    corpus = built_or_none(rows, CorpusOptions(1, num_unseen_hashtags=number, seed=seed))
    if corpus is None:
        assert number
        return
    unseen = set(corpus.unseen_hashtags)
    assert corpus.unseen_hashtags == sorted(unseen)
    assert number is None or len(unseen) == number
    assert unseen <= set().union(*kept_of(rows, without, TRAIN))
    for row, before, after in zip(rows, without.splits, corpus.splits):
        moves = bool(unseen & set(row)) and before in (TRAIN, TEST)
        assert after == (UNSEEN if moves else before)
    assert 2 * (corpus.splits == TRAIN).sum() >= (without.splits == TRAIN).sum()


def test_validation_rows_with_an_unseen_hashtag_stay():
    """Validation would shrink, which the paper leaves as it is."""
    rows = make_rows(1000, 40)
    corpus = build_corpus(rows, CorpusOptions(num_unseen_hashtags=4))
    unseen = set(corpus.unseen_hashtags)
    assert any(tags & unseen for tags in kept_of(rows, corpus, VALIDATION))
    assert (corpus.splits == VALIDATION).sum() == 100


@pytest.mark.parametrize(("num_tags", "expected"), [(19, 0), (20, 1), (40, 2), (100, 5)])
def test_the_number_of_unseen_hashtags_is_scaled_down(num_tags, expected):
    """A small corpus would lose most of its training hashtags, or would have no unseen ones although it could."""
    rows = [[f"tag{index % num_tags}"] for index in range(20 * num_tags)]
    corpus = build_corpus(rows)
    assert len(corpus.unseen_hashtags) == expected


def test_a_hashtag_of_every_row_is_not_made_unseen():
    """The training split would be emptied by one hashtag that all rows have."""
    rows = [["fyp", f"tag{index % 40}"] for index in range(800)]
    for seed in range(60):
        corpus = build_corpus(rows, CorpusOptions(num_unseen_hashtags=3, seed=seed))
        assert "fyp" not in corpus.unseen_hashtags


def test_more_unseen_hashtags_than_can_be_moved():
    """Fewer than asked for would be moved without a word."""
    rows = [["fyp", f"tag{index % 10}"] for index in range(100)]
    with pytest.raises(DatasetError, match=r"Only \d of 9 unseen hashtags .* lower `num_unseen_hashtags`"):
        build_corpus(rows, CorpusOptions(num_unseen_hashtags=9))


grouped_rows = st.lists(st.tuples(st.lists(tags, max_size=3), st.integers(-3, 12)), min_size=1, max_size=60)


@settings(max_examples=200)
@given(grouped_rows, shares, st.integers(0, 99), st.one_of(st.none(), st.just(0), st.just(1)))
def test_groups_stay_together(pairs, shares, seed, number):
    """Near-duplicates would be trained on and tested with."""
    rows, groups = [row for row, _ in pairs], np.array([group for _, group in pairs], dtype=np.int64)
    options = CorpusOptions(1, *shares, num_unseen_hashtags=number, keep_near_duplicates_together=True, seed=seed)
    corpus = built_or_none(rows, options, groups)
    if corpus is None:
        return
    unseen = set(corpus.unseen_hashtags)
    for group in set(groups.tolist()):
        members = [index for index in np.flatnonzero(groups == group) if corpus.splits[index] >= 0]
        splits = {int(corpus.splits[index]) for index in members}
        assert len(splits) <= 1
        if splits == {UNSEEN}:
            assert any(unseen & set(rows[index]) for index in members)
    assert not any(tags & unseen for split in (TRAIN, TEST) for tags in kept_of(rows, corpus, split))


@settings(max_examples=200)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), shares, st.integers(0, 99))
def test_shares_are_met_to_within_the_largest_group(sizes, shares, seed):
    """Groups would make the splits larger or smaller than they need to be."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    options = CorpusOptions(1, *shares, num_unseen_hashtags=0, keep_near_duplicates_together=True, seed=seed)
    corpus = built_or_none([["snow"]] * len(groups), options, groups)
    if corpus is None:
        return
    wanted = np.array([shares[0], shares[1], 1 - sum(shares)]) * len(groups)
    counts = np.array([(corpus.splits == split).sum() for split in range(3)])
    largest = 1 if sizes.count(1) >= 3 * max(sizes) else max(sizes)
    assert np.abs(counts - wanted).max() <= largest


def test_a_group_that_fits_nowhere():
    """A group would overfill a split although another has more room."""
    groups = np.repeat([5, 6, 7], [10, 10, 4])
    options = CorpusOptions(1, 0.2, 0.4, num_unseen_hashtags=0, keep_near_duplicates_together=True)
    # Room for 5, 9 and 10: one group fills the test split, the next one overfills validation, by one.
    corpus = build_corpus([["snow"]] * 24, options, groups)
    assert np.bincount(corpus.splits).tolist() == [4, 10, 10]


def test_groups_go_to_every_split():
    """All near-duplicates would be trained on, and none tested with."""
    groups = np.concatenate([np.repeat(np.arange(100), 3), np.arange(100, 800)])
    options = CorpusOptions(1, num_unseen_hashtags=0, keep_near_duplicates_together=True)
    corpus = build_corpus([["snow"]] * 1000, options, groups)
    of_groups = np.bincount(corpus.splits[:300:3])
    # 80, 10 and 10 of 100 groups, give or take 4 for the small shares.
    assert (np.abs(of_groups - [80, 10, 10]) < 16).all() and of_groups.min() > 0
    assert np.bincount(corpus.splits).tolist() == [800, 100, 100]


def test_groups_without_the_option_are_not_looked_at():
    """The published split would depend on near-duplicates."""
    rows = make_rows(200, 10)
    plain = build_corpus(rows)
    assert np.array_equal(build_corpus(rows, None, np.zeros(200, dtype=np.int64)).splits, plain.splits)


@pytest.mark.parametrize("groups", [None, np.zeros(4, dtype=np.int64), np.zeros(5), np.zeros((5, 1), dtype=np.int64)])
def test_groups_that_do_not_fit(groups):
    """Groups of other rows, or none at all, would be taken."""
    with pytest.raises(ValueError, match="groups"):
        build_corpus([["snow"]] * 5, CorpusOptions(keep_near_duplicates_together=True), groups)


def test_nothing_left():
    """A corpus of nothing would be written, or the error would not say what to do."""
    with pytest.raises(DatasetError, match=r"3 hashtags of 4 rows occurs in fewer than 5 .*lower `min_hashtag_count`"):
        build_corpus([["snow"], ["snow", "lake"], ["hill"], []])
    with pytest.raises(DatasetError, match="no rows"):
        build_corpus([])
    with pytest.raises(DatasetError, match="raise `train_share`"):
        build_corpus([["snow"]], CorpusOptions(1, train_share=0.1))


def test_a_row_that_is_a_string():
    """The letters of a hashtag would be taken for hashtags."""
    with pytest.raises(ValueError, match="row 1: give each row a list"):
        build_corpus([["snow"], "snow"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_hashtag_count", 0),
        ("min_hashtag_count", 2.5),
        ("min_hashtag_count", True),
        ("train_share", 0),
        ("train_share", 1.1),
        ("train_share", float("nan")),
        ("validation_share", -0.1),
        ("validation_share", 0.3),
        ("num_unseen_hashtags", -1),
        ("seed", -1),
    ],
)
def test_options_out_of_range(field, value):
    """A wrong option would be found out after hours of decoding, or never."""
    with pytest.raises(ValueError, match=f"`{field}`"):
        CorpusOptions(**{field: value})


def test_a_corpus_of_one_row():
    """A single row could not be used, not even for training."""
    corpus = build_corpus([["snow"]], CorpusOptions(min_hashtag_count=1))
    assert isinstance(corpus, Corpus) and SPLIT_NAMES[corpus.splits[0]] == "train" and corpus.unseen_hashtags == []
