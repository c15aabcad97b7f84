"""The card of a pool that is shared alone."""

import re
from statistics import median

import pytest
import torch
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm import HashtagPool
from transformers_ggm.hub_cards.pool_card import BEGIN, END, make_pool_card, with_new_facts
from transformers_ggm.hub_cards.pool_statistics import pool_statistics

TAGS = ["snow", "café", "снег", "東京タワー", "x2"]


@pytest.fixture
def pool():
    return HashtagPool(TAGS, torch.eye(5), counts=[7, 1, 0, 1200, 7], retriever_fingerprint="abc123")


@pytest.fixture
def saved(pool, tmp_path):
    pool.save_pretrained(tmp_path / "pool")
    return tmp_path / "pool"


def table_value(text, name):
    return re.search(rf"^\| {re.escape(name)} \| (.*?) \|$", text, re.MULTILINE)[1]


def test_usage_runs_as_written(saved, monkeypatch, capsys):
    """Would fail if the lines that everybody copies first did not run in the pool's folder."""
    (usage,) = re.findall(r"```python\n(.*?)```", (saved / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(saved)
    exec(compile(usage, "README.md", "exec"), {})
    assert capsys.readouterr().out == f"5 hashtags, the first of them: {TAGS}\n"


def test_metadata_and_facts(saved):
    """Would fail if the Hub could not tell what the repository is, or a fact were not that of the pool."""
    card = ModelCard.load(saved / "README.md")
    assert card.data.library_name == "transformers-ggm" and "hashtag-pool" in card.data.tags
    assert not {"license", "language", "pipeline_tag", "base_model"} & set(card.data.to_dict())
    assert table_value(card.text, "hashtags") == "5" and table_value(card.text, "dimensions of a vector") == "5"
    assert table_value(card.text, "retriever, by its fingerprint") == "`abc123`"
    assert table_value(card.text, "times they were seen, together") == "1,215"
    assert table_value(card.text, "times a hashtag was seen") == "0 to 1,200, median 7"
    assert table_value(card.text, "seen once") == "1" and table_value(card.text, "never seen") == "1"
    assert table_value(card.text, "characters in a hashtag") == "2 to 5, median 4"
    assert table_value(card.text, "scripts") == "Latin 3, Cyrillic 1, several 1"
    assert "#東京タワー (1,200), #snow (7), #x2 (7), #café (1)." in card.text
    assert "Biased" in card.text or "biased or offensive" in card.text
    assert "sections 7 and 8" in card.text


def test_what_is_not_known_is_not_said(tmp_path):
    """Would fail if counts of 1 that nobody counted, or a retriever that is not known, were told as facts."""
    HashtagPool(["snow", "lake"], torch.eye(2)).save_pretrained(tmp_path / "pool")
    text = (tmp_path / "pool" / "README.md").read_text(encoding="utf-8")
    assert "seen" not in text.split(BEGIN)[1] and "frequent" not in text and "fingerprint |" not in text
    assert "which this pool does\nnot know" in text
    assert not re.search(r"\{\{|\{%|\bNone\b|\n\n\n", text)


@given(
    st.lists(st.tuples(st.text("abcдж東", min_size=1), st.integers(0, 99)), min_size=1, unique_by=lambda row: row[0])
)
def test_statistics_are_those_of_the_hashtags(rows):
    """Would fail if a statistic were another one than that of the hashtags, or the order were not by frequency."""
    tags, counts = zip(*rows)
    statistics = pool_statistics(tags, counts)
    lengths = [len(tag) for tag in tags]
    table = statistics["rows"]
    assert table["characters in a hashtag"] == f"{min(lengths)} to {max(lengths)}, median {median(lengths):g}"
    assert sum(int(part.rsplit(" ", 1)[1]) for part in table["scripts"].split(", ")) == len(tags)
    assert statistics["unseen"] == counts.count(0)
    shown = [int(number) for number in re.findall(r"\((\d+)\)", statistics["frequent"])]
    if set(counts) == {1}:
        assert not shown and "seen once" not in table
    else:
        assert shown == [count for count in sorted(counts, reverse=True)[:20] if count]
        assert table["times they were seen, together"] == f"{sum(counts):,}"


def test_saving_again_writes_the_facts_anew_and_nothing_else(pool, saved):
    """Would fail if a pool that changed kept its old metrics, or what somebody wrote into the card got lost."""
    path = saved / "README.md"
    mine = path.read_text(encoding="utf-8").replace("---\n\n# Hashtag pool", "license: mit\n---\n\n# Winter")
    mine = mine.replace("## Limits and risks", "## Where it comes from\n\nFrom me.\n\n## Limits and risks")
    path.write_text(mine, encoding="utf-8")
    pool.remove(["東京タワー"])
    for create in (True, False):
        pool.save_pretrained(saved, create_model_card=create)
        text = path.read_text(encoding="utf-8")
        assert table_value(text, "hashtags") == "4" and "1,200" not in text
        before, after = (re.sub(f"{BEGIN}.*{END}", "", card, flags=re.DOTALL) for card in (mine, text))
        assert before == after and "# Winter" in after and "From me." in after


def test_no_card_unless_asked_for(pool, tmp_path):
    """Would fail if a pool inside a checkpoint, whose own card tells of it, got a second card."""
    pool.save_pretrained(tmp_path / "pool", create_model_card=False)
    assert not (tmp_path / "pool" / "README.md").exists()


@given(st.text())
def test_a_card_of_other_hands_stays(card):
    """Would fail if a card without marks were changed, or facts were read as a pattern."""
    assert with_new_facts(card, r"\1 new") == card
    marked = f"{BEGIN}\nold\n{END}"
    assert with_new_facts(card + marked, r"\1 new").endswith(f"{BEGIN}\n\\1 new\n{END}")


def test_usage_names_the_place():
    """Would fail if the usage of a pool on the Hub did not load that pool."""
    assert 'from_pretrained("someone/trends")' in make_pool_card(TAGS, [1] * 5, 3, repo_id="someone/trends")
    card = make_pool_card(TAGS, [1] * 5, 3, repo_id="someone/trends", subfolder="winter")
    assert 'from_pretrained("someone/trends", subfolder="winter")' in card and "\n# winter\n" in card
