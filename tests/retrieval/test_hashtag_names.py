"""Names by row and by name, few and many."""

import pickle

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.errors import HashtagError
from transformers_ggm.retrieval import hashtag_table
from transformers_ggm.retrieval.hashtag_table import HashtagNames, NameTable

NAMES = st.text(alphabet="ab東", min_size=1, max_size=3)


def arrow(names) -> pa.LargeStringArray:
    return pa.array(names, pa.large_string())


@settings(deadline=None, max_examples=100)
@given(st.lists(NAMES, max_size=20), st.lists(NAMES, max_size=6), st.booleans())
def test_table_finds_every_row(names, wanted, alike):
    """If it failed, a hashtag of a large pool would be called novel, or be added a second time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashtag_table, "_NAMES_AT_A_TIME", 3)
        if alike:  # hashes may be equal where names are not
            patch.setattr(hashtag_table, "hash", len, raising=False)
        table = NameTable(arrow(names))
        assert table.find(wanted) == [[row for row, name in enumerate(names) if name == one] for one in wanted]
        repeated = table.repeated()
        assert sorted(repeated) == sorted({name for name in names if names.count(name) > 1})
        assert list(table) == names


def test_table_works_in_another_process():
    """If it failed, a pool that is sent to a worker process would not find its own hashtags there."""
    table = NameTable(arrow(["snow", "ski"]))
    function, arguments = table.__reduce__()
    assert (function, arguments) == (NameTable, (table.names,))
    assert pickle.loads(pickle.dumps(table)).find(["ski"]) == [[1]]


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 9), st.lists(st.tuples(st.booleans(), st.sets(NAMES, min_size=1, max_size=5)), max_size=8))
def test_changes_like_those_of_a_list(in_dictionary, changes):
    """If it failed, a row would get another hashtag's name after some hours of adding and removing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashtag_table, "_IN_DICTIONARY", in_dictionary)
        names = HashtagNames(arrow(["a", "b", "東"]))
        rows: list[str | None] = ["a", "b", "東"]
        for adding, given_names in changes:
            before = names, list(names)
            if adding:
                new = sorted(name for name in given_names if name not in rows)
                names = names.followed_by(new)
                rows = rows + new
            else:
                gone = [row for row, name in enumerate(rows) if name in given_names]
                names = names.without(gone)
                rows = [None if row in gone else name for row, name in enumerate(rows)]
            assert list(before[0]) == before[1]
            expected = [name for name in rows if name is not None]
            assert list(names) == names.arrow().to_pylist() == expected
            assert (len(names), names.num_rows) == (len(expected), len(rows))
            assert [names[row] for row, name in enumerate(rows) if name is not None] == expected
            wanted = [*given_names, "c"]
            assert names.find(wanted) == [rows.index(name) if name in rows else None for name in wanted]


@pytest.mark.parametrize("in_dictionary", [0, 9])
def test_repeated_names_are_refused(monkeypatch, in_dictionary):
    """If it failed, a hashtag could stand in a pool twice, with two vectors."""
    monkeypatch.setattr(hashtag_table, "_IN_DICTIONARY", in_dictionary)
    with pytest.raises(HashtagError, match="more than once: 'b', 'a'"):
        HashtagNames(arrow(["a", "b", "b", "c", "a", "b"]))
